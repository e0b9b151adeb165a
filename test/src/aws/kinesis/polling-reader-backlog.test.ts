// A reader does not accept the end of a shard while the service reports a backlog, unless the reader was at the tip before, or gets
// no other answer for long enough.
import { expect } from 'chai';
import type { SourceNotice } from '../../../../src/api/ports.js';
import { end, only, shardId, stream, trimHorizon, harness, type Harness } from '../../../support/polling-harness.js';

const arn = 'arn:aws:kinesis:us-east-1:123456789012:stream/orders';
const options = { streamName: stream, maxRecords: 2 };
const trims = (on: Harness): SourceNotice[] => on.notices.filter((notice) => notice.type === 'trimmed');

/** From the GetRecords call `from` on, `times` answers are empty, without iterator, and have the members of `saying`. */
function burst(on: Harness, from: number, times: number, saying: object): void {
  let calls = 0;
  on.client.script = only('GetRecords', () => {
    calls += 1;
    return calls < from || calls >= from + times ? undefined : { body: { Records: [], ...saying } };
  });
}

describe('the end of a shard in an answer that does not report being up to date', () => {
  for (const times of [1, 2, 3, 30])
    it(`is not accepted ${times} times in a row if the service has reported a backlog before`, async () => {
      const on = harness(trimHorizon, { options });
      on.put('a', 'b', 'c', 'd', 'e');
      on.client.kinesis.split(stream, shardId);
      burst(on, 2, times, { MillisBehindLatest: 60_000 });
      on.consume();
      await on.clock.advance(900_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(end(on)).to.have.property('type', 'shardEnd');
    });

  it('is accepted after more than 15 minutes of the same answer, so that children do not wait forever', async () => {
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
    it(`is not accepted if it repeats for only 4 s from the first call on (${JSON.stringify(saying)})`, async () => {
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

  it('is accepted at once if its chain was up to date before, as in kinesalite', async () => {
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

  it('is accepted after five seconds of the same answer if the service has never reported a backlog', async () => {
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

describe('a start time that is asked for again after a timeout', () => {
  it('begins no chain in another stream than the row names', async () => {
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

it('a reader skips records handed on before, and reports one gap, if their numbers are refused twice', async () => {
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
    // The chain that skips records breaks once, after two records.
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

it('an empty answer is as old as its call took', async () => {
  const on = harness();
  const send = on.client.send.bind(on.client);
  let isSlow = false;
  on.client.send = async (command) => {
    const answer = await send(command);
    if (isSlow) await new Promise<void>((resolve) => void on.clock.after(6_000, resolve));
    return answer;
  };
  on.put('a');
  on.consume();
  await on.clock.advance(3_500);
  isSlow = true;
  const before = on.results.length;
  while (on.results.length < before + 2) await on.clock.advance(100);
  const last = on.results.at(-1);
  expect(last?.type === 'records' && on.clock.wallNow() - (last.fetchedAt ?? NaN)).to.be.within(6_000, 6_100);
  on.reader.close();
});
