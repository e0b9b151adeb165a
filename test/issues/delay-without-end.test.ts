// Symptom: the event `retrying` had `delayMs: Infinity`, which is null in JSON. Cause: while a scan or a shard sync runs, no next one is
// planned, so its time is Infinity. Rule: the repetition follows the scan or sync under way, so the least delay is 0.
import { expect } from 'chai';
import { parentsReadFailed } from '../../actors/lease-coordinator/leases/parents.js';
import { reportRetryAt, type CoordinatorTurn } from '../../actors/lease-coordinator/turn.js';
import { stamped } from '../../actors/lease-coordinator/streams/shard-sync.js';
import type { Stream } from '../../actors/lease-coordinator/state.js';

const error = new Error('no answer');

/** A coordinator's turn, at 1,000 ms, in which the next scan and the next sync are due at `dueAt`. */
function turnOf(dueAt: number): {
  readonly turn: CoordinatorTurn;
  readonly stream: Stream;
  readonly delays: () => unknown[];
} {
  const stream = { index: 0, sync: { dueAt, stamping: true }, sourceOptions: { source: { name: 'orders' } } };
  const lease = { stream, shardId: 's', leaseKey: 's', incarnation: 1, readingParents: true };
  const state = { streams: [stream], scan: { dueAt }, failing: new Map(), leases: new Map([['s', lease]]) };
  const turn = { options: {}, state, now: 1_000, effects: [] } as unknown as CoordinatorTurn;
  return {
    turn,
    stream: stream as unknown as Stream,
    delays: () => turn.effects.map((effect) => (effect as any).event?.data.delayMs),
  };
}

describe('the delay of a repetition', () => {
  for (const [dueAt, delayMs] of [
    [Infinity, 0],
    [4_000, 3_000],
    [500, 0],
  ] as const) {
    it(`is ${delayMs} ms at 1,000 ms if the scan or sync that repeats the call is due at ${dueAt} ms`, () => {
      const parents = turnOf(dueAt);
      parentsReadFailed(parents.turn, { type: 'parentsReadFailed', leaseKey: 's', incarnation: 1, error });
      expect(parents.delays()).to.deep.equal([delayMs]);
      const stamping = turnOf(dueAt);
      stamped(stamping.turn, { type: 'stamped', stream: 0, error });
      expect(stamping.delays()).to.deep.equal([delayMs]);
      const other = turnOf(dueAt);
      reportRetryAt(other.turn, 'anything', { stream: other.stream, error, at: dueAt });
      expect(other.delays()).to.deep.equal([delayMs]);
    });
  }
});
