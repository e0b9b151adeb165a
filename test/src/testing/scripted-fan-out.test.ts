// SubscribeToShard of the scripted server as the SDK sees it, over HTTP/1.1 and HTTP/2, with each handler of the SDK; and HTTP/2 for
// every other call.
import { once } from 'node:events';
import { expect } from 'chai';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListStreamsCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  SubscribeToShardCommand,
  type StartingPosition,
  type SubscribeToShardEvent,
  type SubscribeToShardEventStream,
} from '@aws-sdk/client-kinesis';
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler';
import { startLocalServers } from '../../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';

const first = 'shardId-000000000000';

const handlers = {
  'HTTP/1.1': () => ({ requestHandler: new NodeHttpHandler() }),
  'one HTTP/2 connection': () => ({ requestHandler: new NodeHttp2Handler({ disableConcurrentStreams: false }) }),
  'the default of the SDK': () => ({}),
};

describe('the scripted server over each handler of the SDK', function () {
  this.timeout(30_000);
  let server: ScriptedServer;
  let ConsumerARN: string;
  let client: KinesisClient;
  const leaving = new Set<AbortController>();
  beforeEach(async () => {
    server = await scriptedServer({ kinesis: { heartbeatMs: 60_000 } });
    const { arn } = server.kinesis.createStream('orders');
    const registered = server.kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' });
    ConsumerARN = (registered as { Consumer: { ConsumerARN: string } }).Consumer.ConsumerARN;
  });
  afterEach(async () => {
    for (const one of leaving) one.abort();
    client.destroy();
    await server.stop();
  });

  const connect = (handler: object): KinesisClient => {
    const { region, endpoint, credentials } = server.clientConfig;
    return (client = new KinesisClient({ region, endpoint, credentials, maxAttempts: 1, ...handler }));
  };

  const subscribe = async (position: StartingPosition = { Type: 'TRIM_HORIZON' }, shardId = first) => {
    const leave = new AbortController();
    leaving.add(leave);
    const command = new SubscribeToShardCommand({ ConsumerARN, ShardId: shardId, StartingPosition: position });
    const answer = await client.send(command, { abortSignal: leave.signal });
    const events = answer.EventStream![Symbol.asyncIterator]();
    return { events, leave: () => leave.abort() };
  };
  type Events = AsyncIterator<SubscribeToShardEventStream>;
  const next = async (events: Events): Promise<SubscribeToShardEvent> => {
    const { value, done } = await events.next();
    if (done === true) throw new Error('the stream has ended');
    return (value as SubscribeToShardEventStream).SubscribeToShardEvent!;
  };
  const data = ({ Records }: SubscribeToShardEvent): string[] =>
    Records!.map((one) => Buffer.from(one.Data!).toString());

  for (const [name, handler] of Object.entries(handlers))
    describe(name, () => {
      beforeEach(() => connect(handler()));

      it('sends records as they are put, with times, continuation and lag', async () => {
        const put = server.kinesis.put('orders', { partitionKey: 'customer 1', data: 'socks' });
        const { events } = await subscribe();
        const sent = await next(events);
        expect(data(sent)).to.deep.equal(['socks']);
        expect(sent.Records![0]).to.include({ PartitionKey: 'customer 1', SequenceNumber: put.sequenceNumber });
        expect(sent.Records![0]!.ApproximateArrivalTimestamp).to.be.an.instanceOf(Date);
        expect(sent.MillisBehindLatest).to.equal(0);
        expect(sent.ContinuationSequenceNumber).to.match(/^\d{56}$/);

        const waiting = next(events);
        server.kinesis.put('orders', { partitionKey: 'a', data: 'shoes' });
        expect(data(await waiting)).to.deep.equal(['shoes']);
      });

      it('sends a heartbeat when the clock of the server says so, and ends when the time is over', async () => {
        const { events } = await subscribe({ Type: 'LATEST' });
        const waiting = next(events);
        server.kinesis.advance(60_000);
        expect((await waiting).Records).to.deep.equal([]);
        server.kinesis.advance(240_000);
        expect(await events.next()).to.deep.include({ done: true });
        expect(server.kinesis.subscriptions).to.deep.equal([]);
      });

      it('names the children at the end of the shard, and then ends', async () => {
        const { events } = await subscribe();
        server.kinesis.put('orders', { partitionKey: 'a', data: 'last' });
        const children = server.kinesis.split('orders', first);
        const sent = await next(events);
        expect(data(sent)).to.deep.equal(['last']);
        expect(sent.ChildShards!.map((child) => child.ShardId)).to.deep.equal(children);
        expect(sent.ContinuationSequenceNumber).to.equal(undefined);
        expect(await events.next()).to.deep.include({ done: true });
      });

      it('refuses a second call, and after five seconds ends the older one with ResourceInUseException', async () => {
        const older = await subscribe();
        server.kinesis.advance(1_000);
        const refused = await subscribe().catch((error: Error) => error.name);
        expect(refused).to.equal('ResourceInUseException');
        server.kinesis.advance(4_000);
        const younger = await subscribe();
        const thrown = await older.events.next().then(
          ({ value }) => (value as SubscribeToShardEventStream).ResourceInUseException,
          (error: Error) => error,
        );
        expect(thrown).to.include({ name: 'ResourceInUseException' });
        server.kinesis.put('orders', { partitionKey: 'a', data: 'mine' });
        expect(data(await next(younger.events))).to.deep.equal(['mine']);
      });

      it('is free on the server when its client aborts it', async () => {
        const { events, leave } = await subscribe();
        server.kinesis.put('orders', { partitionKey: 'a', data: 'a' });
        await next(events);
        expect(server.kinesis.subscriptions).to.have.length(1);
        leave();
        await events.next().catch(() => undefined);
        while (server.kinesis.subscriptions.length > 0) await new Promise(setImmediate);
      });

      it('answers every other call, too, errors included', async () => {
        expect((await client.send(new ListStreamsCommand({}))).StreamNames).to.deep.equal(['orders']);
        const StreamARN = server.kinesis.stream('orders').arn;
        await client.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: 'other' }));
        const Records = Array.from({ length: 300 }, (_, index) => ({
          PartitionKey: String(index),
          Data: Buffer.alloc(5_000, index),
        }));
        await client.send(new PutRecordsCommand({ StreamName: 'orders', Records }));
        const from = { StreamName: 'orders', ShardId: first, ShardIteratorType: 'TRIM_HORIZON' as const };
        const { ShardIterator } = await client.send(new GetShardIteratorCommand(from));
        const read = await client.send(new GetRecordsCommand({ ShardIterator: ShardIterator! }));
        expect(read.Records!.map((one) => Buffer.from(one.Data!))).to.deep.equal(Records.map((one) => one.Data));

        server.respond('DescribeStreamSummary', 1, { type: 'fault', action: 'aws:fis:inject-api-throttle-error' });
        const summary = new DescribeStreamSummaryCommand({ StreamName: 'orders' });
        const thrown = await client.send(summary).catch((error: Error) => error);
        expect(thrown).to.include({ name: 'ThrottlingException' });
        expect(server.log.at(-1)!.connection).to.be.above(0);

        server.respond('DescribeStreamSummary', 1, { type: 'reset' });
        expect(await client.send(summary).catch((error: Error) => error)).to.be.an.instanceOf(Error);
        expect((await client.send(summary)).StreamDescriptionSummary).to.include({ StreamName: 'orders' });
      });
    });

  it('passes calls of HTTP/2 on to the server behind the proxy', async () => {
    const servers = await startLocalServers();
    const proxied = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    const { region, endpoint, credentials } = proxied.clientConfig;
    const dynamodb = new DynamoDBClient({ region, endpoint, credentials, requestHandler: new NodeHttp2Handler() });
    client = connect({});
    try {
      expect((await dynamodb.send(new ListTablesCommand({}))).TableNames).to.deep.equal([]);
    } finally {
      dynamodb.destroy();
      await proxied.stop();
      await servers.stop();
    }
  });

  it('takes a preface of HTTP/2 that comes in pieces, and refuses what is neither protocol', async () => {
    const { connect: dial } = await import('node:net');
    client = connect({});
    const port = Number(new URL(server.url).port);
    const socket = dial(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (const piece of [preface.slice(0, 2), preface.slice(2, 9), preface.slice(9)]) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await new Promise(setImmediate);
    }
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])); // SETTINGS without a setting
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer[3], 'the type of the first frame: SETTINGS').to.equal(4);
    socket.destroy();

    const other = dial(port, '127.0.0.1');
    other.write('PRIVATE\r\n\r\n');
    const [refusal] = (await once(other, 'data')) as [Buffer];
    expect(refusal.toString()).to.include('400 Bad Request');
    other.destroy();
  });
});
