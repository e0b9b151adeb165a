// A polled stream survives every network fault without losing or repeating a record, and keeps the read limit of a shard.
// The tests send real HTTP to a scripted server.
import { expect } from 'chai';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { isKinactError, type KinactError } from '../../../../src/api/errors.js';
import type { RawRecord, ShardReader, SourceNotice, StreamSource } from '../../../../src/api/ports.js';
import { installFastGetRecords } from '../../../../src/aws/kinesis/get-records-answer.js';
import { kinesisSource, type KinesisSourceOptions } from '../../../../src/aws/kinesis/kinesis-source.js';
import { scriptedServer, type ScriptedServer } from '../../../../src/testing/scripted-server/scripted-server.js';
import { countedTimers } from '../../../support/polling-harness.js';

const stream = 'orders';
const shardId = 'shardId-000000000000';
const arn = `arn:aws:kinesis:us-east-1:123456789012:stream/${stream}`;
const never = new AbortController().signal;
const clock = { now: () => performance.now(), wallNow: () => Date.now() };
const timers = countedTimers({
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
});
/** Retries come after the shortest wait. */
const deps = { clock, timers, random: { next: () => 0 } };

describe('a polled stream over HTTP', () => {
  let server: ScriptedServer;
  let source: StreamSource;
  const environment = {
    AWS_ENDPOINT_URL_KINESIS: '',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
  const before = { ...process.env };
  const made: StreamSource[] = [];
  const ours = (options: Partial<KinesisSourceOptions> = {}): StreamSource => {
    const one = kinesisSource({ streamName: stream, idleMs: 0, requestTimeoutMs: 300, ...options }, deps);
    made.push(one);
    return one;
  };

  beforeEach(async () => {
    server = await scriptedServer();
    server.kinesis.createStream(stream);
    Object.assign(process.env, environment, { AWS_ENDPOINT_URL_KINESIS: server.url });
    source = ours();
  });
  afterEach(async () => {
    for (const one of made.splice(0)) one.close();
    await new Promise((resolve) => setImmediate(resolve));
    for (const name of Object.keys(environment)) delete process.env[name];
    Object.assign(process.env, before);
    await server.stop();
    expect(timers.pending).to.equal(0);
  });

  const open = (from = source, notices: SourceNotice[] = []): ShardReader =>
    from.open(shardId, { type: 'trimHorizon' }, (notice) => notices.push(notice));
  const readAll = async (reader: ShardReader, count: number): Promise<RawRecord[]> => {
    const records: RawRecord[] = [];
    while (records.length < count) {
      const result = await reader.read(never);
      if (result.type !== 'records') throw new Error('the shard ended');
      records.push(...result.records);
    }
    return records;
  };
  const code = async (work: Promise<unknown>): Promise<KinactError> => {
    const error: unknown = await work.then(
      () => new Error('expected a failure'),
      (thrown: unknown) => thrown,
    );
    if (!isKinactError(error)) throw error;
    return error;
  };

  it('reads over one connection, and closes the connection with the source', async () => {
    server.kinesis.put(stream, { partitionKey: 'a', data: 'a' });
    const reader = open();
    for (let read = 0; read < 4; read += 1) await reader.read(never);
    expect(new Set(server.log.map((call) => call.connection)).size).to.equal(1);
    expect(server.connections).to.equal(1);
    source.close();
    while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await code(reader.read(never))).to.have.property('code', 'STOPPED');
  });

  it('reads the same records by its fast path as through a client of the user', async () => {
    const from = Date.now();
    for (let index = 0; index < 20; index += 1) {
      server.kinesis.put(stream, { partitionKey: `ключ-${index}-é`, data: Buffer.alloc(index * 7, index * 31) });
    }
    // True if this SDK accepts the fast path. A client without a protocol does not, and keeps its own path.
    expect(installFastGetRecords(new KinesisClient(server.clientConfig))).to.equal(true);
    expect(installFastGetRecords({ config: {} } as KinesisClient)).to.equal(false);
    const client = new KinesisClient({ ...server.clientConfig });
    const stock = ours({ client });
    const [fast, slow] = [await readAll(open(), 20), await readAll(open(stock), 20)];
    const plain = (record: RawRecord): object => ({ ...record, data: Buffer.from(record.data).toString('hex') });
    expect(fast.map(plain)).to.deep.equal(slow.map(plain));
    expect(fast[3]!.arrivedAt).to.be.within(from, Date.now());
    expect(fast[3]!.partitionKey).to.equal('ключ-3-é');
  });

  it('survives every network fault without losing or repeating a record, and reports each fault', async () => {
    const faults = [
      { type: 'reset' },
      { type: 'hang' },
      { type: 'slowBody' },
      { type: 'dropReply' },
      { type: 'raw', body: '{"Records": [{"Data' },
      { type: 'raw', body: '{"Records": [{"SequenceNumber": "1", "PartitionKey": "a", "Data": 7}]}' },
      { type: 'raw', status: 503, body: '<html>unavailable</html>' },
      { type: 'error', code: 'InternalFailure', status: 500 },
      { type: 'error', code: 'ProvisionedThroughputExceededException' },
      { type: 'error', code: 'KMSThrottlingException' },
    ] as const;
    for (const fault of faults) server.respond('GetRecords', 1, fault);
    for (const fault of faults.slice(0, 2)) server.respond('GetShardIterator', 1, fault);
    const written = ['a', 'b', 'c'].map(
      (key) => server.kinesis.put(stream, { partitionKey: key, data: key }).sequenceNumber,
    );
    const notices: SourceNotice[] = [];
    const read = await readAll(open(source, notices), 3);
    expect(read.map((record) => record.sequenceNumber)).to.deep.equal(written);
    expect(server.calls('GetRecords').map((call) => call.answeredBy)).to.deep.equal([
      ...faults.map((fault) => fault.type),
      'default',
    ]);
    expect(notices.map((notice) => notice.type)).to.deep.equal([
      ...Array<string>(10).fill('retrying'),
      'throttled',
      'throttled',
    ]);
  });

  it('makes one attempt per call, even with a client that retries by itself', async () => {
    const client = new KinesisClient({ ...server.clientConfig, maxAttempts: 5 });
    const patient = ours({ client });
    server.respond('GetRecords', 3, { type: 'error', code: 'InternalFailure', status: 500 });
    server.kinesis.put(stream, { partitionKey: 'a', data: 'a' });
    const notices: SourceNotice[] = [];
    await readAll(open(patient, notices), 1);
    expect(notices).to.have.length(3);
    expect(server.count('GetRecords')).to.equal(4);
  });

  it('keeps the limit of five reads a second per shard, measured at the server', async () => {
    await using strict = await scriptedServer({ kinesis: { enforceReadLimits: true } });
    strict.kinesis.createStream(stream);
    for (let index = 0; index < 12; index += 1) strict.kinesis.put(stream, { partitionKey: `${index}`, data: 'x' });
    const limited = ours({ client: new KinesisClient(strict.clientConfig), maxRecords: 1 });
    const notices: SourceNotice[] = [];
    await readAll(open(limited, notices), 12);
    const at = strict.calls('GetRecords').map((call) => call.at);
    for (const [index, time] of at.entries()) {
      if (index >= 5) expect(time - at[index - 5]!).to.be.greaterThan(950);
    }
    expect(notices).to.deep.equal([]);
  });

  it('ends hanging calls with STOPPED when the source is closed', async () => {
    server.respond('GetRecords', 1, { type: 'hang' });
    const slow = ours({ requestTimeoutMs: 60_000 });
    const read = code(open(slow).read(never));
    await server.called('GetRecords', 1);
    slow.close();
    expect((await read).code).to.equal('STOPPED');
    while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('describes the stream, by DescribeStream if the server does not know DescribeStreamSummary', async () => {
    const description = await source.describe(never);
    expect(description).to.include({ streamName: stream, streamArn: arn, accountId: '123456789012' });
    expect(description.creationEpochSeconds).to.equal(Math.floor(server.kinesis.stream(stream).createdAt / 1_000));
    server.respond('DescribeStreamSummary', 1, { type: 'error', code: 'UnknownOperationException' });
    // DescribeStream does not report how large a record may be, and the two descriptions may be a second apart.
    const { maxRecordBytes: _size, describedAtMs: _at, ...same } = description;
    expect(await source.describe(never)).to.deep.include(same);
    expect(server.count('DescribeStream')).to.equal(1);
  });

  it('is refused, and not as a stream that is not found, if its client is one of DynamoDB', async () => {
    const client = new DynamoDBClient(server.clientConfig) as unknown as KinesisClient;
    const { code: refused, message, retryable } = await code(ours({ client }).describe(never));
    client.destroy();
    expect({ refused, retryable }).to.deep.equal({ refused: 'INVALID_OPTION', retryable: false });
    expect(message).to.contain('seems to be for another service');
  });

  it('lists all pages of shards with the time of the first page, and restarts when a token expires', async () => {
    await using paged = await scriptedServer({ kinesis: { pageSize: 2 } });
    paged.kinesis.createStream(stream, 5);
    const listing = ours({ client: new KinesisClient(paged.clientConfig) });
    paged.setDate(1_700_000_000_000);
    let page = 0;
    const later = (): boolean => {
      if (++page === 2) paged.setDate(1_700_000_100_000);
      return false;
    };
    paged.respond('ListShards', 1, { type: 'reset' }, later);
    const listed = await listing.listShards({ type: 'all' }, never);
    expect(listed.shards).to.have.length(5);
    expect(listed.serviceTimeMs).to.equal(1_700_000_000_000);
    expect(listed.shards[1]).to.deep.equal({
      shardId: 'shardId-000000000001',
      hashKeyRange: listed.shards[1]!.hashKeyRange,
      startingSequenceNumber: listed.shards[1]!.startingSequenceNumber,
    });
    const followUps = paged
      .calls('ListShards')
      .slice(1)
      .map((call) => Object.keys(call.input));
    expect(followUps).to.deep.equal([['NextToken'], ['NextToken']]);
    const expired = { type: 'error', code: 'ExpiredNextTokenException' } as const;
    paged.respond('ListShards', 1, expired, (input) => input['NextToken'] !== undefined);
    expect((await listing.listShards({ type: 'all' }, never)).shards).to.have.length(5);
    paged.respond('ListShards', Infinity, expired, (input) => input['NextToken'] !== undefined);
    expect((await code(listing.listShards({ type: 'all' }, never))).code).to.equal('AWS_ERROR');
  });

  it('lists filtered shards, even if the server ignores the filter', async () => {
    server.kinesis.advance(1_000);
    const [left, right] = server.kinesis.split(stream, shardId);
    const ids = async (filter: Parameters<StreamSource['listShards']>[0]): Promise<string[]> =>
      (await source.listShards(filter, never)).shards.map((shard) => shard.shardId);
    const everything = (await (await fetchAll()).json()) as object;
    for (const ignored of [false, true]) {
      if (ignored) server.respond('ListShards', Infinity, { type: 'json', body: everything });
      expect(await ids({ type: 'atLatest' })).to.deep.equal([left, right]);
      expect(await ids({ type: 'atTrimHorizon' })).to.deep.equal([shardId]);
      expect(await ids({ type: 'all' })).to.deep.equal([shardId, left, right]);
    }
    await source.listShards({ type: 'atTimestamp', timestampMs: 1_700_000_000_123 }, never);
    const asked = server.calls('ListShards').map((call) => (call.input['ShardFilter'] as object | undefined) ?? 'none');
    expect(asked.slice(1, 4)).to.deep.equal([{ Type: 'AT_LATEST' }, { Type: 'AT_TRIM_HORIZON' }, 'none']);
    expect(asked.at(-1)).to.deep.equal({ Type: 'AT_TIMESTAMP', Timestamp: 1_700_000_000.123 });
  });

  const fetchAll = (): Promise<Response> =>
    fetch(server.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'Kinesis_20131202.ListShards' },
      body: JSON.stringify({ StreamName: stream }),
    });

  it('sends stream name and ARN if an ARN is configured, and takes the region from the ARN', async () => {
    delete process.env['AWS_REGION'];
    const byArn = ours({ streamArn: arn, streamName: undefined } as unknown as KinesisSourceOptions);
    expect(byArn.name).to.equal(arn);
    await byArn.describe(never);
    server.kinesis.put(stream, { partitionKey: 'a', data: 'a' });
    await readAll(open(byArn), 1);
    expect(server.calls('DescribeStreamSummary')[0]!.input).to.deep.equal({ StreamName: stream, StreamARN: arn });
    expect(server.calls('GetShardIterator')[0]!.input).to.include({ StreamName: stream, StreamARN: arn });
    expect(server.calls('GetRecords')[0]!.input).to.include({ StreamARN: arn });
  });

  it('fails with WRONG_REGION, before any call, if the ARN contradicts the region option or the client', async () => {
    const option = ours({
      streamArn: arn,
      streamName: undefined,
      region: 'eu-west-1',
    } as unknown as KinesisSourceOptions);
    const client = new KinesisClient({ ...server.clientConfig, region: 'ap-south-1' });
    const users = ours({ streamArn: arn, streamName: undefined, client } as unknown as KinesisSourceOptions);
    for (const wrong of [option, users]) {
      expect((await code(wrong.describe(never))).code).to.equal('WRONG_REGION');
      expect((await code(wrong.listShards({ type: 'all' }, never))).message).to.contain('us-east-1');
    }
    expect(server.log).to.have.length(0);
  });

  it('ends a call in time if the region provider of the client hangs or fails', async () => {
    const providers = [() => new Promise<string>(() => {}), () => Promise.reject(new Error('Region is missing'))];
    const ended = providers.map(async (region) => {
      const client = new KinesisClient({ ...server.clientConfig, region });
      const users = ours({ streamArn: arn, streamName: undefined, client } as unknown as KinesisSourceOptions);
      return await code(users.describe(never));
    });
    const [silent, failed] = await Promise.all(ended);
    expect(silent).to.include({ code: 'AWS_ERROR', retryable: true });
    expect(failed?.message).to.include('region');
    const unasked = new KinesisClient({ ...server.clientConfig, region: () => new Promise<string>(() => {}) });
    const stopped = ours({
      streamArn: arn,
      streamName: undefined,
      client: unasked,
    } as unknown as KinesisSourceOptions);
    expect((await code(stopped.listShards({ type: 'all' }, AbortSignal.abort()))).code).to.equal('STOPPED');
  });

  it('reports STREAM_NOT_FOUND, ACCESS_DENIED and a retryable AWS_ERROR, after one attempt each', async () => {
    const missing = ours({ streamName: 'nowhere' });
    const error = await code(missing.describe(never));
    expect(error).to.include({ code: 'STREAM_NOT_FOUND', retryable: false });
    expect(error.data.stream).to.equal('nowhere');
    expect((await code(missing.listShards({ type: 'all' }, never))).code).to.equal('STREAM_NOT_FOUND');
    server.respond('ListShards', 1, { type: 'error', code: 'AccessDeniedException' });
    expect((await code(source.listShards({ type: 'all' }, never))).code).to.equal('ACCESS_DENIED');
    server.respond('ListShards', 1, { type: 'error', code: 'LimitExceededException' });
    expect(await code(source.listShards({ type: 'all' }, never))).to.include({ code: 'AWS_ERROR', retryable: true });
    const aborted = AbortSignal.abort();
    expect((await code(source.describe(aborted))).code).to.equal('STOPPED');
    expect(server.log).to.have.length(4);
  });

  it('refuses options with neither name nor ARN, with both, or with an ARN of no stream', () => {
    for (const options of [
      {},
      { streamName: '' },
      { streamName: stream, streamArn: arn },
      { streamArn: 'arn:aws:dynamodb:us-east-1:123456789012:table/orders' },
    ]) {
      expect(() => kinesisSource(options, deps))
        .to.throw()
        .with.property('code', 'INVALID_OPTION');
    }
  });

  it('unpacks a plain record into the record itself', () => {
    const record = { sequenceNumber: '1', partitionKey: 'a', data: Buffer.from('plain') };
    expect(source.unpack(record, undefined)).to.deep.equal({ records: [record], isDivisible: true });
  });

  it('gives up a call through a client with a broken transport within the request timeout', async () => {
    const deaf = new NodeHttpHandler({});
    deaf.handle = () => new Promise(() => undefined);
    const client = new KinesisClient({ ...server.clientConfig, requestHandler: deaf });
    const waiting = ours({ client, requestTimeoutMs: 50 });
    expect(await code(waiting.describe(never))).to.include({ code: 'AWS_ERROR', retryable: true });
  });
});
