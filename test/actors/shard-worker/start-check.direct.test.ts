// I65. A checkpoint that is not of the shard's records: the worker proves it by the newest record, says so, and neither skips nor replays.
import { expect } from 'chai';
import type { RawRecord, StreamSource } from '../../../src/api/ports.js';
import { emitted, ofType, recordOf, started } from '../../support/direct.js';
import { directWorker } from '../../support/direct-worker.js';

/** A worker that begins after record 900, and what reads bring. */
function beginsAt900(options: Parameters<typeof directWorker>[0] = {}) {
  const worker = directWorker({ maxPending: 100, ...options });
  const start = { type: 'after', position: { sequenceNumber: '900', subSequenceNumber: 0 } } as const;
  worker.grant({ start, table: 'orders', stream: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders#1' });
  return {
    ...worker,
    answer: (numbers: readonly number[], millisBehindLatest: number | undefined) =>
      worker.heard({
        type: 'records',
        records: numbers.map((n): RawRecord => recordOf(n)),
        ...(millisBehindLatest === undefined ? {} : { millisBehindLatest }),
      }),
  };
}

const isProven = ({ status }: ReturnType<typeof beginsAt900>): boolean => status().checkpointBeyondTip !== undefined;

describe('a checkpoint beyond the newest record of its shard', () => {
  it('is reported once, with row, number and remedy, and then nothing is read, settled or ended', () => {
    const worker = beginsAt900();
    worker.answer([1, 2], 5_000);
    worker.answer([3], 0);
    worker.clock.move(4_999);
    expect(started(worker.answer([], 0)), 'perhaps not the tip').to.deep.equal(['read']);
    worker.clock.move(1);
    const effects = worker.answer([], 0);
    const [event] = ofType(effects, 'emit').map(({ event: { data } }) => data as Record<string, string>);
    expect(emitted(effects)).to.deep.equal(['checkpointBeyondTip']);
    expect(event).to.include({ shardId: 'shardId-1', table: 'orders', checkpoint: '900', newest: '3' });
    expect(event!['remedy']).to.include('kinact reset --application orders --stream orders --shard shardId-1 --to');
    expect(started(effects)).to.deep.equal([]);
    expect(worker.closed, 'what was fetched ahead is dropped').to.deep.equal([1]);
    expect(worker.status()).to.include({ admitted: 0, lagMs: undefined, readLagMs: undefined });
    const later = worker.shardEnd();
    expect([worker.endOf(later), emitted(later), started(later)]).to.deep.equal([undefined, [], []]);
  });

  it('has a remedy without options if the stream of the row is not known', () => {
    const worker = directWorker({ maxPending: 100 });
    worker.grant({ start: { type: 'after', position: { sequenceNumber: '900', subSequenceNumber: 0 } } });
    worker.read(1);
    const [event] = ofType(worker.shardEnd(), 'emit').map(({ event: { data } }) => data as Record<string, string>);
    expect(event!['remedy']).to.include('begins: kinact reset prints the plan');
  });

  it('leaves the lag unknown from the first record that is left out', () => {
    const worker = beginsAt900();
    worker.answer([], 0);
    expect(worker.status()).to.include({ lagMs: 0, readLagMs: 0 });
    worker.answer([1], 0);
    expect(worker.status()).to.include({ lagMs: undefined, readLagMs: undefined });
    worker.answer([900, 901], 0);
    expect(worker.status().lagMs).to.be.a('number');
  });

  it('is proven by a closed shard at its end: its records were left out, and SHARD_END would hide that', () => {
    const worker = beginsAt900();
    worker.answer([1, 2], 0);
    const effects = worker.shardEnd();
    expect(emitted(effects)).to.deep.equal(['checkpointBeyondTip']);
    expect(worker.endOf(effects)).to.equal(undefined);
    expect(worker.endOf(worker.control('drain')), 'a stop still ends it').to.deep.equal({ type: 'drained', open: 0 });
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
      const worker = beginsAt900();
      for (const [index, [numbers, behindMs]] of answers.entries()) {
        // Less than the time after which an empty answer counts as the tip, once; the last one comes later.
        worker.clock.move(when.startsWith('if records') ? 1_000 : index * 10_000);
        expect(emitted(worker.answer(numbers, behindMs))).to.deep.equal([]);
      }
      expect(isProven(worker)).to.equal(false);
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
