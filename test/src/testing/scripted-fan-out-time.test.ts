// When the scripted server sends a subscription's events: on its own clock or the test's, no faster than the client takes them, and
// without keeping the process alive.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type ClientHttp2Stream } from 'node:http2';
import { expect } from 'chai';
import type { ScriptedServerOptions } from '../../../src/testing/index.js';
import { scriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';

const ShardId = 'shardId-000000000000';

describe('a subscription of the scripted server, over time', function () {
  this.timeout(30_000);

  /** One subscription over HTTP/2, from an SDK-free client that the test can stop reading. */
  const subscribed = async (options: ScriptedServerOptions) => {
    const server = await scriptedServer(options);
    const { arn } = server.kinesis.createStream('orders');
    const { Consumer } = server.kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' }) as {
      Consumer: { ConsumerARN: string };
    };
    const session = connect(server.url);
    const target = 'Kinesis_20131202.SubscribeToShard';
    const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': '/', 'x-amz-target': target });
    const StartingPosition = { Type: 'TRIM_HORIZON' };
    stream.end(JSON.stringify({ ConsumerARN: Consumer.ConsumerARN, ShardId, StartingPosition }));
    const [headers] = (await once(stream, 'response')) as [Record<string, string>];
    expect(headers['content-type']).to.equal('application/vnd.amazon.eventstream');
    return {
      server,
      stream,
      [Symbol.asyncDispose]: async () => {
        session.destroy();
        await server.stop();
      },
    };
  };
  const textOf = async (stream: ClientHttp2Stream): Promise<string> => {
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text;
  };

  it('beats by the clock of the host, when nothing moves it', async () => {
    await using scene = await subscribed({ kinesis: { heartbeatMs: 20 } });
    for await (const chunk of scene.stream) if (String(chunk).includes('"Records":[]')) break;
  });

  it('ends by the clock of the host, when nothing moves it', async () => {
    await using scene = await subscribed({ kinesis: { subscriptionMs: 20 } });
    expect(await textOf(scene.stream)).to.include('initial-response');
  });

  it('follows a clock of the test that moves without notice', async () => {
    let now = 1_700_000_000_000;
    await using scene = await subscribed({
      kinesis: { now: () => now, heartbeatMs: 120_000, subscriptionMs: 240_000 },
    });
    const beats: string[] = [];
    scene.stream.on('data', (chunk) => beats.push(String(chunk)));
    while (beats.length < 1) await once(scene.stream, 'data'); // initial-response
    now += 120_000;
    while (beats.length < 2) await once(scene.stream, 'data');
    expect(beats[1]).to.include('"Records":[]');
    now += 120_000;
    await once(scene.stream, 'end');
  });

  it('takes from the shard no more than the client reads', async () => {
    await using scene = await subscribed({});
    const { server, stream } = scene;
    const [open] = server.kinesis.subscriptions;
    stream.pause();
    const data = Buffer.alloc(1_000_000, 'x');
    for (let index = 0; index < 20; index += 1) server.kinesis.put('orders', { partitionKey: 'a', data });
    // Each of these calls is a turn of the server in which it could have taken more.
    for (let index = 0; index < 20; index += 1)
      await fetch(server.url, {
        method: 'POST',
        headers: { 'x-amz-target': 'Kinesis_20131202.ListStreams' },
        body: '{}',
      });
    const left = open!.next();
    expect(left).to.have.nested.property('event.Records').with.length(1);
    expect(open!.next(), 'and not only the last one').to.have.nested.property('event.Records').with.length(1);

    let bytes = 0;
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.resume();
    while (bytes < 17 * 1_333_000) await once(stream, 'data');
  });

  it('does not keep the process alive', async () => {
    const url = new URL('../../../src/testing/index.js', import.meta.url).href;
    const code = `
      import { connect } from 'node:http2';
      import { scriptedServer } from ${JSON.stringify(url)};
      const server = await scriptedServer();
      const { arn } = server.kinesis.createStream('orders');
      const { Consumer } = server.kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' });
      const session = connect(server.url);
      const stream = session.request({ ':method': 'POST', ':path': '/', 'x-amz-target': 'Kinesis_20131202.SubscribeToShard' });
      stream.end(JSON.stringify({ ConsumerARN: Consumer.ConsumerARN, ShardId: '${ShardId}', StartingPosition: { Type: 'LATEST' } }));
      stream.on('data', () => session.unref());
      stream.on('close', () => console.log('closed'));
      process.on('exit', () => console.log(server.kinesis.subscriptions.length + ' open'));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => (said += String(chunk)));
    const [exit] = (await once(child, 'close')) as [number];
    expect({ exit, said: said.trim() }).to.deep.equal({ exit: 0, said: '1 open' });
  });
});
