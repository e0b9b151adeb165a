// No answer that the services' models allow stops a shard, whether members are missing, null, empty or unknown. Reading continues once
// good answers come again; no record is lost, and no shard is ended.
import { ListShardsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { drawnServices } from '../support/drawn-services.js';
import { inVirtualTime } from '../support/virtual.js';
import { seeded, virtualConsumer } from '../support/virtual-consumer.js';

const minuteMs = 60_000;

async function run(seed: number, reads: 'fast' | 'sdk', duringStart: boolean): Promise<ReadonlyMap<string, number>> {
  const clock = new ManualClock();
  const services = drawnServices(clock, seeded(seed), reads);
  services.kinesis.createStream('orders', 2, { mode: 'ON_DEMAND', distribution: 'AUTO' });
  const source = kinesisStream({ streamName: 'orders', client: services.kinesisClient });
  const on = virtualConsumer(clock, {
    source,
    leases: { client: services.dynamoDbClient, failoverMs: 3_000, startDeadlineMs: 10 * minuteMs },
  });
  const put: string[] = [];
  const putSome = (): void => {
    for (const partitionKey of ['a', 'b', undefined]) {
      const record = { data: `${put.length}`, ...(partitionKey === undefined ? {} : { partitionKey }) };
      put.push(services.kinesis.put('orders', record).sequenceNumber);
    }
  };
  const all = ['kinesis', 'dynamodb'] as const;
  if (duringStart) services.drawing = all;
  putSome();
  const starting = on.consumer.start();
  starting.catch(() => undefined);
  if (!duringStart) await inVirtualTime(clock, starting);
  services.drawing = all;
  for (let passed = 0; passed < 1.25 * minuteMs; passed += 5_000) {
    putSome();
    await clock.advance(5_000);
  }
  services.drawing = [];
  await clock.advance(1.5 * minuteMs);
  await inVirtualTime(clock, starting);
  putSome();
  await clock.advance(5_000);
  const about = `seed ${seed}, ${reads}${duringStart ? ', from the start on' : ''}`;
  const seen = new Set(on.seen.map(({ sequenceNumber }) => sequenceNumber));
  expect(
    put.filter((number) => !seen.has(number)),
    `${about}: lost`,
  ).to.deep.equal([]);
  expect(on.heard('shardEnded'), about).to.deep.equal([]);
  expect(on.heard('closed'), about).to.deep.equal([]);
  expect(on.consumer.status().state, about).to.equal('running');
  await inVirtualTime(clock, on.consumer.stop());
  return services.drawn;
}

describe('any answer that the service’s model allows', () => {
  const asked = new Set<string>();

  // The SDK loads parts of itself with the first call. That takes real time, and virtual time does not wait for it.
  before(async () => {
    const { kinesis, kinesisClient } = drawnServices(new ManualClock(), seeded(1), 'sdk');
    kinesis.createStream('orders', 1);
    await kinesisClient.send(new ListShardsCommand({ StreamName: 'orders' }));
  });

  for (const reads of ['fast', 'sdk'] as const) {
    it(`loses no record, ends no shard and no consumer (records read by ${reads === 'fast' ? 'our own way' : 'the SDK'})`, async () => {
      for (let seed = 1; seed <= 4; seed += 1) {
        for (const operation of (await run(seed, reads, seed % 2 === 0)).keys()) asked.add(operation);
      }
    });
  }

  it('was drawn for every operation that reading uses', () => {
    expect([...asked]).to.include.members([
      'DescribeStreamSummary',
      'ListShards',
      'GetShardIterator',
      'GetRecords',
      'Scan',
      'UpdateItem',
    ]);
  });
});
