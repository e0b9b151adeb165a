// A shard worker reports to its keeper the first read that succeeds, and later reads that keep failing. Throttling is no failure. The
// test calls the two functions of read-report.ts directly, without an actor, and looks at the `reads` messages that they send.
import { expect } from 'chai';
import type { Effect } from '../../../actors/protocol/actor.js';
import { noteReadFailure, noteReadSuccess } from '../../../actors/shard-worker/read-report.js';
import type { ShardWorkerMessage } from '../../../actors/shard-worker/messages.js';

/** A read that has failed and is repeated after `delayMs`. */
const failedRead = (delayMs: number) =>
  ({ type: 'retrying', shardId: 's', operation: 'GetRecords', error: new Error('cut'), delayMs }) as const;

describe('a shard worker that reads', () => {
  let state: Parameters<typeof noteReadSuccess>[0]['state'];
  let effects: Effect<ShardWorkerMessage>[];
  const turn = (now = 0) => ({ state, now, effects });
  /** What each message to the keeper says: for how many milliseconds reads have failed. 0 is a success. */
  const reported = (): number[] =>
    effects.flatMap((effect) => (effect.type === 'send' ? [(effect.message as { forMs: number }).forMs] : []));
  beforeEach(() => {
    // A shard worker in its tenure, with a read under way, and none that has succeeded.
    state = {
      keeper: { path: 'lease-keeper/s', id: 1 },
      tenure: { shardWorkerNumber: 3, fence: 9 },
      reading: true,
      hasRead: false,
      failingSince: undefined,
      reportFailingAt: 0,
    };
    effects = [];
  });

  it('reports the first successful read once', () => {
    noteReadSuccess(turn());
    noteReadSuccess(turn());
    expect(reported()).to.deep.equal([0]);
    expect(effects[0]).to.have.property('message').that.includes({ type: 'reads', shardWorker: 3, fence: 9 });
  });

  it('reports failures after five seconds, then every ten seconds and after a minute, until a read succeeds', () => {
    for (let now = 0; now <= 75_000; now += 5_000) noteReadFailure(turn(now), failedRead(500));
    expect(reported()).to.deep.equal([5_000, 15_000, 25_000, 35_000, 45_000, 55_000, 60_000, 70_000]);
    effects.length = 0;
    noteReadSuccess(turn());
    noteReadFailure(turn(80_000), failedRead(500));
    noteReadFailure(turn(84_000), failedRead(500));
    expect(reported()).to.deep.equal([0]);
  });

  it('ignores failures while no read is open, because it would miss the successes between them', () => {
    state.reading = false;
    for (let now = 0; now <= 600_000; now += 61_000) noteReadFailure(turn(now), failedRead(500));
    state.reading = true;
    noteReadFailure(turn(610_000), failedRead(500));
    noteReadFailure(turn(614_000), failedRead(500));
    expect(reported()).to.deep.equal([]);
    noteReadFailure(turn(615_000), failedRead(500));
    expect(reported()).to.deep.equal([5_000]);
  });

  it('reports neither throttling nor failures that are retried without delay', () => {
    for (let now = 0; now <= 600_000; now += 10_000) {
      noteReadFailure(turn(now), { type: 'throttled', shardId: 's', delayMs: 900 });
      noteReadFailure(turn(now), failedRead(0));
    }
    expect(effects).to.deep.equal([]);
  });
});
