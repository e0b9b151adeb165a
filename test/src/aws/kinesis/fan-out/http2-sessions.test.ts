// Subscriptions share HTTP/2 sessions within what the server allows, and none waits for ever on a session that is dead.
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { expect } from 'chai';
import { http2Handler, type RequestHandler } from '../../../../../src/aws/kinesis/fan-out/http2-handler.js';
import { ManualClock } from '../../../../../src/testing/manual-clock.js';
import { countedTimers } from '../../../../support/polling-harness.js';

type Request = Parameters<RequestHandler['handle']>[0];

interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: NodeJS.ReadableStream & { destroyed: boolean };
}

/** Resolves once the client has handled all that this session has sent before, and the answers to what it had sent itself. */
async function heardBy(session: ServerHttp2Session): Promise<void> {
  for (let times = 0; times < 2; times += 1) await new Promise((resolve) => session.ping(resolve));
}

interface Relay {
  readonly port: number;
  /** Writes to the clients until they have gone: one that has closed its socket answers with a reset. */
  readonly knock: () => void;
  readonly left: Promise<void>;
  readonly stall: () => void;
  readonly stop: () => Promise<unknown>;
}

function knock(socket: Socket): void {
  if (!socket.destroyed) socket.write('x', () => setImmediate(() => knock(socket)));
}

/** A line to the server that can go dead without an end: `stall`. If it is `deaf`, it passes no end on. `left`: the client has gone. */
async function relay(to: number, deaf = false): Promise<Relay> {
  const sockets: Socket[] = [];
  const clients: Socket[] = [];
  let leave: () => void;
  const left = new Promise<void>((resolve) => (leave = resolve));
  const line = createTcpServer({ allowHalfOpen: deaf }, (socket) => {
    const onward = connect({ port: to, host: '127.0.0.1', allowHalfOpen: deaf });
    for (const each of [socket, onward]) each.on('error', () => {});
    socket.once('close', () => leave());
    socket.pipe(onward, { end: !deaf }).pipe(socket, { end: !deaf });
    sockets.push(socket, onward);
    clients.push(socket);
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  return {
    port: (line.address() as AddressInfo).port,
    knock: () => {
      for (const socket of clients) knock(socket);
    },
    left,
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => line.close(resolve));
    },
  };
}

describe('the HTTP/2 sessions of subscriptions', () => {
  let server: Http2Server;
  let handler: RequestHandler;
  let clock: ManualClock;
  let timers: ReturnType<typeof countedTimers>;
  /** The streams that are open on each session. */
  let sessions: Map<ServerHttp2Session, Set<ServerHttp2Stream>>;
  let most = 0;
  let arrived: () => void = () => {};
  let respond: (stream: ServerHttp2Stream) => void;
  const ended: AbortController[] = [];

  const start = async (maxConcurrentStreams?: number): Promise<void> => {
    sessions = new Map();
    most = 0;
    respond = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.write('hello');
    };
    server = createServer(maxConcurrentStreams === undefined ? {} : { settings: { maxConcurrentStreams } });
    server.on('session', (session) => {
      sessions.set(session, new Set());
      session.on('error', () => {});
      session.once('close', () => sessions.delete(session));
    });
    server.on('stream', (stream) => {
      const open = sessions.get(stream.session as ServerHttp2Session)!;
      open.add(stream);
      most = Math.max(most, open.size);
      stream.on('error', () => {});
      stream.once('close', () => {
        open.delete(stream);
        arrived();
      });
      respond(stream);
      arrived();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    clock = new ManualClock();
    timers = countedTimers(clock);
    handler = http2Handler(timers);
  };
  const port = (): number => (server.address() as AddressInfo).port;
  const subscribe = async ({ signal, to = port() }: { signal?: AbortSignal; to?: number } = {}): Promise<Answer> => {
    const request = {
      protocol: 'http:',
      hostname: '127.0.0.1',
      port: to,
      path: '/',
      method: 'POST',
      headers: { host: `127.0.0.1:${to}`, 'x-amz-target': 'Kinesis_20131202.SubscribeToShard' },
      body: '{}',
    } as unknown as Request;
    const { response } = await handler.handle(request, signal === undefined ? {} : { abortSignal: signal });
    return response as unknown as Answer;
  };
  const controller = (): AbortController => {
    const one = new AbortController();
    ended.push(one);
    return one;
  };
  const open = (): number => [...sessions.values()].reduce((sum, streams) => sum + streams.size, 0);
  const whenOpen = async (count: number): Promise<void> => {
    while (open() !== count) await new Promise<void>((resolve) => (arrived = resolve));
  };

  afterEach(async () => {
    handler.destroy();
    for (const session of sessions.keys()) session.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(timers.pending).to.equal(0);
  });

  it('carry 300 subscriptions to a server that allows 100 streams a session', async () => {
    await start(100);
    const answers = await Promise.all(Array.from({ length: 300 }, () => subscribe()));
    expect(answers.map(({ statusCode }) => statusCode)).to.deep.equal(Array(300).fill(200));
    expect(open()).to.equal(300);
    expect(sessions.size).to.equal(3);
    expect(most).to.equal(100);
    expect(answers[0]!.headers).to.include({ 'content-type': 'text/plain' });
  });

  it('never have more than 100 streams, though the server names no limit, and keep to a lower one', async () => {
    await start();
    await Promise.all(Array.from({ length: 150 }, () => subscribe()));
    expect(most).to.equal(100);
    handler.destroy();
    for (const session of sessions.keys()) session.destroy();
    await new Promise((resolve) => server.close(resolve));
    await start(7);
    await Promise.all(Array.from({ length: 40 }, () => subscribe()));
    expect(most).to.equal(7);
    expect(sessions.size).to.equal(6);
  });

  it('use the place of a subscription that has ended', async () => {
    await start(10);
    const first = controller();
    await Promise.all([subscribe({ signal: first.signal }), ...Array.from({ length: 9 }, () => subscribe())]);
    first.abort();
    await whenOpen(9);
    await subscribe();
    expect(sessions.size).to.equal(1);
  });

  it('tell the server when a subscription is aborted, before and after its answer', async () => {
    await start();
    const after = controller();
    const answer = await subscribe({ signal: after.signal });
    after.abort();
    await whenOpen(0);
    expect(answer.body.destroyed).to.equal(true);

    respond = () => {};
    const before = controller();
    const unanswered = subscribe({ signal: before.signal }).catch((error: unknown) => error);
    await whenOpen(1);
    before.abort();
    await whenOpen(0);
    expect(await unanswered).to.have.property('name', 'AbortError');
    expect(sessions.size).to.equal(1);
  });

  it('have the place again of a subscription that is dropped after its server has ended it, before all of it was read', async () => {
    await start(1);
    respond = (stream) => {
      stream.respond({ ':status': 200 });
      stream.end('hello');
    };
    const one = controller();
    const { body } = await subscribe({ signal: one.signal });
    await heardBy([...sessions.keys()][0]!);
    const closed = new Promise<string>((resolve) => body.once('close', () => resolve('closed')));
    one.abort();
    const [session] = [...sessions.keys()] as [ServerHttp2Session];
    expect(await Promise.race([closed, heardBy(session).then(() => 'open')])).to.equal('closed');
    await subscribe();
    expect(sessions.size, 'it has the place of the first').to.equal(1);
  });

  it('fail their subscriptions when they die, and later ones get another session', async () => {
    await start();
    const { body } = await subscribe();
    const failed = new Promise<unknown>((resolve) =>
      body.once('error', resolve).once('close', () => resolve('closed')),
    );
    for (const session of sessions.keys()) session.destroy();
    expect(await failed).to.not.equal(undefined);
    expect((await subscribe()).statusCode).to.equal(200);
  });

  it('get no new subscription after a GOAWAY; those that are open go on', async () => {
    await start();
    const { body } = await subscribe();
    const [first] = [...sessions.keys()] as [ServerHttp2Session];
    const streams = [...sessions.get(first)!];
    first.goaway(0);
    await heardBy(first);
    await subscribe();
    expect(sessions.size).to.equal(2);
    expect(sessions.get(first)!.size).to.equal(1);
    const heard = new Promise<string>((resolve) => {
      let text = '';
      body.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('more')) resolve(text);
      });
    });
    streams[0]!.write('more');
    expect(await heard).to.equal('hellomore');
  });

  it('are given up when they answer no ping, so that nobody waits on a connection that is half open', async () => {
    await start();
    const line = await relay(port());
    const { body } = await subscribe({ to: line.port });
    const failed = new Promise<unknown>((resolve) => body.once('error', resolve));
    line.stall();
    await clock.advance(10_000);
    await clock.advance(10_000);
    expect(await failed).to.have.property('code', 'ECONNRESET');
    await line.stop();
  });

  it('are given up when they answer no ping, even if new subscriptions begin on them all the time', async () => {
    await start();
    const line = await relay(port());
    const { body } = await subscribe({ to: line.port });
    let failed: unknown;
    body.once('error', (error) => (failed = error));
    line.stall();
    const later: Promise<unknown>[] = [];
    for (let times = 0; times < 4; times += 1) {
      await clock.advance(5_000);
      later.push(subscribe({ to: line.port }).catch((error: unknown) => error));
    }
    await clock.advance(10_000);
    await later[0];
    expect(failed).to.have.property('code', 'ECONNRESET');
    handler.destroy();
    await Promise.all(later);
    await line.stop();
  });

  for (const how of ['after a while', 'by destroy'])
    it(`are closed ${how} though their server, which has said GOAWAY, does not close the connection`, async () => {
      await start();
      const line = await relay(port(), true);
      const one = controller();
      await subscribe({ signal: one.signal, to: line.port });
      const [session] = [...sessions.keys()] as [ServerHttp2Session];
      session.goaway(0);
      await heardBy(session);
      one.abort();
      await whenOpen(0);
      if (how === 'by destroy') handler.destroy();
      else await clock.advance(20_000);
      line.knock();
      await line.left;
      await line.stop();
    });

  it('stay while they answer pings, and are closed some time after their last subscription', async () => {
    await start();
    const one = controller();
    await subscribe({ signal: one.signal });
    const [session] = [...sessions.keys()] as [ServerHttp2Session];
    for (let times = 0; times < 10; times += 1) {
      await clock.advance(10_000);
      await heardBy(session);
    }
    expect(open()).to.equal(1);
    one.abort();
    await whenOpen(0);
    await heardBy(session);
    const closed = new Promise((resolve) => session.once('close', resolve));
    await clock.advance(20_000);
    await closed;
  });

  it('fail what waits for them if the server cannot be reached', async () => {
    await start();
    await new Promise((resolve) => server.close(resolve));
    const request = { protocol: 'http:', hostname: '127.0.0.1', port: 1, path: '/', method: 'POST', headers: {} };
    const error: unknown = await handler.handle(request as unknown as Request).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'ECONNREFUSED');
    await start();
  });
});
