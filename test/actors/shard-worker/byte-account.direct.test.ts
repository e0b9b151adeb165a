// What a shard worker does with the byte budget for a reader that counts nothing itself: it waits for room before each read. The test
// carries out the reads by hand.
import { expect } from 'chai';
import type { LeasedRead, ReadResult, StreamSource } from '../../../src/api/ports.js';
import { createByteBudget, openAccount, setShardWorkerBytes } from '../../../src/core/byte-budget.js';
import { createIntake, intakeOfShard, pauseIntake, resumeIntake } from '../../../src/core/intake.js';
import { createSettledTally, openEntry } from '../../../src/core/settled-tally.js';
import { ofType, recordOf } from '../../support/direct.js';
import { directShardWorker, type ShardWorkerEffects } from '../../support/direct-shard-worker.js';

/** A shard worker with an open record, in a budget whose other account holds more than everything. */
function inFullBudget(options: Parameters<typeof directShardWorker>[0] = {}) {
  const budget = createByteBudget(100);
  const other = openAccount(budget, () => undefined);
  const reads: AbortSignal[] = [];
  const held: boolean[] = [];
  const leased: LeasedRead[] = [];
  const result: ReadResult = { type: 'records', records: [recordOf(2)] };
  const reader = {
    read: (signal: AbortSignal) => (reads.push(signal), Promise.resolve(result)),
    hold: (isHeld: boolean) => void held.push(isHeld),
    close: () => undefined,
  };
  const open: StreamSource['open'] = (_, __, ___, lease) => (leased.push(lease!), reader);
  const shardWorker = directShardWorker({
    budget,
    source: { name: 'orders', open, answersIdle: true } as StreamSource,
    ...options,
  });
  shardWorker.grant();
  setShardWorkerBytes(other, 1_000, false);
  const begin = async (effects: ShardWorkerEffects, signal: AbortSignal): Promise<unknown> =>
    ofType(effects, 'run')
      .find(({ name }) => name === 'read')!
      .start(signal);
  return { ...shardWorker, budget, other, reads, held, leased, nextRead: shardWorker.read(1), begin };
}

const turnOfLoop = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('a read of a reader that counts no bytes', () => {
  it('waits until there is room, and then counts what it brings', async () => {
    const { begin, nextRead, other, reads, budget } = inFullBudget();
    const read = begin(nextRead, new AbortController().signal);
    await turnOfLoop();
    expect([reads.length, budget.waiting.size]).to.deep.equal([0, 1]);
    setShardWorkerBytes(other, 10, false);
    await read;
    expect([reads.length, budget.waiting.size, budget.heldBytes]).to.deep.equal([1, 0, 14]);
  });

  it('that is aborted while it waits never begins, and leaves nobody waiting', async () => {
    const { begin, nextRead, other, reads, budget } = inFullBudget();
    const controller = new AbortController();
    const read = begin(nextRead, controller.signal).catch((error: unknown) => error);
    const reason = new Error('drained');
    controller.abort(reason);
    expect(await read).to.equal(reason);
    expect(budget.waiting.size).to.equal(0);
    setShardWorkerBytes(other, 0, false);
    await turnOfLoop();
    expect(reads).to.deep.equal([]);
  });

  it('that was aborted before asks the budget for nothing', async () => {
    const { begin, nextRead, reads, budget } = inFullBudget();
    const reason = new Error('drained');
    expect(await begin(nextRead, AbortSignal.abort(reason)).catch((error: unknown) => error)).to.equal(reason);
    expect([reads.length, budget.waiting.size]).to.deep.equal([0, 0]);
  });
});

describe('a reader that counts no bytes', () => {
  it('learns that the application pauses and resumes the intake', () => {
    const intake = createIntake();
    const { held, tell, clock } = inFullBudget({
      intake: intakeOfShard(intake, { source: 'orders', shardId: 'shardId-1' }),
    });
    pauseIntake(intake, clock.now());
    tell({ type: 'intakeChanged' });
    resumeIntake(intake, clock.now());
    tell({ type: 'intakeChanged' });
    expect(held).to.deep.equal([true, false]);
  });

  it('reports the time of each of its calls to the tally', () => {
    const tallyEntry = openEntry(createSettledTally(), { source: 'orders', shardId: 'shardId-1' });
    const { leased } = inFullBudget({ tallyEntry });
    leased[0]!.noteRead!(7);
    leased[0]!.noteRead!(5);
    expect(tallyEntry.reads).to.include({ calls: 2, ms: 12 });
  });
});
