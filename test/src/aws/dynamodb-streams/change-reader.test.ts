// A reader of a table's changes hands on every record in order: through shard ends, trimmed records, expired iterators and a start at a
// time, which the service does not have. Virtual time.
import { expect } from 'chai';
import { isKinactError } from '../../../../src/api/errors.js';
import { trimmedReading } from '../../../../src/aws/dynamodb-streams/trimmed-reading.js';
import { progressFrom } from '../../../../src/aws/kinesis/reading-progress.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';
import type { StartPosition } from '../../../../src/core/position.js';
import { changeHarness, numbered, shardId, streamArn } from '../../../support/change-streams.js';

const after = (sequenceNumber: string): StartPosition => ({
  type: 'after',
  position: { sequenceNumber, subSequenceNumber: 0 },
});
const types = (on: ReturnType<typeof changeHarness>): unknown[] =>
  on.model.of('GetShardIterator').map(({ input }) => input['ShardIteratorType']);
const ended = (on: ReturnType<typeof changeHarness>): unknown[] => on.results.filter(({ type }) => type === 'shardEnd');

describe('a reader of the changes of a table', () => {
  it('hands on every record in order over one chain of iterators, and computes how far behind it is', async () => {
    const on = changeHarness({ maxRecords: 2 });
    on.model.put('a', 'b', 'c');
    await on.clock.advance(30_000);
    on.consume();
    await on.clock.advance(1_000);
    expect(on.ids).to.deep.equal(['a', 'b', 'c']);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON']);
    expect(on.results[0]).to.have.property('millisBehindLatest').that.is.at.least(30_000);
    on.model.put('d');
    await on.clock.advance(2_000);
    expect(on.ids.at(-1)).to.equal('d');
    expect(on.results.at(-1)).to.include({ type: 'records', millisBehindLatest: 0 }).and.deep.include({ records: [] });
    expect(on.notices).to.deep.equal([]);
  });

  it('reads without a pause while it is behind, also if the pages are not full, and every idleMs at the tip', async () => {
    const on = changeHarness();
    on.model.script = ({ operation, input }) => {
      if (operation !== 'GetRecords' || input['Limit'] !== 1_000) return undefined;
      const index = Number(String(input['ShardIterator']).split('|')[1]);
      return index < 10 ? { body: pageOf(index, on.clock.wallNow() - 60_000) } : undefined;
    };
    on.model.put(...'abcdefghij');
    on.consume();
    await on.clock.advance(4_000);
    expect(on.ids.length).to.equal(10);
    const busy = on.model.of('GetRecords').length;
    await on.clock.advance(60_000);
    expect(on.model.of('GetRecords').length - busy).to.be.within(59, 61);
  });

  it('takes a few empty pages behind old records for the middle of the shard: no pause, and no lag of 0', async () => {
    const on = changeHarness();
    const old = on.clock.wallNow() - 3_600_000;
    let reads = 0;
    on.model.script = ({ operation }) => {
      if (operation !== 'GetRecords' || reads > 5) return undefined;
      reads += 1;
      const { body } = { body: pageOf(reads, old) as { Records: unknown[] } };
      return { body: reads === 1 || reads === 5 ? body : { ...body, Records: [] } };
    };
    on.consume();
    await on.clock.advance(1_300);
    expect(on.ids).to.have.length(2);
    const lags = on.results.map((result) => (result.type === 'records' ? result.millisBehindLatest : undefined));
    expect(Math.min(...lags.slice(0, 5).map((lag) => lag ?? 0))).to.be.at.least(3_600_000);
    await on.clock.advance(20_000);
    expect(on.results.at(-1)).to.have.property('millisBehindLatest', 0);
  });

  it('resumes after a record with its number as it came, leading zeros and all', async () => {
    const on = changeHarness();
    const [, second = ''] = on.model.put('a', 'b', 'c');
    on.consume(after(second));
    await on.clock.advance(1_000);
    expect(on.ids).to.deep.equal(['c']);
    expect(on.model.of('GetShardIterator')[0]?.input).to.deep.equal({
      StreamArn: streamArn,
      ShardId: shardId,
      ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
      SequenceNumber: second,
    });
    expect(second).to.match(/^0+\d+$/);
    expect(on.notices).to.deep.equal([]);
  });

  it('begins again after the last record when an iterator has expired', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.consume();
    await on.clock.advance(500);
    let once = true;
    on.model.script = ({ operation }) => {
      if (operation !== 'GetRecords' || !once) return undefined;
      once = false;
      return { error: 'ExpiredIteratorException' };
    };
    on.model.put('b');
    await on.clock.advance(3_000);
    expect(on.ids).to.deep.equal(['a', 'b']);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON', 'AFTER_SEQUENCE_NUMBER']);
    expect(on.notices).to.deep.equal([{ type: 'iteratorExpired', shardId }]);
  });

  it('ends when a second chain finds nothing more in a shard that is listed as closed', async () => {
    const on = changeHarness();
    on.model.put('a', 'b');
    on.model.shard().closed = true;
    on.consume();
    await on.clock.advance(1_000);
    expect(on.ids).to.deep.equal(['a', 'b']);
    expect(ended(on)).to.deep.equal([{ type: 'shardEnd' }]);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON', 'AFTER_SEQUENCE_NUMBER']);
    expect(on.model.of('DescribeStream').length).to.equal(1);
    expect(on.notices).to.deep.equal([]);
  });

  it('ends without another listing if the shard was listed as closed before', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.model.shard().closed = true;
    await on.source.listShards({ type: 'all' }, new AbortController().signal);
    on.consume();
    await on.clock.advance(1_000);
    expect(ended(on)).to.have.length(1);
    expect(on.model.of('DescribeStream').length).to.equal(1);
  });

  it('does not end an open shard whose chain has ended, and says so', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.model.shard().closed = true;
    on.model.shard().endIsListed = false;
    on.consume();
    await on.clock.advance(20_000);
    expect(ended(on)).to.deep.equal([]);
    expect(on.notices[0]).to.include({ type: 'retrying', operation: 'GetRecords' });
    on.model.shard().endIsListed = true;
    await on.clock.advance(20_000);
    expect(ended(on)).to.have.length(1);
  });

  it('ends a shard without an ending number if a child is listed', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.model.shard().closed = true;
    on.model.shard().endIsListed = false;
    on.model.addShard('shardId-00000001769875200000-1a1b1c1d', shardId);
    on.consume();
    await on.clock.advance(1_000);
    expect(ended(on)).to.have.length(1);
    const { shards } = await on.source.listShards({ type: 'all' }, new AbortController().signal);
    expect(shards.map(({ endingSequenceNumber: end }) => end)).to.deep.equal(['9'.repeat(40), undefined]);
  });
});

describe('a start at a time, for LATEST', () => {
  const at = (timestampMs: number): StartPosition => ({ type: 'atTimestamp', timestampMs });

  it('leaves out the records before it, and nothing after the first one that is not older', async () => {
    const on = changeHarness({ maxRecords: 3 });
    const startMs = Math.ceil(on.clock.wallNow() / 60_000) * 60_000 + 30_400;
    const times = [-40_000, -10_000, -1_400, -300, 2_000, -5_000, 9_000];
    times.forEach((difference) => on.model.putAt(startMs + difference, String(difference)));
    on.consume(at(startMs));
    await on.clock.advance(3_000);
    // -300 is in the same second as the start. -5,000 comes after a record that is not older: it is handed on.
    expect(on.ids).to.deep.equal(['-300', '2000', '-5000', '9000']);
    expect(on.results[0]).to.have.property('records').that.has.length.greaterThan(0);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON']);
  });

  it('hands on the records of the whole minute if the service cuts times to the minute', async () => {
    const on = changeHarness();
    const minute = Math.ceil(on.clock.wallNow() / 60_000) * 60_000;
    on.model.putAt(minute - 60_000, 'before');
    on.model.putAt(minute, 'same minute');
    on.consume(at(minute + 59_000));
    await on.clock.advance(2_000);
    expect(on.ids).to.deep.equal(['same minute']);
  });

  it('leaves out older records at a full minute, if a record before or beside them shows that times are cut to the second', async () => {
    const minute = Math.ceil(changeHarness().clock.wallNow() / 60_000) * 60_000;
    for (const evidence of [minute - 1_000, minute + 1_000]) {
      for (const maxRecords of evidence < minute ? [1, 10] : [10]) {
        const on = changeHarness({ maxRecords });
        const times = [evidence, minute].toSorted((one, other) => one - other);
        for (const time of times) on.model.putAt(time, 'before');
        on.model.putAt(minute + 30_000, 'after');
        on.consume(at(minute + 30_000));
        await on.clock.advance(3_000);
        expect(on.ids).to.deep.equal(['after']);
      }
    }
  });

  it('leaves them out also in the chain after an expired iterator', async () => {
    const on = changeHarness({ maxRecords: 1 });
    const startMs = on.clock.wallNow() + 3_600_000;
    for (const id of ['a', 'b', 'c']) on.model.putAt(startMs - 600_000, id);
    on.model.putAt(startMs, 'd');
    let reads = 0;
    on.model.script = ({ operation }) =>
      operation === 'GetRecords' && ++reads === 2 ? { error: 'ExpiredIteratorException' } : undefined;
    on.consume(at(startMs));
    await on.clock.advance(3_000);
    expect(on.ids).to.deep.equal(['d']);
  });
});

describe('records that have expired', () => {
  it('are passed over with a notice: reading goes on with the oldest record that is left', async () => {
    const on = changeHarness();
    const [first = ''] = on.model.put('a', 'b', 'c', 'd');
    on.model.shard().trimmed = 3;
    on.consume(after(first));
    await on.clock.advance(1_000);
    expect(on.ids).to.deep.equal(['d']);
    expect(types(on)).to.deep.equal(['AFTER_SEQUENCE_NUMBER', 'TRIM_HORIZON']);
    const position = { sequenceNumber: first, subSequenceNumber: 0 };
    expect(on.notices).to.deep.equal([{ type: 'trimmed', shardId, position, certain: false }]);
  });

  it('are passed over also if GetShardIterator refuses the position', async () => {
    const on = changeHarness();
    const [first = ''] = on.model.put('a', 'b');
    on.model.script = ({ operation, input }) =>
      operation === 'GetShardIterator' && input['ShardIteratorType'] !== 'TRIM_HORIZON'
        ? { error: 'TrimmedDataAccessException' }
        : undefined;
    on.consume(after(first));
    await on.clock.advance(1_000);
    // The record of the position is still there. The worker leaves it out, and would see if no later one came.
    expect(on.ids).to.deep.equal(['a', 'b']);
    expect(on.notices.map(({ type }) => type)).to.deep.equal(['trimmed']);
  });

  it('keep an open shard waiting, with a growing pause, until the next record is written', async () => {
    const on = changeHarness();
    const [, second = ''] = on.model.put('a', 'b', 'c');
    on.model.shard().trimmed = 3;
    on.consume(after(second));
    await on.clock.advance(60_000);
    const calls = on.model.of('GetRecords').length;
    expect(calls).to.be.within(5, 20);
    expect(on.notices.map(({ type }) => type)).to.deep.equal(['trimmed']);
    expect(on.results.at(-1)).to.deep.equal({ type: 'records', records: [], millisBehindLatest: 0 });
    on.model.put('d');
    await on.clock.advance(11_000);
    expect(on.ids).to.deep.equal(['d']);
  });

  it('end a closed shard, with one notice if none of its records was read', async () => {
    for (const isReadBefore of [false, true]) {
      const on = changeHarness();
      const [first = ''] = on.model.put('a', 'b');
      on.model.shard().trimmed = 2;
      on.model.shard().closed = true;
      on.consume(isReadBefore ? after(first) : undefined);
      await on.clock.advance(20_000);
      expect(ended(on)).to.deep.equal([{ type: 'shardEnd' }]);
      const position = isReadBefore ? { position: { sequenceNumber: first, subSequenceNumber: 0 } } : {};
      expect(on.notices).to.deep.equal([{ type: 'trimmed', shardId, ...position, certain: false }]);
    }
  });

  it('do not end a closed shard that still has others: records may expire between the two calls, a few times in a row', async () => {
    const on = changeHarness();
    const [first = ''] = on.model.put('a', 'b', 'c');
    on.model.shard().trimmed = 2;
    on.model.shard().closed = true;
    let refusals = 0;
    on.model.script = ({ operation }) =>
      operation === 'GetRecords' && ++refusals <= 4 ? { error: 'TrimmedDataAccessException' } : undefined;
    on.consume(after(first));
    await on.clock.advance(60_000);
    expect(on.ids).to.deep.equal(['c']);
    expect(ended(on)).to.have.length(1);
  });

  it('prove nothing by the refusal of an iterator that has waited', async () => {
    const progress = progressFrom({ type: 'trimHorizon' }, { hasAggregates: false, timeUnitMs: 60_000 });
    const clock = new ManualClock();
    const reader = { clock, list: () => expect.fail('no listing'), buffer: { finish: () => expect.fail('no end') } };
    for (let times = 1; times <= 20; times += 1) {
      Object.assign(progress, { iterator: 'old', beganAt: clock.now() - 6_000 });
      expect(await trimmedReading(reader as never, progress)).to.equal('readOn');
    }
  });

  it('a number that the shard does not have counts as expired', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.consume(after('5'));
    await on.clock.advance(1_000);
    expect(on.ids).to.deep.equal(['a']);
    expect(on.notices.map(({ type }) => type)).to.deep.equal(['trimmed']);
  });
});

describe('a shard of a stream that is not the one of the lease', () => {
  it('is not read', async () => {
    const on = changeHarness();
    on.model.put('a');
    const stream = streamArn.replace('2026', '2025');
    on.consume(undefined, { stream, table: 'totals' });
    await on.clock.advance(5_000);
    expect(on.ids).to.deep.equal([]);
    const [notice] = on.notices;
    const error = notice?.type === 'retrying' ? notice.error : undefined;
    expect(isKinactError(error) && error.code).to.equal('STREAM_CHANGED');
  });

  it('a shard that the stream does not have ends after a while, for a listing to prove', async () => {
    const on = changeHarness();
    on.model.shards.clear();
    on.consume(undefined, { stream: streamArn });
    await on.clock.advance(20_000);
    expect(ended(on)).to.deep.equal([{ type: 'shardEnd', notFound: true }]);
  });
});

function pageOf(index: number, at: number): object {
  return {
    Records: [
      {
        eventName: 'INSERT',
        dynamodb: {
          ApproximateCreationDateTime: new Date(at),
          Keys: { id: { S: String(index) } },
          SequenceNumber: numbered(index + 1),
        },
      },
    ],
    NextShardIterator: `${shardId}|${index + 1}`,
  };
}
