// Symptom: in virtual time, whose milliseconds have fractions, a shard with an open record could hold time still forever:
// `ManualClock` threw "no rest". Cause: a watchdog that fired a fraction early set its timer for the rest, 3e-11 ms. A clock of
// that size cannot move by so little.
import { expect } from 'chai';
import type { Ref } from '../../actors/protocol/actor.js';
import {
  shardWorker,
  type ShardWorkerMessage,
  type ShardWorkerOptions,
} from '../../actors/shard-worker/shard-worker.js';
import { admit } from '../../src/core/ledger.js';

describe('a watchdog that fires a fraction early', () => {
  it('looks again after a whole millisecond', () => {
    const watchdogMs = 120_000;
    let now = 0;
    const ref = { path: 'any', id: 1 } as Ref<never>;
    const options = {
      lease: { leaseKey: 's', shardId: 's', source: 'fake', keeper: ref, startable: true },
      shardWorkerNumber: 1,
      stages: [ref],
      spread: 'by-shard',
      maxPending: 10,
      maxPendingBytes: 1_000,
      watchdogMs,
      clock: { now: () => now, wallNow: () => now },
    } as unknown as ShardWorkerOptions;
    const behaviour = shardWorker(options);
    const [state] = behaviour.initial(ref as Ref<ShardWorkerMessage>);
    admit(state.ledger, { sequenceNumber: '1', subSequenceNumber: 0 }, 1, now);
    now = watchdogMs - 3e-11;
    expect(watchdogMs - now).to.be.greaterThan(0);
    const [, effects] = behaviour.receive(state, { type: 'watchdog' });
    expect(effects).to.deep.equal([{ type: 'after', key: 'watchdog', ms: 1, message: { type: 'watchdog' } }]);
  });
});
