// What a reader says of records that may have expired unread, and what it leaves out because reading began before the start time.
import { expect } from 'chai';
import type { SourceNotice } from '../../../../src/api/ports.js';
import type { StartPosition } from '../../../../src/core/position.js';
import { answerOf } from '../../../support/model-kinesis-client.js';
import {
  end,
  only,
  shardId,
  stream,
  trimHorizon,
  types,
  harness,
  type Harness,
} from '../../../support/polling-harness.js';

const oneByOne = { options: { streamName: stream, maxRecords: 1 } };
const arn = 'arn:aws:kinesis:us-east-1:123456789012:stream/orders';
const trims = (on: Harness): Extract<SourceNotice, { type: 'trimmed' }>[] =>
  on.notices.filter((notice) => notice.type === 'trimmed');
const createdSeconds = (on: Harness): number => Math.floor(on.client.kinesis.stream(stream).createdAt / 1_000);
/** Reads two records of five, and fetches the next two; then the first `count` records expire. */
async function trimmedInTheMiddle(count: number): Promise<Harness> {
  const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 2, prefetch: { batches: 1 } } });
  on.put('a', 'b', 'c', 'd', 'e');
  const first = on.reader.read(new AbortController().signal);
  await on.clock.advance(2_000);
  await first;
  await on.clock.advance(1_000);
  on.client.kinesis.trim(stream, shardId, count);
  on.client.kinesis.expireIterators();
  return on;
}

describe('the notice of a gap', () => {
  it('is not certain if the reader had read all records that were known of', async () => {
    const on = harness(trimHorizon, oneByOne);
    on.put('a', 'b');
    on.consume();
    await on.clock.advance(5_000);
    on.client.kinesis.trim(stream, shardId, 2);
    on.client.kinesis.expireIterators();
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(trims(on).map(({ certain }) => certain)).to.deep.equal([false]);
  });

  for (const [name, quietMs, isGap] of [
    ['10 s', 10_000, true],
    ['a minute, when reading has begun again', 60_000, true],
    ['a minute, and is not there if the start was beyond all records', 60_000, false],
  ] as const)
    it(`comes with the first record, after ${name}`, async () => {
      const from = (put: (...keys: string[]) => string[]): StartPosition => {
        const [first = ''] = put('a', 'b');
        const sequenceNumber = isGap ? first : '9'.repeat(56);
        return { type: 'after', position: { sequenceNumber, subSequenceNumber: 0 } };
      };
      const on = harness(from, { model: { missingRecord: 'nextRecord' } });
      if (isGap) on.client.kinesis.trim(stream, shardId, 2);
      on.consume();
      await on.clock.advance(quietMs);
      on.put('c');
      await on.clock.advance(5_000);
      expect(on.keys.at(-1)).to.equal('c');
      expect(trims(on)).to.have.length(isGap ? 1 : 0);
      on.reader.close();
    });

  it('is not certain if records come after the gap', async () => {
    const on = await trimmedInTheMiddle(4);
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys.at(-1)).to.equal('e');
    expect(trims(on).map(({ certain }) => certain)).to.deep.equal([false]);
  });

  it('is not certain if an empty answer reports that there are more records', async () => {
    const on = await trimmedInTheMiddle(5);
    on.put('f');
    let times = 0;
    on.client.script = only('GetRecords', ({ input }) => {
      const { ShardIterator: NextShardIterator } = input;
      const isIterator = on.client.of('GetShardIterator').length > 1;
      if (!isIterator || (times += 1) > 1) return undefined;
      return { body: { Records: [], MillisBehindLatest: 5_000, NextShardIterator } };
    });
    on.consume();
    await on.clock.advance(10_000);
    expect(times).to.be.above(1);
    expect(on.keys.at(-1)).to.equal('f');
    expect(trims(on).map(({ certain }) => certain)).to.deep.equal([false]);
  });

  it('comes before the end of a shard that is not found any longer', async () => {
    const on = harness((put) => {
      const [, second] = put('a', 'b', 'c');
      return { type: 'after', position: { sequenceNumber: second!, subSequenceNumber: 0 } };
    });
    on.client.kinesis.trim(stream, shardId, 2);
    on.client.script = only('GetRecords', () => ({ error: 'ResourceNotFoundException' }));
    on.consume();
    await on.clock.advance(300);
    on.client.kinesis.dropShard(stream, shardId);
    await on.clock.advance(20_000);
    expect(end(on)).to.deep.equal({ type: 'shardEnd', notFound: true });
    expect(trims(on)).to.have.length(1);
  });

  it('comes once for a start time from before the oldest record, however often iterators expire', async () => {
    const on = harness((_, clock) => ({ type: 'atTimestamp', timestampMs: clock.wallNow() - 30 * 3_600_000 }), {
      lease: { stream: `${arn}#${createdSeconds(harness())}` },
    });
    on.put('a');
    on.consume();
    for (let times = 0; times < 4; times += 1) {
      await on.clock.advance(5_000);
      on.client.kinesis.expireIterators();
    }
    expect(on.keys).to.deep.equal(['a']);
    expect(trims(on)).to.deep.equal([{ type: 'trimmed', shardId, certain: false }]);
  });
});

describe('a shard that is not found', () => {
  it('is not given up for the time in which the name belonged to another stream', async () => {
    const on = harness(trimHorizon, { lease: { stream: `${arn}#${createdSeconds(harness())}` } });
    on.client.kinesis.dropShard(stream, shardId);
    on.consume();
    await on.clock.advance(2_000);
    const StreamCreationTimestamp = new Date((createdSeconds(on) + 60) * 1_000);
    const other = { StreamName: stream, StreamARN: arn, StreamStatus: 'ACTIVE', StreamCreationTimestamp };
    on.client.script = only('DescribeStreamSummary', () => ({ body: { StreamDescriptionSummary: other } }));
    await on.clock.advance(60_000);
    on.client.script = () => undefined;
    const asked = (): number => on.client.of('DescribeStreamSummary').length;
    const before = asked();
    await on.clock.advanceUntil(() => asked() >= before + 2, 60_000);
    expect(end(on)).to.equal(undefined);
    await on.clock.advance(20_000);
    expect(end(on)).to.deep.equal({ type: 'shardEnd', notFound: true });
  });
});

describe('records before the start time', () => {
  it('are told from others by their time only: a record without a time is handed on', async () => {
    const on = harness((_, clock) => ({ type: 'atTimestamp', timestampMs: clock.wallNow() + 5_000 }));
    on.client.script = only('GetRecords', ({ input }) => {
      const answer = answerOf(on.client.kinesis, 'GetRecords', input) as { Records: object[] };
      const Records = answer.Records.map((record) => ({ ...record, ApproximateArrivalTimestamp: undefined }));
      return { body: { ...answer, Records } };
    });
    on.consume();
    await on.clock.advance(1_000);
    on.put('a');
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['a']);
  });

  it('are read without asking for the start time again if the service has refused it', async () => {
    const on = harness((_, clock) => ({ type: 'atTimestamp', timestampMs: clock.wallNow() + 10_000 }), oneByOne);
    on.consume();
    await on.clock.advance(1_000);
    on.put('early', 'early', 'early', 'early');
    await on.clock.advance(9_000);
    on.put('in time');
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['in time']);
    expect(types(on)).to.deep.equal(['AT_TIMESTAMP', 'AT_TIMESTAMP']);
  });

  it('are skipped further, from where the reader is, while the start time is not answered; once it is, it is not asked again', async () => {
    const on = harness(
      (put, clock) => {
        put(...Array.from({ length: 100 }, (_, index) => `old ${index}`));
        return { type: 'atTimestamp', timestampMs: clock.wallNow() + 60_000 };
      },
      { options: { streamName: stream, maxRecords: 2 } },
    );
    await on.clock.advance(60_000);
    on.put('new');
    const asked = (): number => types(on).filter((type) => type === 'AT_TIMESTAMP').length;
    let pages = 0;
    on.client.script = ({ operation, input }) => {
      if (input['ShardIteratorType'] === 'AT_TIMESTAMP') return asked() <= 3 ? { error: 'TimeoutError' } : undefined;
      // The answer of the start time begins with empty pages.
      if (operation !== 'GetRecords' || asked() < 4 || (pages += 1) > 5) return undefined;
      return { body: { Records: [], MillisBehindLatest: 5_000, NextShardIterator: input['ShardIterator'] } };
    };
    on.consume();
    await on.clock.advance(20_000);
    expect(on.keys).to.deep.equal(['new']);
    expect(asked()).to.equal(4);
    const iterators = on.client.of('GetRecords').map(({ input }) => input['ShardIterator'] as string);
    expect(new Set(iterators).size, 'no page is read twice, but the empty one').to.equal(iterators.length - 5);
  });
});
