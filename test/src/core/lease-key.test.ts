// A lease key names exactly one shard of one stream, and a key of another stream is never taken for our own.
import { expect } from 'chai';
import {
  isKeyOfTableStream,
  leaseKeyOf,
  otherEpochShardId,
  shardIdOf,
  streamIdentifier,
} from '../../../src/core/lease-key.js';

const orders = streamIdentifier({
  accountId: '123456789012',
  streamName: 'orders',
  creationEpochSeconds: 1_700_000_000,
});

describe('lease keys', () => {
  it('are shard ids in a single-stream table', () => {
    expect(leaseKeyOf(undefined, 'shardId-000000000001')).to.equal('shardId-000000000001');
    expect(shardIdOf(undefined, 'shardId-000000000001')).to.equal('shardId-000000000001');
  });

  it('name account, stream and creation time before the shard in a multi-stream table', () => {
    expect(leaseKeyOf(orders, 'shardId-000000000001')).to.equal('123456789012:orders:1700000000:shardId-000000000001');
    expect(shardIdOf(orders, '123456789012:orders:1700000000:shardId-000000000001')).to.equal('shardId-000000000001');
  });

  it('give no shard id for another stream, an older namesake or the other kind of table', () => {
    expect(shardIdOf(orders, '123456789012:orders-2:1700000000:shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(orders, '123456789012:orders:1600000000:shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(orders, 'shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(undefined, '123456789012:orders:1700000000:shardId-000000000001')).to.equal(undefined);
  });

  it('show another epoch of the same stream by whole members alone', () => {
    const other = (rest: string): string | undefined => otherEpochShardId(orders, `123456789012:orders:${rest}`);
    expect(other('1600000000:s')).to.equal('s');
    for (const rest of ['1700000000:s', '1600000000:', '1600000000', ':s', '16x:s'])
      expect(other(rest)).to.equal(undefined);
  });

  it('name the stream of a table only where they name a stream', () => {
    expect(isKeyOfTableStream('123456789012:eu-west-1$orders$2023-11-14T22:13:20.000:1:s')).to.equal(true);
    for (const key of ['123456789012:orders:1:s$', 'a$b:orders:1:s', 's$1', 's'])
      expect(isKeyOfTableStream(key)).to.equal(false);
  });
});
