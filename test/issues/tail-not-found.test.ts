// Symptom: if GetShardIterator did not find a shard for five seconds, `kinact tail` left out the shard and its children, without a
// message. Cause: it took the shard for ended. Rule: as in a consumer, a listing has to show that a shard is gone.
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { lineWriter } from '../../src/cli/record-lines.js';
import { tailOrigin } from '../../src/cli/tail-origin.js';
import { tailStream } from '../../src/cli/tail-stream.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { virtualClock } from '../support/virtual.js';

const [first, second] = ['shardId-000000000000', 'shardId-000000000001'];

describe('kinact tail of a stream with a shard that is not found for a while', () => {
  it('continues the shard where it was while listings name it, and reports it when they do not', async () => {
    using clock = virtualClock();
    const client = modelClient(clock);
    client.kinesis.createStream('orders', 2);
    const harness = { clock, timers: clock, random: { next: () => 0.5 } };
    const source = kinesisSource({ streamName: 'orders', client }, harness);
    const put = (...keys: string[]): void => {
      for (const shardId of [first, second])
        for (const key of keys)
          client.kinesis.put('orders', { partitionKey: `${key}${shardId.at(-1)}`, data: 'x', shardId });
    };
    const out = new PassThrough();
    const stopping = new AbortController();
    const said: string[] = [];
    const ended = tailStream({
      ...harness,
      source,
      from: 'TRIM_HORIZON',
      origin: tailOrigin({ streamName: 'orders' }, false),
      writer: lineWriter(out),
      signal: stopping.signal,
      say: (text) => said.push(text),
      reportRetry: () => {},
    });
    const keys = (): unknown[] =>
      String(out.read() ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { partitionKey: string }).partitionKey);
    put('a', 'b');
    await clock.advance(3_000);
    expect(keys()).to.have.members(['a0', 'a1', 'b0', 'b1']);
    client.script = ({ operation, input }) =>
      operation === 'GetShardIterator' && input['ShardId'] === first
        ? { error: 'ResourceNotFoundException' }
        : undefined;
    client.kinesis.expireIterators();
    put('c');
    await clock.advance(20_000);
    client.script = () => undefined;
    await clock.advance(20_000);
    expect(keys()).to.have.members(['c0', 'c1']);
    put('d');
    await clock.advance(3_000);
    expect(keys()).to.have.members(['d0', 'd1']);
    expect(said.filter((text) => text.includes('no longer listed'))).to.deep.equal([]);
    // The rest of the shard has expired, and the service has forgotten the shard.
    const [child] = client.kinesis.split('orders', first);
    client.kinesis.expireIterators();
    client.kinesis.stream('orders').shards.delete(first);
    client.kinesis.put('orders', { partitionKey: 'e', data: 'x', shardId: child! });
    await clock.advance(40_000);
    expect(said.filter((text) => text.includes('no longer listed'))).to.have.length(1);
    expect(keys()).to.deep.equal(['e']);
    stopping.abort();
    await ended;
  });
});
