// A reader does not believe an end while the service reports a backlog, unless it was at the tip before or gets no other answer.
import { expect } from 'chai';
import type { SourceNotice } from '../../../src/api/ports.js';
import { end, only, shardId, stream, trimHorizon, harness, type Harness } from '../../support/polling-harness.js';

const arn = 'arn:aws:kinesis:us-east-1:123456789012:stream/orders';
const options = { streamName: stream, maxRecords: 2 };
const trims = (on: Harness): SourceNotice[] => on.notices.filter((notice) => notice.type === 'trimmed');

/** From the GetRecords call `from` on, `times` answers are empty, without iterator, and say `saying` of themselves. */
function burst(on: Harness, from: number, times: number, saying: object): void {
  let calls = 0;
  on.client.script = only('GetRecords', () => {
    calls += 1;
    return calls < from || calls >= from + times ? undefined : { body: { Records: [], ...saying } };
  });
}

describe('an end that does not call itself up to date', () => {
  for (const times of [1, 2, 3, 30])
    it(`ends no shard whose service has reported a backlog before, ${times} times in a row`, async () => {
      const on = harness(trimHorizon, { options });
      on.put('a', 'b', 'c', 'd', 'e');
      on.client.kinesis.split(stream, shardId);
      burst(on, 2, times, { MillisBehindLatest: 60_000 });
      on.consume();
      await on.clock.advance(900_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(end(on)).to.have.property('type', 'shardEnd');
    });

  it('is believed in the end where nothing else is ever answered, so that children do not wait for ever', async () => {
    const on = harness(trimHorizon, { options });
    on.put('a', 'b', 'c', 'd', 'e');
    on.client.kinesis.split(stream, shardId);
    burst(on, 4, Infinity, { MillisBehindLatest: 60_000 });
    on.consume();
    await on.clock.advance(900_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(end(on)).to.equal(undefined);
    await on.clock.advance(3_600_000);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  for (const saying of [{ MillisBehindLatest: 60_000 }, {}])
    it(`ends no shard by a burst of 4 s at the first call (${JSON.stringify(saying)})`, async () => {
      const on = harness(trimHorizon, { options });
      on.put('a', 'b', 'c', 'd', 'e');
      on.client.kinesis.split(stream, shardId);
      burst(on, 1, Infinity, saying);
      on.consume();
      await on.clock.advance(4_000);
      on.client.script = () => undefined;
      await on.clock.advance(30_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(end(on)).to.have.property('type', 'shardEnd');
    });

  it('is believed at once where its chain was up to date before, as kinesalite ends a shard', async () => {
    const on = harness();
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    let answers = 0;
    on.client.script = only('GetRecords', () => {
      answers += 1;
      if (answers === 1) return undefined;
      const isEnd = answers % 2 === 1;
      return {
        body: isEnd
          ? { Records: [], MillisBehindLatest: 7_000 }
          : { Records: [], MillisBehindLatest: 0, NextShardIterator: 'more' },
      };
    });
    on.consume();
    await on.clock.advance(6_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('is believed after five seconds of nothing else where the service has never reported a backlog', async () => {
    const on = harness();
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    burst(on, 2, Infinity, { MillisBehindLatest: 7_000 });
    on.consume();
    await on.clock.advance(4_500);
    expect(end(on)).to.equal(undefined);
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });
});

describe('the start that was not found at first and is asked for again', () => {
  it('is not begun in another stream than the row is of', async () => {
    const created = Math.floor(harness().client.kinesis.stream(stream).createdAt / 1_000);
    const on = harness(
      (put, clock) => {
        put('old 1', 'old 2', 'old 3', 'old 4');
        return { type: 'atTimestamp', timestampMs: clock.wallNow() + 60_000 };
      },
      { lease: { stream: `${arn}#${created}` }, options: { streamName: stream, maxRecords: 1 } },
    );
    let asked = 0;
    const StreamDescriptionSummary = {
      StreamName: stream,
      StreamARN: arn,
      StreamStatus: 'ACTIVE',
      StreamCreationTimestamp: new Date((created + 60) * 1_000),
    };
    on.client.script = ({ operation, input }) => {
      if (operation === 'GetShardIterator' && input['ShardIteratorType'] === 'AT_TIMESTAMP') {
        asked += 1;
        return asked === 1 ? { error: 'TimeoutError' } : undefined;
      }
      const isAnother = operation === 'DescribeStreamSummary' && asked > 1;
      return isAnother ? { body: { StreamDescriptionSummary } } : undefined;
    };
    await on.clock.advance(60_000);
    on.put('of the new stream');
    on.consume();
    await on.clock.advance(20_000);
    expect(asked, 'it was asked for again').to.be.above(1);
    expect(on.keys).to.deep.equal([]);
  });
});

it('records that were handed on are skipped, and no gap is said, where their numbers are not found again on the way', async () => {
  const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 1 } });
  on.put('a', 'b', 'c', 'd');
  on.consume();
  await on.clock.advance(5_000);
  expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd']);
  let lost = 2;
  let pages = 0;
  on.client.script = ({ operation, input }) => {
    if (operation === 'GetShardIterator' && input['ShardIteratorType'] === 'AFTER_SEQUENCE_NUMBER' && lost > 0) {
      lost -= 1;
      return { error: 'InvalidArgumentException' };
    }
    // The chain that skips is broken once, after two records.
    if (operation === 'GetRecords' && lost < 2 && ++pages === 3) return { error: 'ExpiredIteratorException' };
    return undefined;
  };
  on.client.kinesis.expireIterators();
  await on.clock.advance(10_000);
  on.put('e');
  await on.clock.advance(5_000);
  expect(lost, 'both were answered').to.equal(0);
  expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
  expect(trims(on)).to.have.length(1);
});
