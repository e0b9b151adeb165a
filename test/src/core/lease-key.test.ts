// A lease key names exactly one shard of one stream, and a key of another stream is never taken for our own.
import { expect } from 'chai';
import { leaseKeyOf, shardIdOf, streamIdentifier } from '../../../src/core/lease-key.js';

const orders = streamIdentifier({
  accountId: '123456789012',
  streamName: 'orders',
  creationEpochSeconds: 1_700_000_000,
});

describe('lease keys', () => {
  it('of a single-stream table are shard ids', () => {
    expect(leaseKeyOf(undefined, 'shardId-000000000001')).to.equal('shardId-000000000001');
    expect(shardIdOf(undefined, 'shardId-000000000001')).to.equal('shardId-000000000001');
  });

  it('of a multi-stream table name account, stream and creation time before the shard', () => {
    expect(leaseKeyOf(orders, 'shardId-000000000001')).to.equal('123456789012:orders:1700000000:shardId-000000000001');
    expect(shardIdOf(orders, '123456789012:orders:1700000000:shardId-000000000001')).to.equal('shardId-000000000001');
  });

  it('of another stream, of its older namesake and of the other kind of table belong to somebody else', () => {
    expect(shardIdOf(orders, '123456789012:orders-2:1700000000:shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(orders, '123456789012:orders:1600000000:shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(orders, 'shardId-000000000001')).to.equal(undefined);
    expect(shardIdOf(undefined, '123456789012:orders:1700000000:shardId-000000000001')).to.equal(undefined);
  });
});
