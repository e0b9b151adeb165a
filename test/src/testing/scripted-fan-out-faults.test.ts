// How a subscription of the scripted server breaks, as the client sees it: within the stream, on the connection, before the headers.
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { expect } from 'chai';
import { KinesisClient, SubscribeToShardCommand, type SubscribeToShardEventStream } from '@aws-sdk/client-kinesis';
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';

const shardId = (number: number): string => `shardId-${String(number).padStart(12, '0')}`;
const turn = (): Promise<void> => new Promise(setImmediate);

describe('a subscription of the scripted server breaks', function () {
  this.timeout(30_000);
  let server: ScriptedServer;
  let ConsumerARN: string;
  const ends: (() => void)[] = [];
  beforeEach(async () => {
    server = await scriptedServer({ kinesis: { heartbeatMs: 60_000 }, maxConcurrentStreams: 3 });
    const { arn } = server.kinesis.createStream('orders', 4);
    const registered = server.kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' });
    ConsumerARN = (registered as { Consumer: { ConsumerARN: string } }).Consumer.ConsumerARN;
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) end();
    await server.stop();
  });
  const put = (data: string, shard = 0) =>
    server.kinesis.put('orders', { shardId: shardId(shard), partitionKey: 'a', data });
  const clientOf = (requestHandler: NodeHttpHandler | NodeHttp2Handler): KinesisClient => {
    const { region, endpoint, credentials } = server.clientConfig;
    const client = new KinesisClient({ region, endpoint, credentials, maxAttempts: 1, requestHandler });
    ends.push(() => client.destroy());
    return client;
  };
  const inputOf = (shard: number) => ({
    ConsumerARN,
    ShardId: shardId(shard),
    StartingPosition: { Type: 'TRIM_HORIZON' as const },
  });
  const subscribe = async (client: KinesisClient, shard = 0) => {
    const leave = new AbortController();
    ends.unshift(() => leave.abort());
    const command = new SubscribeToShardCommand(inputOf(shard));
    const { EventStream } = await client.send(command, { abortSignal: leave.signal });
    const events = EventStream![Symbol.asyncIterator]();
    const next = async (): Promise<string[] | 'end' | Error> => {
      const { value, done } = await events.next().catch((error: Error) => ({ done: false, value: error }));
      if (done === true) return 'end';
      if (value instanceof Error) return value;
      const { SubscribeToShardEvent: sent, ...error } = value as SubscribeToShardEventStream;
      if (sent === undefined) return Object.values(error)[0] as Error;
      return sent.Records!.map((one) => Buffer.from(one.Data!).toString());
    };
    return { next, leave: () => leave.abort() };
  };

  for (const [name, handler] of Object.entries({
    'HTTP/1.1': () => new NodeHttpHandler(),
    'HTTP/2': () => new NodeHttp2Handler(),
  }))
    describe(`over ${name}`, () => {
      let client: KinesisClient;
      beforeEach(() => (client = clientOf(handler())));

      for (const code of [
        'InternalFailureException',
        'KMSAccessDeniedException',
        'KMSDisabledException',
        'KMSInvalidStateException',
        'KMSNotFoundException',
        'KMSOptInRequired',
        'KMSThrottlingException',
        'ResourceInUseException',
        'ResourceNotFoundException',
      ])
        it(`with ${code} within the stream, after the events before it`, async () => {
          server.respond('SubscribeToShard', 1, {
            type: 'breakSubscription',
            fault: { fault: 'error', code, message: 'no key' },
            afterEvents: 1,
          });
          put('one');
          const { next } = await subscribe(client);
          expect(await next()).to.deep.equal(['one']);
          expect(await next()).to.include({ name: code, message: 'no key' });
          expect(server.kinesis.subscriptions).to.deep.equal([]);
          server.kinesis.advance(1_000);
          await subscribe(client); // not refused, though five seconds have not passed
        });

      it('by its end, before its time', async () => {
        const { next } = await subscribe(client);
        expect(server.breakSubscriptions({ fault: 'end' })).to.equal(1);
        expect(await next()).to.equal('end');
      });

      it('by sending nothing more, and stays open until its client leaves', async () => {
        const stalled = await subscribe(client, 0);
        const other = await subscribe(client, 1);
        const broken = server.breakSubscriptions({ fault: 'stall' }, (one) => one.shardId === shardId(0));
        expect(broken).to.equal(1);
        await turn();
        let hasCome: unknown;
        stalled.next().then(
          (come) => (hasCome = come),
          () => undefined,
        );
        put('lost on the way');
        for (const data of ['some', 'others', 'come']) {
          put(data, 1);
          expect(await other.next()).to.deep.equal([data]);
        }
        server.kinesis.advance(60_000);
        expect(await other.next(), 'a heartbeat').to.deep.equal([]);
        expect(hasCome).to.equal(undefined);
        expect(server.kinesis.subscriptions).to.have.length(2);
        stalled.leave();
        while (server.kinesis.subscriptions.length > 1) await turn();
      });

      it('in the middle of a frame: what came before is whole, then the connection is lost', async () => {
        server.respond('SubscribeToShard', 1, { type: 'breakSubscription', fault: { fault: 'cut' }, afterEvents: 1 });
        put('one');
        const { next } = await subscribe(client);
        expect(await next()).to.deep.equal(['one']);
        const thrown = await next();
        expect(thrown).to.be.an.instanceOf(Error);
        expect((thrown as Error).message).to.not.match(/checksum/);
      });

      it('by a frame with a wrong checksum', async () => {
        put('one');
        server.respond('SubscribeToShard', 1, { type: 'breakSubscription', fault: { fault: 'garble' } });
        const { next } = await subscribe(client);
        expect(await next())
          .to.be.an.instanceOf(Error)
          .and.to.have.property('message')
          .that.matches(/checksum/);
      });

      it('before the headers: the call is not answered, and nothing is held', async () => {
        const script = server.respond('SubscribeToShard', 1, { type: 'hang' });
        let isAnswered = false;
        subscribe(client).then(
          () => (isAnswered = true),
          () => undefined,
        );
        await server.called('SubscribeToShard', 1);
        await (await subscribe(client, 1)).leave();
        expect(isAnswered).to.equal(false);
        expect(script.remaining).to.equal(0);
        expect(server.kinesis.subscriptions.map((one) => one.shardId)).to.not.include(shardId(0));
      });

      it('after its reply was lost: the service holds it, and refuses the next call', async () => {
        server.respond('SubscribeToShard', 1, { type: 'dropReply' });
        expect(await subscribe(client).catch((error: Error) => error)).to.be.an.instanceOf(Error);
        server.kinesis.advance(1_000);
        const refused = await subscribe(client).catch((error: Error) => error);
        expect(refused).to.include({ name: 'ResourceInUseException' });
      });
    });

  describe('on one HTTP/2 connection', () => {
    let session: ClientHttp2Session;
    beforeEach(async () => {
      session = connect(server.url);
      session.on('error', () => undefined);
      ends.push(() => session.destroy());
      await once(session, 'remoteSettings');
    });
    const request = (operation: string, input: object): ClientHttp2Stream => {
      const target = `Kinesis_20131202.${operation}`;
      const stream = session.request({ ':method': 'POST', ':path': '/', 'x-amz-target': target });
      stream.on('error', () => undefined);
      stream.end(JSON.stringify(input));
      return stream;
    };
    /** Resolves with the bytes of one frame: these are small, and each comes in one piece. */
    const frame = async (stream: ClientHttp2Stream): Promise<string> => String((await once(stream, 'data'))[0]);

    it('does not answer more requests at a time than its settings say, until one has ended', async () => {
      expect(session.remoteSettings.maxConcurrentStreams).to.equal(3);
      const open = [0, 1, 2].map((shard) => request('SubscribeToShard', inputOf(shard)));
      await Promise.all(open.map((stream) => once(stream, 'response')));
      const next = request('SubscribeToShard', inputOf(3));
      let isAnswered = false;
      next.once('response', () => (isAnswered = true));
      await new Promise((resolve) => session.ping(resolve)); // the server answers in order
      expect(isAnswered).to.equal(false);
      expect(server.count('SubscribeToShard')).to.equal(3);
      const answered = once(next, 'response');
      open[0]!.close();
      await answered;
    });

    it('silently: no request of it is answered, no ping, and no end comes; other connections go on', async () => {
      const stream = request('SubscribeToShard', inputOf(0));
      await frame(stream);
      let heard = 0;
      const beside = request('SubscribeToShard', inputOf(2));
      await frame(beside);
      for (const one of [stream, beside, session]) one.once('close', () => (heard += 1));
      for (const one of [stream, beside]) one.on('data', () => (heard += 1));
      server.breakSubscriptions({ fault: 'halfOpen' }, (one) => one.shardId === shardId(0));
      await turn();
      put('one');
      put('three', 2);
      const other = request('ListStreams', {});
      other.once('response', () => (heard += 1));
      session.ping(() => (heard += 1));

      const elsewhere = await subscribe(clientOf(new NodeHttp2Handler()), 1);
      put('two', 1);
      expect(await elsewhere.next()).to.deep.equal(['two']);
      expect(heard).to.equal(0);
      expect(server.count('ListStreams')).to.equal(0);
      expect(server.kinesis.subscriptions.map((one) => one.shardId)).to.include(shardId(0));
    });

    it('by GOAWAY without an error: the stream goes on, and the connection takes no more', async () => {
      const stream = request('SubscribeToShard', inputOf(0));
      await frame(stream);
      const told = once(session, 'goaway');
      server.breakSubscriptions({ fault: 'goAway' });
      expect((await told)[0]).to.equal(0);
      const waiting = frame(stream);
      put('one');
      expect(await waiting).to.include(Buffer.from('one').toString('base64'));
      expect(() => request('ListStreams', {})).to.throw(/GOAWAY|closed/i);
    });

    it('by GOAWAY with an error: all its streams end', async () => {
      const streams = [request('SubscribeToShard', inputOf(0)), request('SubscribeToShard', inputOf(1))];
      await Promise.all(streams.map(frame));
      const closes = [...streams, session].map((one) => new Promise<void>((resolve) => one.once('close', resolve)));
      server.breakSubscriptions({ fault: 'goAway', code: 11 }, (one) => one.shardId === shardId(0));
      await Promise.all(closes);
      while (server.kinesis.subscriptions.length > 0) await turn();
    });
  });

  it('only in ways that exist', () => {
    expect(() => server.breakSubscriptions({ fault: 'explode' } as never)).to.throw('fault.fault');
    const answer = { type: 'breakSubscription', fault: { fault: 'explode' } } as never;
    expect(() => server.respond('SubscribeToShard', 1, answer)).to.throw('answer.fault.fault');
    const end = { type: 'breakSubscription', fault: { fault: 'end' } } as const;
    expect(() => server.respond('GetRecords', 1, end)).to.throw(
      "answer.type: expected an answer that fits the operation, got 'breakSubscription', which is for SubscribeToShard only",
    );
    const omit = { type: 'omit', members: ['EventStream'] } as const;
    expect(() => server.respond('kinesis:SubscribeToShard', 1, omit)).to.throw('answer.type');
  });
});
