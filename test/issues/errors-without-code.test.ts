// Symptom: some errors that users meet had no code. They came from the tools of kinact/testing and from a supervisor that is used
// outside its runtime. Rule: every error that a call of ours throws is a KinactError with a code.
import { expect } from 'chai';
import { defineReducer, isKinactError } from '../../src/index.js';
import { drive, fakeStream, ManualClock, nemesis } from '../../src/testing/index.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { supervisor, type Ref, type SupervisorMessage } from '../../supervision/index.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

/** The code of the error that a call throws or rejects with. */
async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return 'no error';
  } catch (error) {
    return isKinactError(error) ? error.code : error;
  }
}

describe('an error of a tool for tests, or of a supervisor', () => {
  it('is REFUSED if a ManualClock cannot do what it is asked for', async () => {
    using clock = new ManualClock({ restlessAfter: 10 });
    clock.install();
    expect(await codeOf(() => clock.install())).to.equal('REFUSED');
    const first = clock.advance(1);
    expect(await codeOf(() => clock.advance(1))).to.equal('REFUSED');
    await first;
    const again = (): void => void clock.after(0, again);
    again();
    expect(await codeOf(() => clock.advance(1))).to.equal('REFUSED');
  });

  it('is INVALID_OPTION for a shard or row that does not exist, or a record that fits no shard', async () => {
    const stream = fakeStream({ shards: 2 });
    const [one, two] = ['shardId-000000000000', 'shardId-000000000001'];
    stream.split(one);
    const calls = [
      () => stream.recordsOf('nowhere'),
      () => stream.split(one),
      () => stream.merge(two, 'shardId-000000000002'),
      () => stream.trim('nowhere', 1),
      () => stream.put({ data: 'x' }),
      () => memoryLeaseStore().row('nowhere'),
    ];
    for (const call of calls) expect(await codeOf(call), String(call)).to.equal('INVALID_OPTION');
  });

  it('is INVALID_OPTION for a supervisor whose reference this copy has not made', async () => {
    const { initial } = supervisor({ children: [] });
    const foreign = { path: 'root', id: 1 } as unknown as Ref<SupervisorMessage>;
    expect(await codeOf(() => initial(foreign))).to.equal('INVALID_OPTION');
  });

  it('is LEASE_LOST as the reason of a signal that `drive` aborts', async () => {
    let signal: AbortSignal | undefined;
    const driver = drive(
      defineReducer({ init: () => 0, acknowledge: 'manual', reduce: (n: number, item) => ((signal = item.signal), n) }),
    );
    await driver.items([{ key: 'a', value: new Uint8Array() }]);
    await driver.revoke('shard');
    expect(signal?.reason).to.include({ code: 'LEASE_LOST' });
    await driver.stop();
  });

  it('is INJECTED_FAULT if a nemesis kills an actor or fails a call, unless the test gives an error', async () => {
    using clock = new ManualClock();
    clock.install();
    const { consumer, stream, heard } = virtualConsumer(clock, { restart: { intensity: 100 } });
    await Promise.all([consumer.start(), clock.advance(5_000)]);
    const chaos = nemesis(consumer, { seed: 1 });
    void chaos.kill('reducer');
    await clock.advance(2_000);
    expect(heard('actorCrashed')[0]?.error).to.include({ code: 'INJECTED_FAULT' });
    chaos.failNext('shard-worker', 'read');
    stream.put({ partitionKey: 'a', data: 'x' });
    await clock.advance(2_000);
    const codes = heard('actorCrashed').map(({ error }) => isKinactError(error) && error.code);
    expect(codes)
      .to.deep.equal(codes.map(() => 'INJECTED_FAULT'))
      .and.to.have.length.above(1);
    await Promise.all([consumer.stop(), clock.advance(60_000)]);
  });

  it('is INJECTED_FAULT if a scripted call of a store in memory fails', async () => {
    for (const type of ['failBefore', 'failAfter'] as const) {
      const store = memoryLeaseStore();
      store.script('scan', { type });
      expect(await codeOf(() => store.scan(new AbortController().signal))).to.equal('INJECTED_FAULT');
    }
  });
});
