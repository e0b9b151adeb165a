// A change of the stream happens at one moment: no filter by time finds both a parent and its child, or neither of them.
import { expect } from 'chai';
import { ScriptedKinesis } from '../../../src/testing/scripted-server/scripted-kinesis.js';

describe('the scripted Kinesis', () => {
  it('creates all shards of a stream at one moment, and children when their parents end', () => {
    let now = 1_000_000;
    const kinesis = new ScriptedKinesis({ now: () => (now += 1) });
    kinesis.createStream('orders', 2);
    const named = (ShardFilter: object): string[] => {
      const answer = kinesis.handle('ListShards', { StreamName: 'orders', ShardFilter }) as {
        Shards: { ShardId: string }[];
      };
      return answer.Shards.map(({ ShardId }) => ShardId.slice(-1));
    };
    expect(named({ Type: 'AT_TRIM_HORIZON' })).to.deep.equal(['0', '1']);
    kinesis.merge('orders', 'shardId-000000000000', 'shardId-000000000001');
    kinesis.split('orders', 'shardId-000000000002');
    for (const shard of kinesis.stream('orders').shards.values()) {
      const found = named({ Type: 'AT_TIMESTAMP', Timestamp: shard.createdAt / 1_000 });
      expect(['0,1', '2', '3,4'], `at ${shard.createdAt}`).to.include(found.join());
    }
  });

  it('refuses an explicit hash key that is not a number below 2^128, however long the key is', () => {
    const kinesis = new ScriptedKinesis({ now: () => 0 });
    kinesis.createStream('orders', 1);
    const put = (explicitHashKey: string) => kinesis.put('orders', { partitionKey: 'a', data: 'a', explicitHashKey });
    for (const text of ['', '-1', '0x1', '1e3', String(2n ** 128n), '9'.repeat(1_000_000)])
      expect(() => put(text), text.slice(0, 50)).to.throw('ExplicitHashKey');
    for (const text of ['0', '007', String(2n ** 128n - 1n)])
      expect(put(text).shardId).to.equal('shardId-000000000000');
  });
});
