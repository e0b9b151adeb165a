// A shard worker reports to its keeper the first read that succeeds, and then reads that keep failing; throttling is no failure.
// The two functions are called directly, without an actor.
import { expect } from 'chai';
import type { Effect } from '../../actors/protocol/actor.js';
import { readFails, readSucceeds } from '../../actors/shard-worker/reads.js';
import type { ShardWorkerMessage, ShardWorkerState } from '../../actors/shard-worker/state.js';

const notice = (delayMs: number) =>
  ({ type: 'retrying', shardId: 's', operation: 'GetRecords', error: new Error('cut'), delayMs }) as const;

describe('what a worker says of its reads', () => {
  let state: ShardWorkerState;
  let effects: Effect<ShardWorkerMessage>[];
  const turn = (now = 0) => ({ state, now, effects });
  const told = (): number[] =>
    effects.map((effect) => (effect as unknown as { message: { forMs: number } }).message.forMs);
  beforeEach(() => {
    const more = { reading: true, hasRead: false, failingSince: undefined, sayFailingAt: 0 };
    state = { keeper: { path: 'lease-keeper/s', id: 1 }, tenure: { worker: 3, fence: 9 }, ...more } as never;
    effects = [];
  });

  it('is that the first one succeeded, once', () => {
    readSucceeds(turn());
    readSucceeds(turn());
    expect(told()).to.deep.equal([0]);
    expect(effects[0]).to.have.property('message').that.includes({ type: 'reads', worker: 3, fence: 9 });
  });

  it('is that they fail, after five seconds, every ten seconds and after a minute, until one succeeds', () => {
    for (let now = 0; now <= 75_000; now += 5_000) readFails(turn(now), notice(500));
    expect(told()).to.deep.equal([5_000, 15_000, 25_000, 35_000, 45_000, 55_000, 60_000, 70_000]);
    effects.length = 0;
    readSucceeds(turn());
    readFails(turn(80_000), notice(500));
    readFails(turn(84_000), notice(500));
    expect(told()).to.deep.equal([0]);
  });

  it('is nothing about failures between reads, whose successes it does not hear of: a full worker’s reader fetches ahead', () => {
    state.reading = false;
    for (let now = 0; now <= 600_000; now += 61_000) readFails(turn(now), notice(500));
    state.reading = true;
    readFails(turn(610_000), notice(500));
    readFails(turn(614_000), notice(500));
    expect(told()).to.deep.equal([]);
    readFails(turn(615_000), notice(500));
    expect(told()).to.deep.equal([5_000]);
  });

  it('is nothing about throttling, which another worker would meet as well, nor about what is repeated at once', () => {
    for (let now = 0; now <= 600_000; now += 10_000) {
      readFails(turn(now), { type: 'throttled', shardId: 's', delayMs: 900 });
      readFails(turn(now), notice(0));
    }
    expect(effects).to.deep.equal([]);
  });
});
