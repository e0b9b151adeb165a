// A service that ends chains where no shard ends, says nothing about the backlog, or omits the shard from a listing. The reader leaves
// out no record, reports no tip that it does not know of, and ends a shard that is really over.
import { expect } from 'chai';
import { answerOf, type ModelAnswer } from '../../../support/model-kinesis-client.js';
import { end, only, shardId, stream, trimHorizon, harness, type Harness } from '../../../support/polling-harness.js';

const oneByOne = { options: { streamName: stream, maxRecords: 1 } };
const backlog = { MillisBehindLatest: 60_000 };
const empty = (saying: object = {}): ModelAnswer => ({ body: { Records: [], ...saying } });
const another = { ShardId: 'shardId-000000000007', SequenceNumberRange: { StartingSequenceNumber: '1' } };

/** The answers to GetRecords, by the number of the call. `cut`: what the model answers, but without iterator and backlog. */
function answers(on: Harness, answer: (number: number) => ModelAnswer | 'cut'): void {
  let calls = 0;
  on.client.script = only('GetRecords', ({ input }) => {
    const given = answer((calls += 1));
    if (given !== 'cut') return given;
    const { Records } = answerOf(on.client.kinesis, 'GetRecords', input) as { Records: unknown };
    return { body: { Records } };
  });
}

describe('an end that may be false', () => {
  it('is counted only since the last records', async () => {
    const on = harness(trimHorizon, oneByOne);
    const keys = [...'abcdefghij'];
    on.put(...keys);
    on.client.kinesis.split(stream, shardId);
    answers(on, (number) => (number <= 7 ? 'cut' : number === 8 ? empty() : undefined));
    on.consume();
    await on.clock.advance(120_000);
    expect(on.keys).to.deep.equal(keys);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('is counted only since the shard was last listed open', async () => {
    const on = harness();
    let left = Infinity;
    answers(on, () => (left-- > 0 ? empty() : undefined));
    on.consume();
    await on.clock.advance(30_000);
    on.put('a', 'b');
    on.client.kinesis.split(stream, shardId);
    left = 2;
    await on.clock.advance(120_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  for (const [what, saying, times, ms] of [
    ['says nothing', {}, 2, 8_000],
    ['reports a backlog', backlog, 5, 901_000],
  ] as const)
    it(`is no proof if it comes ${times} times, however long the time between (${what})`, async () => {
      const on = harness(trimHorizon, oneByOne);
      on.put('a', 'b', 'c');
      on.client.kinesis.split(stream, shardId);
      let ends = 0;
      answers(on, (number) => {
        if (number === 1) return undefined;
        if (ends > 0 && on.clock.now() < ms) return { error: 'ProvisionedThroughputExceededException' };
        return (ends += 1) <= times ? empty(saying) : undefined;
      });
      on.consume();
      await on.clock.advance(ms + 60_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c']);
      expect(end(on)).to.have.property('type', 'shardEnd');
    });

  it('is no proof after an empty page that reports a backlog', async () => {
    const on = harness(trimHorizon, oneByOne);
    on.put('a', 'b', 'c');
    on.client.kinesis.split(stream, shardId);
    answers(on, (number) => {
      if (number === 3) return empty({ ...backlog, NextShardIterator: 'more' });
      return number === 2 || number === 4 ? empty(backlog) : undefined;
    });
    on.consume();
    await on.clock.advance(60_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('is accepted after some seconds if it says nothing of a backlog, though earlier answers have reported one', async () => {
    const on = harness(trimHorizon, oneByOne);
    on.put('a', 'b');
    on.client.kinesis.split(stream, shardId);
    answers(on, (number) => (number <= 2 ? undefined : empty()));
    on.consume();
    await on.clock.advance(30_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('is tried again ever more slowly, and reported, while there is a backlog', async () => {
    const on = harness(trimHorizon, oneByOne);
    on.put('a', 'b', 'c');
    on.client.kinesis.split(stream, shardId);
    answers(on, (number) => (number === 1 ? undefined : empty(backlog)));
    on.consume();
    await on.clock.advance(600_000);
    expect(on.notices.filter(({ type }) => type === 'retrying').length).to.be.above(10);
    expect(on.client.of('GetRecords').length).to.be.below(120);
    on.reader.close();
  });

  it('is tried again ever more slowly, without a notice, while it is unclear', async () => {
    const on = harness();
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    answers(on, (number) => (number === 1 ? undefined : empty({ MillisBehindLatest: 7_000 })));
    on.consume();
    await on.clock.advance(20_000);
    expect(end(on)).to.have.property('type', 'shardEnd');
    expect(on.notices).to.deep.equal([]);
    expect(on.client.of('GetRecords').length).to.be.below(12);
  });

  it('is weighed after another listing, because one listing may omit an open shard', async () => {
    const on = harness(trimHorizon, oneByOne);
    on.put('a', 'b');
    let listings = 0;
    answers(on, (number) => (number <= 2 ? 'cut' : number === 3 ? empty({ MillisBehindLatest: 0 }) : undefined));
    const { script } = on.client;
    on.client.script = (call) => {
      if (call.operation !== 'ListShards') return script(call);
      return (listings += 1) === 1 ? { body: { Shards: [another] } } : undefined;
    };
    on.consume();
    await on.clock.advance(10_000);
    on.put('c');
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    expect(end(on)).to.equal(undefined);
  });

  it('tells the worker of no tip', async () => {
    const on = harness();
    on.put('a');
    answers(on, (number) => (number === 1 ? empty({ MillisBehindLatest: 0 }) : undefined));
    on.consume();
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(on.results[0]).to.have.property('records').with.length(1);
  });

  it('is tried again at once if reading went well since the last one', async () => {
    const on = harness();
    on.consume();
    for (let times = 0; times < 3; times += 1) {
      answers(on, (number) => (number === 1 ? empty({ MillisBehindLatest: 0 }) : undefined));
      await on.clock.advance(60_000);
    }
    const delays = on.notices.flatMap((notice) => (notice.type === 'retrying' ? [notice.delayMs] : []));
    expect(delays).to.deep.equal([0, 0, 0]);
  });
});

describe('the end of a shard', () => {
  it('is found though no listing names the shard any longer', async () => {
    const on = harness();
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    on.client.script = only('ListShards', () => ({ body: { Shards: [another] } }));
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('reports no gap if the record to resume in was read', async () => {
    const on = harness((put) => {
      const [first] = put('a', 'b');
      return { type: 'after', position: { sequenceNumber: first!, subSequenceNumber: 0 } };
    });
    on.client.kinesis.split(stream, shardId);
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(end(on)).to.have.property('type', 'shardEnd');
    expect(on.notices).to.deep.equal([]);
  });

  it('is not waited for longer than 30 s by polling: the shard is subscribed to again', async () => {
    const on = harness(trimHorizon, { retrieval: 'fan-out' });
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    answers(on, () => empty({ MillisBehindLatest: 0, NextShardIterator: 'more' }));
    on.consume();
    await on.clock.advance(25_000);
    expect(on.client.of('SubscribeToShard')).to.have.length(1);
    await on.clock.advance(20_000);
    expect(on.client.of('SubscribeToShard').length).to.be.above(1);
    expect(on.keys).to.deep.equal(['a']);
    on.reader.close();
  });
});
