// For a stream of another account, configured by its ARN, every call names the ARN, and the lease table is the caller's own.
import { expect } from 'chai';
import { kinesisStream } from '../../../src/aws/kinesis/kinesis-stream.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { drawnServices } from '../../support/drawn-services.js';
import { modelClient } from '../../support/model-kinesis-client.js';
import { inVirtualTime } from '../../support/virtual.js';
import { seeded, virtualConsumer } from '../../support/virtual-consumer.js';

const accountId = '999988887777';
const streamArn = `arn:aws:kinesis:us-east-1:${accountId}:stream/orders`;

describe('a stream of another account', () => {
  it('is named by its ARN in every call, except those with the token of a listing', async () => {
    const clock = new ManualClock();
    const client = modelClient(clock, { accountId, pageSize: 2 });
    client.kinesis.createStream('orders', 3);
    const tables = drawnServices(clock, seeded(1), 'sdk');
    const asked: Record<string, unknown>[] = [];
    const dynamoDb = {
      send(command: { readonly input: Record<string, unknown> }) {
        asked.push(command.input);
        return tables.dynamoDbClient.send(command as never);
      },
    };
    const on = virtualConsumer(clock, {
      application: 'order-totals',
      source: kinesisStream({ streamArn, client }),
      leases: { client: dynamoDb },
    });
    client.kinesis.put('orders', { partitionKey: 'a', data: 'x' });
    await inVirtualTime(clock, on.consumer.start());
    await clock.advance(70_000);
    expect(on.seen).to.have.length(1);
    const operations = ['DescribeStreamSummary', 'GetRecords', 'GetShardIterator', 'ListShards'];
    expect([...new Set(client.calls.map(({ operation }) => operation))].toSorted()).to.deep.equal(operations);
    for (const { operation, input } of client.calls) {
      if (input['NextToken'] === undefined) expect(input['StreamARN'], operation).to.equal(streamArn);
      else expect(input, operation).to.have.all.keys('NextToken');
    }
    const named = new Set(asked.map(({ TableName }) => TableName));
    expect([...named].toSorted()).to.deep.equal(['order-totals', 'order-totals-CoordinatorState']);
    const rows = asked.flatMap(({ Item }) => (Item === undefined ? [] : [Item as Record<string, { S?: string }>]));
    expect(rows.map((row) => row['kinactStream']?.S?.startsWith(`${streamArn}#`))).to.deep.equal([true, true, true]);
    const [first] = on.seen;
    expect(first?.token.idempotencyKey).to.include('orders');
    await inVirtualTime(clock, on.consumer.stop());
  });
});
