// Whole consumers with enhanced fan-out, over HTTP/2 and HTTP/1.1 of the scripted server and over kinesis-local: nothing is lost, nothing
// repeated, and nothing stays subscribed.
import { expect } from 'chai';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { http2Handler, type RequestHandler } from '../../src/aws/kinesis/fan-out/http2-handler.js';
import { isKinactError } from '../../src/api/errors.js';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually, textOf, type Harness, type Watched } from '../support/consumer-harness.js';
import { startKinesisLocal } from '../support/kinesis-local.js';
import { countedTimers } from '../support/polling-harness.js';

const timers = countedTimers({
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
});
const shardOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;
const texts = (...all: Watched[]): string[] => all.flatMap(({ seen }) => seen.map(textOf));
const ways = ({ consumer }: Watched): string[] => consumer.status().shards.map(({ retrieval }) => retrieval.by);

describe('a consumer with enhanced fan-out', function () {
  this.timeout(60_000);
  let local: LocalServers;
  let server: ScriptedServer;
  let harness: Harness;
  let http2: RequestHandler;
  let subscriptionClient: KinesisClient;
  let runs = 0;
  let put: string[] = [];

  before(async () => {
    local = await startLocalServers();
  });
  after(() => local.stop());
  beforeEach(() => {
    runs += 1;
    put = [];
  });
  const begin = async (shards: number, kinesis: object = {}): Promise<void> => {
    server = await scriptedServer({ kinesis });
    server.kinesis.createStream('orders', shards);
    harness = consumerHarness({ kinesis: server.url, dynamodb: local.dynamodb });
    http2 = http2Handler(timers);
    subscriptionClient = new KinesisClient({ ...server.clientConfig, requestHandler: http2, maxAttempts: 1 });
  };
  afterEach(async () => {
    await harness.close();
    expect(server.kinesis.subscriptions).to.deep.equal([]);
    subscriptionClient.destroy();
    await server.stop();
    expect(timers.pending).to.equal(0);
  });

  const start = async (more: Parameters<Harness['consumer']>[1] = {}): Promise<Watched> => {
    const made = harness.consumer('orders', {
      application: `fan-out-${runs}`,
      ...more,
      stream: { retrieval: 'fan-out', subscriptionClient, ...more.stream },
    });
    await made.consumer.start();
    return made;
  };
  const putSome = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const data = `${put.length}`;
      put.push(data);
      server.kinesis.put('orders', { partitionKey: `key ${data}`, data });
    }
  };
  const allBy = (watchedOnes: Watched[], shards: number): Promise<true> =>
    eventually(
      'all shards are subscribed to',
      () =>
        watchedOnes.flatMap(ways).length === shards &&
        watchedOnes.flatMap(ways).every((by) => by === 'fan-out') &&
        server.kinesis.subscriptions.length === shards,
      30_000,
      () => watchedOnes.map(ways),
    );
  const once = (...all: Watched[]): Promise<unknown> =>
    eventually(
      'every record is delivered',
      () => texts(...all).length >= put.length,
      30_000,
      () => texts(...all).length,
    ).then(() => expect(texts(...all).sort()).to.deep.equal([...put].sort()));

  it('delivers every record once, registers its consumer under the name of the application, and frees its subscriptions', async () => {
    await begin(3);
    putSome(100);
    const only = await start();
    await allBy([only], 3);
    const polls = server.count('GetRecords');
    for (let round = 0; round < 20; round += 1) {
      putSome(10);
      await once(only);
    }
    expect(server.count('GetRecords')).to.equal(polls);
    const [registered] = server.calls('RegisterStreamConsumer');
    expect(registered!.input).to.include({ ConsumerName: `fan-out-${runs}` });
    expect(only.consumer.status().counters).to.include({ subscriptionsBegun: 3 });
    const report = await only.consumer.stop();
    expect(report.drained).to.equal(true);
    await eventually('the subscriptions are free', () => server.kinesis.subscriptions.length === 0);
    expect(server.count('DeregisterStreamConsumer')).to.equal(0);
  });

  it('subscribes with a client that kinact makes, by HTTP/1.1 to a server without TLS', async () => {
    const names = ['AWS_ENDPOINT_URL_KINESIS', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
    const before = names.map((name) => process.env[name]);
    await begin(2);
    names.forEach((name, index) => (process.env[name] = [server.url, 'us-east-1', 'local', 'local'][index]));
    try {
      const only = await start({ stream: { client: undefined, subscriptionClient: undefined } });
      await allBy([only], 2);
      putSome(50);
      await once(only);
      await only.consumer.stop();
    } finally {
      names.forEach((name, index) => {
        if (before[index] === undefined) delete process.env[name];
        else process.env[name] = before[index];
      });
    }
  });

  it('neither loses nor repeats a record while every subscription ends after a second', async () => {
    await begin(2, { subscriptionMs: 1_200 });
    const only = await start();
    for (let round = 0; round < 60; round += 1) {
      putSome(5);
      await new Promise((resolve) => setImmediate(resolve));
      await once(only);
    }
    await eventually(
      'subscriptions have been renewed',
      () => (only.consumer.status().counters['subscriptionsRenewed'] ?? 0) >= 4,
    );
    putSome(5);
    await once(only);
  });

  it('reads children after their parents, however often the stream is split and merged', async () => {
    await begin(1);
    const only = await start();
    await allBy([only], 1);
    putSome(20);
    const children = server.kinesis.split('orders', shardOf(0));
    putSome(20);
    await allBy([only], 2);
    await once(only);
    const merged = server.kinesis.merge('orders', ...children);
    putSome(20);
    await eventually('the merged shard is read', () =>
      only.consumer.status().shards.some(({ shardId }) => shardId === merged),
    );
    await allBy([only], 1);
    await once(only);
    expect(
      only
        .heard('shardEnded')
        .map(({ shardId }) => shardId)
        .sort(),
    ).to.deep.equal([shardOf(0), ...children].sort());
    const order = only.seen.map(({ shardId }) => shardId);
    expect(order.lastIndexOf(shardOf(0))).to.be.lessThan(Math.min(...children.map((id) => order.indexOf(id))));
  });

  it('hands shards over to a second worker and back without a repeat', async () => {
    await begin(4);
    const first = await start({ workerId: 'first' });
    await allBy([first], 4);
    putSome(40);
    const second = await start({ workerId: 'second' });
    await eventually('two shards are handed over', () => {
      putSome(2);
      return second.consumer.status().shards.length === 2;
    });
    await allBy([first, second], 4);
    putSome(40);
    await once(first, second);
    await first.consumer.stop();
    await allBy([second], 4);
    putSome(40);
    await once(first, second);
  });

  it('polls a shard whose subscription another process takes over, and returns', async () => {
    await begin(1, { takeOverAfterMs: 0 });
    const only = await start({ leases: { failoverMs: 3_000 } });
    await allBy([only], 1);
    putSome(5);
    await once(only);
    const [{ input }] = server.calls('SubscribeToShard') as unknown as [{ input: Record<string, unknown> }];
    await eventually('a second call is accepted', () => {
      try {
        return server.kinesis.subscribe({ ...input, StartingPosition: { Type: 'LATEST' } });
      } catch {
        return undefined;
      }
    });
    await eventually('it is taken over', () => only.heard('retrievalChanged').some(({ why }) => why === 'takenOver'));
    putSome(5);
    await once(only);
    await allBy([only], 1);
    putSome(5);
    await once(only);
  });

  for (const fault of [
    { fault: 'error', code: 'InternalFailureException' },
    { fault: 'error', code: 'KMSThrottlingException' },
    { fault: 'cut' },
    { fault: 'garble' },
    { fault: 'end' },
    { fault: 'goAway' },
    { fault: 'goAway', code: 2 },
  ] as const) {
    it(`neither loses nor repeats a record when subscriptions break (${Object.values(fault).join(' ')})`, async () => {
      await begin(2, { takeOverAfterMs: 0 });
      const only = await start();
      for (let round = 0; round < 2; round += 1) {
        await allBy([only], 2);
        putSome(20);
        server.breakSubscriptions(fault);
        putSome(20);
        await once(only);
      }
      expect(only.heard('pipelineRestarted')).to.deep.equal([]);
    });
  }

  it('does not start if its consumer cannot be had, and says what to grant; with auto it polls, and returns by itself', async () => {
    await begin(1);
    const answer = { type: 'error', code: 'AccessDeniedException' } as const;
    server.respond('DescribeStreamConsumer', Infinity, answer);
    const refused: unknown = await start().catch((error: unknown) => error);
    expect(isKinactError(refused) && refused.code).to.equal('FAN_OUT_UNAVAILABLE');
    expect((refused as Error).message).to.contain('kinesis:DescribeStreamConsumer');

    const auto = await start({ application: `auto-${runs}`, stream: { retrieval: 'auto' } });
    putSome(10);
    await once(auto);
    expect(auto.heard('retrievalChanged')[0]).to.include({ by: 'polling', why: 'noConsumer' });
    expect(auto.consumer.status().shards[0]!.retrieval).to.include({ by: 'polling', why: 'noConsumer' });
    expect(server.count('SubscribeToShard')).to.equal(0);
  });
});

describe('a consumer with enhanced fan-out on kinesis-local', function () {
  this.timeout(60_000);

  it('delivers every record once over HTTP/1.1 and HTTP/2, and frees its subscriptions when it stops', async () => {
    const servers = await startLocalServers();
    const kinesis = await startKinesisLocal({ streams: 'orders:2' });
    const harness = consumerHarness({ kinesis: kinesis.kinesis, dynamodb: servers.dynamodb });
    // It sends no GOAWAY while it is used, and kinesis-local takes none.
    const subscriptionClient = new KinesisClient({ ...kinesis.clientConfig, requestHandler: http2Handler(timers) });
    try {
      await eventually('the stream is there', () =>
        harness.kinesis
          .send(
            new PutRecordsCommand({ StreamName: 'orders', Records: [{ PartitionKey: 'a', Data: Buffer.from('0') }] }),
          )
          .then(
            () => true,
            () => false,
          ),
      );
      const put = ['0'];
      for (let times = 0; times < 2; times += 1) {
        const only = harness.consumer('orders', {
          application: 'on-kinesis-local',
          stream: { retrieval: 'fan-out', ...(times === 0 ? {} : { subscriptionClient }) },
        });
        await only.consumer.start();
        await eventually(
          'both shards are subscribed to',
          () => ways(only).join() === 'fan-out,fan-out',
          30_000,
          () => only.consumer.status().shards.map(({ retrieval }) => retrieval),
        );
        const more = Array.from({ length: 50 }, (_, index) => `${times} ${index}`);
        const Records = more.map((text) => ({ PartitionKey: text, Data: Buffer.from(text) }));
        await harness.kinesis.send(new PutRecordsCommand({ StreamName: 'orders', Records }));
        put.push(...more);
        const expected = times === 0 ? put : more;
        await eventually('all are delivered', () => texts(only).length >= expected.length);
        expect(texts(only).sort()).to.deep.equal([...expected].sort());
        expect((await only.consumer.stop()).drained).to.equal(true);
      }
    } finally {
      await harness.close();
      subscriptionClient.destroy();
      await kinesis.stop();
      await servers.stop();
    }
  });
});
