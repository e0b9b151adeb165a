// Whole consumers whose pipe is traced: crashes inside map, aggregate, flush and sink, by pattern (T1 to T4 of docs/seeds.md), and the laws
// of the trace.
import { expect } from 'chai';
import { retry } from '../../../src/options/retry-policy.js';
import { pipe } from '../../../src/pipes/pipe.js';
import {
  checkTrace,
  initTerminate,
  messageConservation,
  periodic,
  recoverAfter,
  stateContinuity,
  tracePipe,
  type PipeTrace,
} from '../../../src/testing/index.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';
import { virtualConsumer, type VirtualOptions } from '../../support/virtual-consumer.js';

describe('a consumer with a traced pipe', () => {
  let clock: ManualClock;
  beforeEach(() => void (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  const numbers = Array.from({ length: 120 }, (_, at) => at);

  /** Puts the numbers, lets 60 s pass, and stops. Returns the numbers that the sink has written. */
  async function runAll(trace: PipeTrace, more: VirtualOptions): Promise<readonly number[]> {
    const written: number[] = [];
    const nodes = pipe()
      .map((data) => Number(data.toString()))
      .demux((n) => `route${n % 3}`)
      .aggregate({ count: 4, intervalMs: 500 })
      .join()
      .to((batch) => void written.push(...batch));
    const it = virtualConsumer(clock, {
      ...{ reducer: undefined as never, pipe: tracePipe(nodes, trace), leases: { failoverMs: 3_000 }, reducers: 2 },
      ...more,
    });
    await inVirtualTime(clock, it.consumer.start());
    for (const n of numbers) {
      it.stream.put({ partitionKey: `k${n % 7}`, data: String(n) });
      if (n % 20 === 0) await clock.advance(700);
    }
    await clock.advance(60_000);
    await inVirtualTime(clock, it.consumer.stop({ deadlineMs: 5_000 }));

    return written;
  }

  const unique = (values: readonly number[]): number[] => [...new Set(values)].toSorted((one, other) => one - other);

  for (const node of ['map/0', 'aggregate/2', 'sink/4'])
    it(`loses and repeats nothing when ${node} fails again and again, under retry`, async () => {
      await checkTrace(
        async (trace) => {
          const injection = trace.injectCrash({ node, callback: 'handleMessage' }, periodic({ period: 10, duty: 0.9 }));
          const written = await runAll(trace, { onFailure: retry({ minMs: 5, maxMs: 20 }) });
          expect(injection.fired).to.be.greaterThan(3);
          return written;
        },
        (written, points) => {
          expect(written.toSorted((one, other) => one - other)).to.deep.equal(numbers);
          messageConservation(points);
          stateContinuity(points);
          initTerminate(points);
        },
      );
    });

  for (const callback of ['handleMessage', 'handleFlush', 'handleTimer'] as const)
    it(`loses nothing when ${callback} of the aggregate crashes the pipeline`, async () => {
      await checkTrace(
        async (trace) => {
          const injection = trace.injectCrash({ node: 'aggregate/2', callback }, recoverAfter(2));
          const written = await runAll(trace, { onFailure: 'crash' });
          expect(injection.fired).to.equal(2);
          return written;
        },
        (written, points) => {
          expect(unique(written)).to.deep.equal(numbers);
          messageConservation(points, { mayLose: true });
          stateContinuity(points);
          initTerminate(points);
        },
      );
    });
});
