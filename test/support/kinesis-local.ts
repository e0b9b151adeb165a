// The stricter local Kinesis (kinesis-local: child shards, StreamARN, paging, fan-out) in a worker thread on loopback.
// For integration tests only; it is slow beyond a few thousand records (emulators.md 8).
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { localClientConfig, type LocalClientConfig } from '../../src/testing/local-servers.js';

export interface KinesisLocal {
  readonly kinesis: string;
  readonly clientConfig: LocalClientConfig;
  stop(): Promise<void>;
}

/** `streams` has kinesis-local's own form: `orders:2,clicks:1`. A stream made by CreateStream is ACTIVE `createMs` later. */
export async function startKinesisLocal(
  options: { readonly streams?: string; readonly createMs?: number } = {},
): Promise<KinesisLocal> {
  const main = createRequire(import.meta.url).resolve('kinesis-local');
  // kinesis-local always binds every interface, so listen() is redirected inside its thread.
  const boot = `
    const net = require('node:net'), { parentPort } = require('node:worker_threads'), { listen } = net.Server.prototype;
    net.Server.prototype.listen = function (...given) {
      const target = typeof given[0] === 'object' ? { ...given[0] } : { port: Number(given[0]) };
      this.once('listening', () => parentPort.postMessage(this.address().port));
      return listen.call(this, { ...target, host: '127.0.0.1' }, given.find((one) => typeof one === 'function'));
    };
    require(${JSON.stringify(main)});`;
  const durations = ['CREATE_STREAM', 'DELETE_STREAM', 'SPLIT_SHARD', 'MERGE_SHARDS', 'UPDATE_SHARD_COUNT'].map(
    (name) => [`${name}_DURATION`, `${options.createMs ?? 10}ms`],
  );
  const worker = new Worker(boot, {
    eval: true,
    stdout: true,
    stderr: true,
    env: {
      ...process.env,
      ...Object.fromEntries(durations),
      LOG_LEVEL: 'ERROR',
      KINESIS_MOCK_PLAIN_PORT: '0',
      KINESIS_MOCK_TLS_PORT: '0',
      LOAD_DATA_IF_EXISTS: 'false',
      KINESIS_MOCK_CERT_PATH: join(dirname(main), 'server.json'),
      ...(options.streams === undefined ? {} : { INITIALIZE_STREAMS: options.streams }),
    },
  });
  const ports = await new Promise<number[]>((resolve, reject) => {
    const seen: number[] = [];
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`kinesis-local exited with ${code}`)));
    worker.on('message', (port: number) => {
      seen.push(port);
      if (seen.length === 2) resolve(seen);
    });
  });
  worker.unref();
  const kinesis = await plainEndpoint(ports);
  const clientConfig = localClientConfig(kinesis);
  return {
    kinesis,
    clientConfig,
    stop: async () => {
      clientConfig.requestHandler.destroy();
      await worker.terminate();
    },
  };
}

/** Finds the port with plain HTTP by its health check, because the order in which the two ports are bound is not promised. */
async function plainEndpoint(ports: readonly number[]): Promise<string> {
  for (const port of ports) {
    const endpoint = `http://127.0.0.1:${port}`;
    const answer = await fetch(`${endpoint}/healthcheck`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return endpoint;
  }
  throw new Error(`kinesis-local answers on none of the ports ${ports.join(', ')}`);
}
