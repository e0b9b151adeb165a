// The source finds the stream of a table, describes and lists it within the limits of the account, and says what to do about what it
// cannot read. Virtual time; the last tests send real HTTP.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { dynamodbStream, isKinactError, type ChangeRecord, type KinactError } from '../../../../src/index.js';
import { changeSource } from '../../../../src/aws/dynamodb-streams/change-source.js';
import { loadStreamsSdk } from '../../../../src/aws/dynamodb-streams/streams-sdk.js';
import type { DynamodbStreamOptions } from '../../../../src/api/options.js';
import type { StreamSource } from '../../../../src/api/ports.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';
import { changeHarness, load, shardId, streamArn } from '../../../support/change-streams.js';
import { awsError } from '../../../support/aws-error.js';

const never = new AbortController().signal;
const older = streamArn.replace('2026', '2025');

/** Answers DescribeTable. */
function tables(table: () => object): { send(): Promise<unknown>; calls: number } {
  return {
    calls: 0,
    async send() {
      this.calls += 1;
      return { Table: table() };
    },
  };
}

async function failure(work: Promise<unknown>): Promise<KinactError> {
  const error: unknown = await work.then(
    () => new Error('expected a failure'),
    (thrown: unknown) => thrown,
  );
  if (!isKinactError(error)) throw error;
  return error;
}

describe('the stream of a table', () => {
  const enabled = { LatestStreamArn: streamArn, StreamSpecification: { StreamEnabled: true } };

  it('is the newest one, if it is enabled', async () => {
    const tableClient = tables(() => enabled);
    const { source } = changeHarness({ tableName: 'orders', tableClient });
    expect(source.name).to.equal('orders');
    expect(await source.describe(never)).to.deep.include({
      streamArn,
      streamName: 'us-east-1$123456789012$orders$2026-01-31T12_00_00.000',
      accountId: '123456789012',
      creationEpochSeconds: 0,
      status: 'ACTIVE',
      retentionHours: 24,
    });
    expect(source.listingProof).to.equal('lineage');
  });

  it('is an error with its cure if the table has none, a disabled one, or does not exist', async () => {
    const of = (table: () => object): Promise<KinactError> =>
      failure(changeHarness({ tableName: 'orders', tableClient: tables(table) }).source.describe(never));
    const none = await of(() => ({}));
    expect(none.code).to.equal('STREAM_NOT_FOUND');
    expect(none.message).to.include("Table 'orders' has no stream").and.to.include('aws dynamodb update-table');
    const disabled = await of(() => ({ LatestStreamArn: streamArn }));
    expect(disabled.code).to.equal('STREAM_NOT_FOUND');
    expect(disabled.message).to.include('is disabled').and.to.include(`streamArn: '${streamArn}'`);
    const missing = await of(() => {
      throw awsError('ResourceNotFoundException', 'no such table');
    });
    expect(missing.code).to.equal('STREAM_NOT_FOUND');
    expect(missing.message).to.include("Table 'orders' does not exist");
    const denied = await of(() => {
      throw awsError('AccessDeniedException', 'no');
    });
    expect(denied.message).to.include('grant dynamodb:DescribeTable');
  });

  it('stays the former one while it is read, and a minute longer, when the stream is enabled again', async () => {
    let table: object = { ...enabled, LatestStreamArn: older };
    const on = changeHarness({ tableName: 'orders', tableClient: tables(() => table) });
    on.model.arn = older;
    const arnNow = async (): Promise<string> => (await on.source.describe(never)).streamArn;
    expect(await arnNow()).to.equal(older);
    const reader = on.open();
    table = { LatestStreamArn: older };
    expect(await arnNow()).to.equal(older);
    table = enabled;
    await on.clock.advance(600_000);
    expect(await arnNow()).to.equal(older);
    reader.close();
    await on.clock.advance(59_000);
    expect(await arnNow()).to.equal(older);
    on.model.arn = streamArn;
    await on.clock.advance(2_000);
    expect(await arnNow()).to.equal(streamArn);
  });

  it('stays the former one for a minute where none of its shards is read: a worker without shards may take those of others', async () => {
    let table: object = { ...enabled, LatestStreamArn: older };
    const on = changeHarness({ tableName: 'orders', tableClient: tables(() => table) });
    on.model.arn = older;
    const arnNow = async (): Promise<string> => (await on.source.describe(never)).streamArn;
    expect(await arnNow()).to.equal(older);
    await on.clock.advance(600_000);
    table = enabled;
    expect(await arnNow()).to.equal(older);
    await on.clock.advance(59_000);
    expect(await arnNow()).to.equal(older);
    on.model.arn = streamArn;
    await on.clock.advance(2_000);
    expect(await arnNow()).to.equal(streamArn);
  });

  it('is the new one when the service no longer has the former', async () => {
    let table: object = { ...enabled, LatestStreamArn: older };
    const on = changeHarness({ tableName: 'orders', tableClient: tables(() => table) });
    on.model.arn = older;
    await on.source.describe(never);
    on.open();
    on.model.arn = streamArn;
    table = enabled;
    await on.clock.advance(1_000);
    expect((await failure(on.source.describe(never))).code).to.equal('STREAM_NOT_FOUND');
    expect((await on.source.describe(never)).streamArn).to.equal(streamArn);
  });

  it('that is configured by ARN needs no table', async () => {
    const { source, model, clock } = changeHarness();
    const statuses = { DISABLED: 'ACTIVE', ENABLING: 'CREATING', DISABLING: 'UPDATING', NEW: 'UNKNOWN' };
    for (const [status, expected] of Object.entries(statuses)) {
      model.status = status;
      expect((await source.describe(never)).status).to.equal(expected);
      await clock.advance(1_000);
    }
  });

  it('is described by a listing, too: a description right after it needs no call', async () => {
    const { source, model, clock } = changeHarness();
    await source.listShards({ type: 'all' }, never);
    expect((await source.describe(never)).status).to.equal('ACTIVE');
    expect(model.calls.length).to.equal(1);
    await clock.advance(1_000);
    await source.describe(never);
    expect(model.calls.length).to.equal(2);
  });

  it('in another region than the client is refused, except that of DynamoDB Local, which is no region', async () => {
    const elsewhere = changeHarness({ streamArn: streamArn.replace('us-east-1', 'eu-central-1') });
    const error = await failure(elsewhere.source.describe(never));
    expect(error.code).to.equal('WRONG_REGION');
    expect(error.message).to.include('Set region to eu-central-1');
    expect(elsewhere.model.calls).to.deep.equal([]);
    const local = changeHarness({ streamArn: streamArn.replace('us-east-1', 'ddblocal') });
    local.model.arn = streamArn.replace('us-east-1', 'ddblocal');
    expect((await local.source.describe(never)).status).to.equal('ACTIVE');
  });

  it('that may not be described is an error that names the permission', async () => {
    const { source, model } = changeHarness();
    model.script = () => ({ error: 'AccessDeniedException' });
    const error = await failure(source.describe(never));
    expect(error.code).to.equal('ACCESS_DENIED');
    expect(error.message).to.include('grant dynamodb:DescribeStream');
    model.script = () => ({ error: 'ResourceNotFoundException' });
    expect((await failure(source.describe(never))).code).to.equal('STREAM_NOT_FOUND');
  });
});

describe('a listing of the shards of a table', () => {
  const list = (source: StreamSource, type: 'all' | 'atLatest' | 'atTrimHorizon' = 'all'): Promise<string[]> =>
    source.listShards({ type }, never).then(({ shards }) => shards.map((shard) => shard.shardId));

  it('has all pages, and filters by the lineage', async () => {
    const { source, model } = changeHarness();
    model.pageSize = 2;
    model.shard().closed = true;
    const ids = ['shardId-1', 'shardId-2', 'shardId-3', 'shardId-4'];
    ids.forEach((id, index) => model.addShard(id, index === 0 ? shardId : ids[index - 1]));
    expect((await list(source)).length).to.equal(5);
    expect(model.of('DescribeStream').length).to.equal(3);
    expect(await list(source, 'atLatest')).to.deep.equal(['shardId-4']);
    expect(await list(source, 'atTrimHorizon')).to.deep.equal([shardId]);
  });

  it('never goes on for ever: a page that begins where it was asked to begin is an error', async () => {
    const { source, model } = changeHarness();
    model.script = () => ({ body: { StreamDescription: { Shards: [], LastEvaluatedShardId: 'shardId-1' } } });
    const error = await failure(source.listShards({ type: 'all' }, never));
    expect(error.retryable).to.equal(true);
    model.script = () => ({ body: { StreamDescription: { Shards: [{}] } } });
    expect((await failure(source.listShards({ type: 'all' }, never))).message).to.include('without ShardId');
    model.script = () => ({ body: {} });
    expect((await failure(source.listShards({ type: 'all' }, never))).message).to.include('no StreamDescription');
  });

  it('waits for its turn: a process sends ten calls at once, then two a second, over all its sources', async () => {
    const on = changeHarness();
    on.model.pageSize = 1;
    for (let index = 0; index < 29; index += 1) on.model.addShard(`shardId-${10 + index}`, shardId);
    const environment = { clock: on.clock, timers: on.timers, random: { next: () => 0 } };
    const other = changeSource({ streamArn, client: on.model, load }, environment);
    const both = Promise.all([list(on.source), list(other)]);
    await on.clock.advance(1);
    expect(on.model.calls.length).to.be.within(9, 11);
    await on.clock.advance(10_000);
    expect(on.model.calls.length).to.be.within(29, 32);
    await on.clock.advance(20_000);
    expect((await both).map(({ length }) => length)).to.deep.equal([30, 30]);
  });

  it('ends its wait when it is aborted', async () => {
    const on = changeHarness();
    on.model.pageSize = 1;
    for (let index = 0; index < 20; index += 1) on.model.addShard(`shardId-${10 + index}`, shardId);
    const stopping = new AbortController();
    const listing = failure(on.source.listShards({ type: 'all' }, stopping.signal));
    await on.clock.advance(1);
    stopping.abort();
    expect((await listing).code).to.equal('STOPPED');
    expect(on.timers.pending).to.equal(0);
  });
});

describe('a source of changes', () => {
  it('makes an item of a record: its change, under the key of the changed item', async () => {
    const on = changeHarness();
    on.model.put('a');
    on.consume();
    await on.clock.advance(100);
    const [result] = on.results;
    const raw = result?.type === 'records' ? result.records.at(0) : undefined;
    const { records } = on.source.unpack({ ...raw!, data: Buffer.from(raw!.data) }, undefined);
    const [record] = records as readonly ChangeRecord[];
    const item = on.source.itemOf!(record!);
    expect(item.key).to.equal('{"id":{"S":"a"}}');
    expect(item.value).to.equal(record?.change);
    expect(record?.change).to.include({ eventName: 'INSERT', sizeBytes: 10 });
  });

  it('needs the package of the SDK when it is used, and says how to install it', async () => {
    const missing = (): ReturnType<typeof loadStreamsSdk> =>
      loadStreamsSdk(() => Promise.reject(Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' })));
    const clock = new ManualClock();
    const source = changeSource({ streamArn, load: missing }, { clock, timers: clock, random: { next: () => 0 } });
    const error = await failure(source.describe(never));
    expect(error.code).to.equal('PEER_MISSING');
    expect(error.message).to.include('npm install @aws-sdk/client-dynamodb-streams');
    source.close();
  });

  it('refuses options that contradict each other, when it is made', () => {
    const refused = (options: DynamodbStreamOptions): string => {
      try {
        dynamodbStream(options as Parameters<typeof dynamodbStream>[0]);
      } catch (error) {
        return isKinactError(error) ? error.message : String(error);
      }
      return 'accepted';
    };
    expect(refused({})).to.include('tableName or streamArn');
    expect(refused({ tableName: 'refunds', streamArn })).to.include('dynamodbStream.tableName');
    expect(refused({ region: 'eu-central-1', streamArn })).to.include('dynamodbStream.region');
    expect(refused({ tableName: 'orders', initialPosition: new Date(0) as never })).to.include('initialPosition');
    expect(refused({ tableName: 'orders', maxRecords: 1_001 })).to.include('1 to 1000');
    expect(refused({ tableName: 'orders', streamArn })).to.equal('accepted');
    expect(refused({ streamArn: streamArn.replace('us-east-1', 'ddblocal') })).to.equal('accepted');
  });
});

describe('a source of changes over HTTP', () => {
  it('reads with a client of its own, from the bytes of the service', async () => {
    const targets: string[] = [];
    const server = createServer((request, response) => {
      const target = String(request.headers['x-amz-target']);
      targets.push(target);
      request.resume();
      request.on('end', () => {
        response.setHeader('content-type', 'application/x-amz-json-1.0');
        response.end(JSON.stringify(answers[target.split('.')[1] ?? '']));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const answers: Record<string, object> = {
      DescribeTable: { Table: { LatestStreamArn: streamArn, StreamSpecification: { StreamEnabled: true } } },
      DescribeStream: { StreamDescription: { StreamStatus: 'ENABLED', Shards: [{ ShardId: shardId }] } },
      GetShardIterator: { ShardIterator: 'i' },
      GetRecords: {
        Records: [
          {
            eventName: 'INSERT',
            dynamodb: { SequenceNumber: '1', ApproximateCreationDateTime: 1.5, Keys: { ['__proto__']: { B: 'AQID' } } },
          },
        ],
      },
    };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const set = {
      AWS_ENDPOINT_URL: url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    };
    const before = { ...process.env };
    Object.assign(process.env, set);
    const clock = { now: () => performance.now(), wallNow: () => Date.now() };
    const timers = {
      after: (ms: number, callback: () => void) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    };
    const source = dynamodbStream({ tableName: 'orders' }).open({ clock, timers, random: { next: () => 0 } });
    try {
      expect((await source.describe(never)).streamArn).to.equal(streamArn);
      const reader = source.open(shardId, { type: 'trimHorizon' }, () => undefined);
      const result = await reader.read(never);
      const [raw] = result.type === 'records' ? result.records : [];
      expect(raw?.partitionKey).to.equal('{"__proto__":{"B":"AQID"}}');
      expect(raw?.arrivedAt).to.equal(1_500);
      reader.close();
      expect(targets.slice(0, 2)).to.deep.equal([
        'DynamoDB_20120810.DescribeTable',
        'DynamoDBStreams_20120810.DescribeStream',
      ]);
    } finally {
      source.close();
      for (const name of Object.keys(set)) delete process.env[name];
      Object.assign(process.env, before);
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
