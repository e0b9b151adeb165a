// I65. A checkpoint that is not of the shard's records: the worker proves it by the newest record, says so, and neither skips nor replays.
import { expect } from 'chai';
import type { RawRecord, StreamSource } from '../../../src/api/ports.js';
import { emitted, ofType, recordOf, started } from '../../support/direct.js';
import { directShardWorker } from '../../support/direct-shard-worker.js';

/** A worker that begins after record 900, and what reads bring. */
function beginsAt900(options: Parameters<typeof directShardWorker>[0] = {}) {
  const shardWorker = directShardWorker({ maxPending: 100, ...options });
  const start = { type: 'after', position: { sequenceNumber: '900', subSequenceNumber: 0 } } as const;
  shardWorker.grant({ start, table: 'orders', stream: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders#1' });
  return {
    ...shardWorker,
    answer: (numbers: readonly number[], millisBehindLatest: number | undefined) =>
      shardWorker.heard({
        type: 'records',
        records: numbers.map((n): RawRecord => recordOf(n)),
        ...(millisBehindLatest === undefined ? {} : { millisBehindLatest }),
      }),
  };
}

const isProven = ({ status }: ReturnType<typeof beginsAt900>): boolean => status().checkpointBeyondTip !== undefined;

describe('a checkpoint beyond the newest record of its shard', () => {
  it('is reported once, with row, number and remedy, and then nothing is read, settled or ended', () => {
    const shardWorker = beginsAt900();
    shardWorker.answer([1, 2], 5_000);
    shardWorker.answer([3], 0);
    shardWorker.clock.move(4_999);
    expect(started(shardWorker.answer([], 0)), 'perhaps not the tip').to.deep.equal(['read']);
    shardWorker.clock.move(1);
    const effects = shardWorker.answer([], 0);
    const [event] = ofType(effects, 'emit').map(({ event: { data } }) => data as Record<string, string>);
    expect(emitted(effects)).to.deep.equal(['checkpointBeyondTip']);
    expect(event).to.include({ shardId: 'shardId-1', table: 'orders', checkpoint: '900', newest: '3' });
    expect(event!['remedy']).to.include('kinact reset --application orders --stream orders --shard shardId-1 --to');
    expect(started(effects)).to.deep.equal([]);
    expect(shardWorker.closed, 'what was fetched ahead is dropped').to.deep.equal([1]);
    expect(shardWorker.status()).to.include({ admitted: 0, lagMs: undefined, readLagMs: undefined });
    const later = shardWorker.shardEnd();
    expect([shardWorker.endOf(later), emitted(later), started(later)]).to.deep.equal([undefined, [], []]);
  });

  it('has a remedy without options if the stream of the row is not known', () => {
    const shardWorker = directShardWorker({ maxPending: 100 });
    shardWorker.grant({ start: { type: 'after', position: { sequenceNumber: '900', subSequenceNumber: 0 } } });
    shardWorker.read(1);
    const [event] = ofType(shardWorker.shardEnd(), 'emit').map(({ event: { data } }) => data as Record<string, string>);
    expect(event!['remedy']).to.include('begins: kinact reset prints the plan');
  });

  it('leaves the lag unknown from the first record that is left out', () => {
    const shardWorker = beginsAt900();
    shardWorker.answer([], 0);
    expect(shardWorker.status()).to.include({ lagMs: 0, readLagMs: 0 });
    shardWorker.answer([1], 0);
    expect(shardWorker.status()).to.include({ lagMs: undefined, readLagMs: undefined });
    shardWorker.answer([900, 901], 0);
    expect(shardWorker.status().lagMs).to.be.a('number');
  });

  it('is proven by a closed shard at its end: its records were left out, and SHARD_END would hide that', () => {
    const shardWorker = beginsAt900();
    shardWorker.answer([1, 2], 0);
    const effects = shardWorker.shardEnd();
    expect(emitted(effects)).to.deep.equal(['checkpointBeyondTip']);
    expect(shardWorker.endOf(effects)).to.equal(undefined);
    expect(shardWorker.endOf(shardWorker.control('drain')), 'a stop still ends it').to.deep.equal({
      type: 'drained',
      open: 0,
    });
  });

  it('is proven by records alone, if the source has shown a backlog before, or gives no empty answers', () => {
    const busy = beginsAt900();
    busy.answer([1], 100);
    busy.answer([2], 0);
    busy.clock.move(5_000);
    busy.answer([3], 0);
    expect(isProven(busy)).to.equal(true);
    const source = { name: 'orders', open: () => ({ read: () => new Promise(() => {}), close: () => {} }) };
    const quiet = beginsAt900({ source: source as unknown as StreamSource });
    quiet.answer([1], 0);
    expect(isProven(quiet)).to.equal(true);
  });
});

describe('a checkpoint of the shard', () => {
  const unproven: Readonly<Record<string, readonly (readonly [readonly number[], number | undefined])[]>> = {
    'if all records of the shard have expired': [
      [[], 0],
      [[], 0],
      [[], 0],
    ],
    'if its record is the newest one': [
      [[900], 0],
      [[], 0],
      [[], 0],
    ],
    'if records that are left out come before it': [
      [[1, 2], 0],
      [[], 0],
      [[3, 901], 0],
      [[], 0],
    ],
    'while the shard is behind': [
      [[1, 2], 9_000],
      [[], 9_000],
      [[3], 9_000],
    ],
    'while a source without a backlog answers with records': [
      [[1, 2], 0],
      [[3, 4], 0],
      [[5], 0],
    ],
    'if the source does not say where the tip is': [
      [[1, 2], undefined],
      [[], undefined],
      [[], undefined],
    ],
  };
  for (const [when, answers] of Object.entries(unproven))
    it(`is not doubted ${when}`, () => {
      const shardWorker = beginsAt900();
      for (const [index, [numbers, behindMs]] of answers.entries()) {
        // Less than the time after which an empty answer counts as the tip, once; the last one comes later.
        shardWorker.clock.move(when.startsWith('if records') ? 1_000 : index * 10_000);
        expect(emitted(shardWorker.answer(numbers, behindMs))).to.deep.equal([]);
      }
      expect(isProven(shardWorker)).to.equal(false);
    });

  it('is not doubted if the shard is gone, or has ended without a record', () => {
    const gone = beginsAt900();
    gone.answer([1], 0);
    gone.heard({ type: 'shardEnd', children: [], notFound: true });
    const empty = beginsAt900();
    const effects = empty.shardEnd();
    expect([isProven(gone), isProven(empty)]).to.deep.equal([false, false]);
    expect(empty.endOf(effects)).to.include({ type: 'shardEnd' });
  });
});
