// How far behind a shard worker says that its shard is, by time: the age of the oldest record that is not settled, and of the oldest one
// that is not read. No figure is ever too low for what the worker knows.
import { expect } from 'chai';
import type { StreamSource } from '../../../src/api/ports.js';
import { createIntake, intakeOfShard, pauseIntake } from '../../../src/core/intake.js';
import { recordOf, sent } from '../../support/direct.js';
import { directShardWorker, settled } from '../../support/direct-shard-worker.js';

const never = new Promise<never>(() => {});
const silentSource = {
  name: 'orders',
  open: () => ({ read: () => never, close: () => {} }),
} as unknown as StreamSource;

/** A worker in its tenure. `records`: what a read brings, with the age of each record. */
function reading(options: Parameters<typeof directShardWorker>[0] = {}) {
  const shardWorker = directShardWorker({ maxPending: 100, ...options });
  shardWorker.grant();
  const { clock } = shardWorker;
  return {
    ...shardWorker,
    lag: () => {
      const { lagMs, readLagMs } = shardWorker.status();
      return [lagMs, readLagMs];
    },
    records: (ages: Readonly<Record<number, number | undefined>>, millisBehindLatest?: number, fetchedMsAgo?: number) =>
      shardWorker.heard({
        type: 'records',
        records: Object.entries(ages).map(([n, ageMs]) => ({
          ...recordOf(Number(n)),
          ...(ageMs === undefined ? {} : { arrivedAt: clock.wallNow() - ageMs }),
        })),
        ...(millisBehindLatest === undefined ? {} : { millisBehindLatest }),
        ...(fetchedMsAgo === undefined ? {} : { fetchedAt: clock.wallNow() - fetchedMsAgo }),
      }),
  };
}

describe('the lag of a shard', () => {
  it('is the age of the oldest open record, from its arrival, and not that of what is read', () => {
    const { records, answer, lag, clock } = reading();
    records({ 1: 5_000, 2: 4_000, 3: 3_000 }, 2_500);
    expect(lag()).to.deep.equal([5_000, 2_500]);
    answer('collect', settled(1));
    expect(lag(), 'the oldest is still open').to.deep.equal([5_000, 2_500]);
    clock.move(1_000);
    answer('notify', settled(0));
    expect(lag()).to.deep.equal([4_000, 3_500]);
  });

  it('is 0 at the tip while answers come, idle or not, and grows once none has come for ten seconds', () => {
    const { records, answer, lag, clock } = reading();
    records({ 1: 200 }, 0);
    answer('notify', settled(0));
    expect(lag()).to.deep.equal([0, 0]);
    for (let read = 0; read < 20; read += 1) {
      clock.move(1_000);
      records({}, 0);
    }
    expect(lag(), 'an idle stream').to.deep.equal([0, 0]);
    clock.move(10_000);
    expect(lag()).to.deep.equal([0, 0]);
    clock.move(1);
    expect(lag(), 'a reader that has stopped').to.deep.equal([10_001, 10_001]);
  });

  it('adds the time since the last answer to what the service said, as soon as the shard is behind', () => {
    const { records, answer, lag, clock } = reading();
    records({ 1: 9_000 }, 8_000);
    answer('notify', settled(0));
    clock.move(500);
    expect(lag()).to.deep.equal([8_500, 8_500]);
  });

  it('counts the last answer from when it was fetched, because it may have waited for the worker', () => {
    const { records, answer, lag } = reading();
    records({ 1: 9_000 }, 8_000, 700);
    answer('notify', settled(0));
    expect(lag()).to.deep.equal([8_700, 8_700]);
  });

  it('counts at once while reads fail, and while the application pauses the consumer', () => {
    const failing = reading();
    failing.records({}, 0);
    failing.tell({
      type: 'notice',
      notice: { type: 'retrying', operation: 'GetRecords', error: new Error('down'), delayMs: 100 },
    });
    failing.clock.move(2_000);
    expect(failing.lag()).to.deep.equal([2_000, 2_000]);
    const intake = createIntake();
    const paused = reading({ intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) });
    paused.records({}, 0);
    pauseIntake(intake, paused.clock.now());
    paused.clock.move(3_000);
    expect(paused.lag()).to.deep.equal([3_000, 3_000]);
  });

  it('counts the sleep of the machine, during which the monotonic clock stands still, until the next answer', () => {
    const { records, lag, clock } = reading();
    records({}, 0);
    clock.sleep(30_000);
    expect(lag(), 'the last answer is old').to.deep.equal([30_000, 30_000]);
    records({}, 0);
    expect(lag()).to.deep.equal([0, 0]);
    clock.sleep(-60_000);
    clock.move(11_000);
    expect(lag(), 'a wall clock that was set back').to.deep.equal([11_000, 11_000]);
    const intake = createIntake();
    const paused = reading({ intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) });
    paused.records({}, 0);
    pauseIntake(intake, paused.clock.now());
    paused.clock.move(1_000);
    paused.clock.sleep(9_000);
    expect(paused.lag()).to.deep.equal([10_000, 10_000]);
  });

  it('is not known before the first answer, and then grows with a reader that never answers', () => {
    const { lag, clock } = reading();
    expect(lag()).to.deep.equal([undefined, undefined]);
    clock.move(10_001);
    expect(lag()).to.deep.equal([10_001, 10_001]);
  });

  it('does not grow while a source is silent that answers only with records', () => {
    const { records, answer, lag, clock } = reading({ source: silentSource });
    expect(lag()).to.deep.equal([0, 0]);
    records({ 1: 200 }, 0);
    answer('notify', settled(0));
    clock.move(60_000);
    expect(lag()).to.deep.equal([0, 0]);
  });

  it('counts a record without an arrival time from when it was fetched, open or still to be admitted', () => {
    const { records, lag, clock, answer } = reading({ maxPending: 1 });
    records({ 1: undefined, 2: undefined }, 0, 300);
    clock.move(1_000);
    expect(lag()[0]).to.equal(1_300);
    const intake = createIntake();
    const held = reading({ intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) });
    pauseIntake(intake, held.clock.now());
    held.records({ 1: undefined }, 0, 400);
    held.clock.move(1_000);
    expect(held.lag()[0], 'not admitted').to.equal(1_400);
    answer('notify', settled(0));
    expect(lag()[0], 'the second').to.equal(1_300);
  });

  it('counts a record whose arrival time is no number from when the worker got it', () => {
    const { records, lag, clock } = reading();
    records({ 1: Number.NaN }, 0);
    clock.move(3_000);
    expect(lag()).to.deep.equal([3_000, 0]);
  });

  it('is never below the time for which the worker has had a record, even if the wall clock is late', () => {
    const { records, lag, clock } = reading();
    records({ 1: -60_000 }, 0);
    clock.move(2_000);
    expect(lag()[0]).to.equal(2_000);
  });

  it('counts what a drain drops: records that were not admitted, and those of an answer that comes later', () => {
    const { records, answer, lag, clock, control } = reading({ maxPending: 1 });
    records({ 1: 5_000, 2: 4_000, 3: 3_000 }, 0);
    control('drain');
    answer('notify', settled(0));
    expect(lag()[0]).to.equal(4_000);
    clock.move(1_000);
    records({ 4: 500 }, 0);
    expect(lag()[0], 'the oldest one counts').to.equal(5_000);

    const other = reading();
    other.records({ 1: 100 }, 0);
    other.control('drain');
    other.records({ 2: 9_000 }, 0);
    other.answer('notify', settled(0));
    expect(other.lag()[0]).to.equal(9_000);
  });

  it('is 0 once the end of the shard is found and everything is settled', () => {
    const { records, shardEnd, answer, lag, clock } = reading();
    records({ 1: 5_000 }, 4_000);
    shardEnd();
    expect(lag()).to.deep.equal([5_000, 0]);
    clock.move(60_000);
    answer('notify', settled(0));
    expect(lag()).to.deep.equal([0, 0]);
  });

  it('goes on if the shard was only not found, because its end is not proven (seed 950883)', () => {
    const { records, heard, answer, lag, clock } = reading();
    records({ 1: 5_000 }, 0);
    answer('notify', settled(0));
    heard({ type: 'shardEnd', notFound: true });
    clock.move(5_000);
    expect(lag(), 'an answer that has reached the tip counts for ten seconds').to.deep.equal([0, 0]);
    clock.move(10_000);
    expect(lag()).to.deep.equal([15_000, 15_000]);
  });

  it('goes to the keeper with the frontier: when the oldest record arrived that the last report did not cover', () => {
    const { records, answer, keeper, clock } = reading();
    const arrivals = (effects: ReturnType<typeof answer>): (number | undefined)[] =>
      sent(effects, keeper).flatMap((message) =>
        message.type === 'frontier' ? [clock.wallNow() - (message.frontier.arrivedAt as number)] : [],
      );
    records({ 1: 5_000, 2: 4_000, 3: 3_000, 4: 2_000 }, 0);
    expect(arrivals(answer('notify', settled(1, 2)))).to.deep.equal([]);
    expect(arrivals(answer('collect', settled(0))), 'the first of three').to.deep.equal([5_000]);
    expect(arrivals(answer('collect', settled(3)))).to.deep.equal([2_000]);
  });

  it('tells each item when it was fetched, and how far that read was behind', () => {
    const { records, stages, answer } = reading();
    const fetches = (effects: ReturnType<typeof records>): unknown[] =>
      effects.flatMap((effect) => {
        if (effect.type !== 'ask' || effect.to.id !== stages[0]!.id) return [];
        const question = effect.question({} as never) as { readonly fetches?: readonly object[] };
        return question.fetches ?? [];
      });
    const [first, second] = fetches(records({ 1: 50, 2: 40 }, 700, 30));
    expect(first).to.deep.equal({ fetchedAt: 1_700_000_000_000 - 30, millisBehindLatest: 700 });
    expect(second, 'one object for a whole read').to.equal(first);
    records({ 3: 10 }, 0);
    expect(fetches(answer('notify', settled(0, 1)))).to.deep.equal([
      { fetchedAt: 1_700_000_000_000, millisBehindLatest: 0 },
    ]);
  });
});
