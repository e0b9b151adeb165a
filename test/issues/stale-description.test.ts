// Symptom: one DescribeStreamSummary answer from before the stream was created again failed a source for good. Cause: a reader or
// the end of a shard believed it at once. Rule: it only makes the shard sync due, which asks twice.
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually } from '../support/consumer-harness.js';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';

describe('one stale description', function () {
  this.timeout(60_000);
  let servers: LocalServers;
  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());

  it('does not end a running consumer if a reader gets it: the shard is still read', async () => {
    const scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    const harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
    try {
      scripted.kinesis.createStream('orders', 1);
      const only = harness.consumer('orders', { application: 'stale', leases: { failoverMs: 1_500 } });
      await only.consumer.start();
      scripted.kinesis.put('orders', { partitionKey: 'a', data: 'a' });
      await eventually('one', () => only.seen.length === 1);
      const { createdAt } = scripted.kinesis.stream('orders');
      const order = scripted.respond('DescribeStreamSummary', 1, {
        type: 'json',
        body: {
          StreamDescriptionSummary: {
            StreamName: 'orders',
            StreamARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders',
            StreamStatus: 'ACTIVE',
            StreamCreationTimestamp: Math.floor(createdAt / 1_000) - 3_600,
          },
        },
      });
      scripted.kinesis.expireIterators();
      await eventually('it was answered', () => order.remaining === 0, 20_000);
      scripted.kinesis.put('orders', { partitionKey: 'b', data: 'b' });
      await eventually('two', () => only.seen.length === 2, 20_000);
      expect(only.heard('sourceFailed').map(({ error }) => error.message.slice(0, 160))).to.deep.equal([]);
      expect(only.consumer.status().state).to.equal('running');
      expect(only.seen).to.have.length(2);
    } finally {
      await harness.close();
      await scripted.stop();
    }
  });

  const zero = 'shardId-000000000000';
  const stale = async (): Promise<CoordinatorDriver> => {
    const stream = listedStream({ shards: 2 });
    const driver = driveCoordinator({ stream });
    await driver.started();
    await driver.takenAll();
    stream.split(zero);
    const { describe } = stream;
    let left = 1;
    stream.describe = async (signal) => {
      const description = await describe(signal);
      return left-- > 0 ? { ...description, creationEpochSeconds: 1_600_000_000 } : description;
    };
    return driver;
  };

  it('blocks the end of a shard once, and fails no source', async () => {
    const driver = await stale();
    expect(await driver.askEnd(zero)).to.include({ type: 'blocked' });
    await driver.harness.advance(5_000);
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
  });

  it('fails no source in the shard sync that a doubt makes due', async () => {
    const driver = await stale();
    const { length } = driver.stream.filters;
    await driver.news(zero, { type: 'streamDoubted' });
    await driver.harness.advance(5_000);
    expect(driver.stream.filters.length, 'it was synced').to.be.above(length);
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
  });
});
