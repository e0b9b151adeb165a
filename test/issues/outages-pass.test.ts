// Symptom: only events showed that a service failed for a while. `ready()` stayed true however long reads or renewals had failed,
// and a permission that was taken away for a moment ended the consumer. Cause: readiness looked only at the age of the last scan.
// An error that is a mistake at the start counted as a mistake at any time.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import type { StreamSource } from '../../src/api/ports.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const denied = new KinactError('ACCESS_DENIED', 'kinesis:GetRecords is not allowed', {
  data: { kind: 'accessDenied' },
});

describe('an outage', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock({ restlessAfter: 20_000 });
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('makes ready() false after 30 s of failed reads, and true again after the first success', async () => {
    const stream = fakeStream({ shards: 1, clock });
    let failing = false;
    let attempts = 0;
    const source = {
      ...stream.source,
      open: (): StreamSource => ({
        ...stream.port,
        open: (...[shardId, start, notice]: Parameters<StreamSource['open']>) => {
          const reader = stream.port.open(shardId, start, notice);
          const pause = (): Promise<void> => new Promise((resolve) => void clock.after(500, resolve));
          return {
            close: () => reader.close(),
            read: async (signal) => {
              while (failing && !signal.aborted) {
                attempts += 1;
                notice({ type: 'retrying', shardId, operation: 'GetRecords', error: denied, delayMs: 500 });
                await pause();
              }
              return reader.read(signal);
            },
          };
        },
      }),
    };
    const { consumer, heard } = virtualConsumer(clock, { stream: { ...stream, source } });
    await inVirtualTime(clock, consumer.start());
    failing = true;
    stream.put({ partitionKey: 'k', data: 'x' });
    await clock.advance(29_000);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await clock.advance(2_000);
    expect(consumer.ready().ok).to.equal(false);
    expect(consumer.ready().reasons[0]).to.match(
      /^GetRecords has failed for 3\d s: kinesis:GetRecords is not allowed$/,
    );
    const said = heard('retrying');
    expect(said.map(({ kind, attempt }) => [kind, attempt])).to.deep.equal(
      said.map((_, at) => ['accessDenied', at + 1]),
    );
    expect(attempts).to.equal(said.length);
    failing = false;
    stream.put({ partitionKey: 'k', data: 'y' });
    await clock.advance(2_000);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    expect(consumer.status().restarts).to.equal(0);
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });

  it('ends and restarts nothing if calls for leases, descriptions and listings fail for minutes', async () => {
    const stream = fakeStream({ shards: 2, clock });
    const store = memoryLeaseStore();
    let error: Error | undefined;
    const fail = <T extends object>(of: T, names: readonly (keyof T)[]): T => {
      const failing = Object.fromEntries(
        names.map((name) => [
          name,
          (...args: unknown[]): unknown =>
            error === undefined ? (of[name] as (...given: unknown[]) => unknown)(...args) : Promise.reject(error),
        ]),
      );
      return { ...of, ...failing };
    };
    const leases = fail(store, ['ensureTable', 'scan', 'get', 'create', 'update', 'updateMeta', 'delete']);
    const port = fail(stream.port, ['describe', 'listShards']);
    const source = { ...stream.source, open: () => port, openLeases: () => leases };
    const { consumer, seen, heard } = virtualConsumer(clock, { stream: { ...stream, source } });
    await inVirtualTime(clock, consumer.start());
    for (const code of [
      'ACCESS_DENIED',
      'CREDENTIALS_MISSING',
      'WRONG_REGION',
      'TABLE_NOT_KCL',
      'AWS_ERROR',
    ] as const) {
      error = new KinactError(code, 'no');
      await clock.advance(70_000);
      expect(consumer.ready().ok, code).to.equal(false);
      error = new Error('something new');
      await clock.advance(70_000);
      error = undefined;
      stream.put({ partitionKey: code, data: code });
      await clock.advance(30_000);
      expect(consumer.ready(), code).to.deep.equal({ ok: true, reasons: [] });
    }
    expect(seen.map(({ key }) => key)).to.include.members(['ACCESS_DENIED', 'AWS_ERROR']);
    expect(heard('actorCrashed')).to.deep.equal([]);
    expect(heard('pipelineRestarted')).to.deep.equal([]);
    await inVirtualTime(clock, consumer.stop());
  });
});
