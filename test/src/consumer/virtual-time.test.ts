// The full tree runs over a stream in memory for ten virtual minutes, twice with the same trace. This guards that nothing in the tree,
// nact included, uses the clock, randomness or timers of the host instead of the injected ones.
import { expect } from 'chai';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { textOf } from '../../support/consumer-harness.js';
import { inVirtualTime } from '../../support/virtual.js';
import { seeded, virtualConsumer } from '../../support/virtual-consumer.js';

const minutes = 10;

/** Two consumers share a stream that is written to, split and merged for ten minutes; one of them crashes and restarts. */
async function run(seed: number): Promise<{ trace: string[]; seen: number; put: number; events: string[] }> {
  const clock = new ManualClock();
  clock.install();
  try {
    const trace: string[] = [];
    const stream = fakeStream({ shards: 2, clock });
    const random = seeded(seed);
    const members = ['a', 'b'].map((workerId) =>
      virtualConsumer(clock, {
        stream,
        workerId,
        reducers: 2,
        runtime: { random, trace: (entry: object) => void trace.push(JSON.stringify(entry)) },
        onItem: (item) => {
          if (textOf(item) === '900' && item.attempt === 1 && crashes-- > 0) throw new Error('once');
        },
      }),
    );
    let crashes = 1;
    let put = 0;
    for (const { consumer } of members) await inVirtualTime(clock, consumer.start());
    for (let minute = 0; minute < minutes; minute += 1) {
      for (let burst = 0; burst < 6; burst += 1) {
        stream.put(...Array.from({ length: 20 }, () => ({ partitionKey: `k${put % 50}`, data: `${put++}` })));
        await clock.advance(10_000);
      }
      if (minute === 2) stream.split('shardId-000000000000');
      if (minute === 5) stream.merge('shardId-000000000002', 'shardId-000000000003');
    }
    for (const { consumer } of members) await inVirtualTime(clock, consumer.stop());
    const seen = new Set(members.flatMap((member) => member.seen.map(textOf))).size;
    const events = members.flatMap(({ said }) => said.map(({ name }) => name));
    return { trace, seen, put, events };
  } finally {
    clock.uninstall();
  }
}

describe('virtual time', () => {
  it('runs the full tree for ten minutes twice with the same trace, and loses no record', async () => {
    const first = await run(7);
    const second = await run(7);
    expect(first.seen).to.equal(first.put);
    expect(first.events).to.include.members(['shardEnded', 'pipelineRestarted', 'leaseReleased']);
    expect(first.trace.length).to.be.within(5_000, 40_000);
    expect(second.trace).to.deep.equal(first.trace);
    expect(second.events).to.deep.equal(first.events);
  });

  it('gives another trace with another seed, and loses no record', async () => {
    const [first, second] = [await run(1), await run(2)];
    expect(second.trace).to.not.deep.equal(first.trace);
    expect(second.seen).to.equal(second.put);
  });
});
