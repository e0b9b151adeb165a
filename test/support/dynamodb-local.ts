// Amazon's DynamoDB Local, for the one test that wants it (KINACT_DYNAMODB_LOCAL=1). It listens on every interface, so it runs in a
// network namespace of its own, which has only loopback. Connections get there through a Unix socket.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { localClientConfig, type LocalClientConfig } from '../../src/testing/local-servers.js';

export interface DynamoDbLocal {
  /** `http://127.0.0.1:…` */
  readonly url: string;
  readonly clientConfig: LocalClientConfig;
  stop(): Promise<void>;
}

const port = 8_000;

/** Runs in the namespace: starts the server, and passes connections of the Unix socket on to it. Ends when its stdin does. */
const relay = `
  const net = require('node:net'), { spawn } = require('node:child_process');
  const [home, socket] = process.argv.slice(1);
  const flags = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-jar', 'DynamoDBLocal.jar'];
  const server = ['-port', '${port}', '-inMemory', '-sharedDb', '-disableTelemetry'];
  const java = spawn('java', [...flags, ...server], { cwd: home, stdio: 'ignore' });
  const end = () => { java.kill('SIGKILL'); process.exit(0); };
  java.on('exit', () => process.exit(1));
  java.on('error', () => process.exit(1));
  process.stdin.on('end', end).on('error', end).resume();
  const joined = (from) => {
    const to = net.connect(${port}, '127.0.0.1');
    for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => other.destroy()).pipe(other);
  };
  const ready = () => {
    const probe = net.connect(${port}, '127.0.0.1');
    probe.on('error', () => setTimeout(ready, 100));
    probe.on('connect', () => { probe.destroy(); net.createServer(joined).listen(socket, () => console.log('ready')); });
  };
  ready();`;

/** Why the test cannot run; undefined if it can. */
function obstacle(): string | undefined {
  if (process.env['KINACT_DYNAMODB_LOCAL'] !== '1')
    return 'set KINACT_DYNAMODB_LOCAL=1 to fetch and run it; its licence is for customers of AWS (scripts/dynamodb-local.mjs says it)';
  if (process.platform !== 'linux')
    return 'it listens on every interface, and only Linux has a network namespace to keep it in';
  return undefined;
}

/** Starts an empty server. Resolves with the reason if it cannot run here. */
export async function startDynamoDbLocal(): Promise<DynamoDbLocal | string> {
  const reason = obstacle();
  if (reason !== undefined) return reason;

  const fetched = await promisify(execFile)(process.execPath, ['scripts/dynamodb-local.mjs']);
  process.stderr.write(fetched.stderr);
  const home = fetched.stdout.trim().split('\n').at(-1)!;

  const folder = mkdtempSync(join(tmpdir(), 'kinact-ddb-'));
  const socket = join(folder, 'socket');
  const inside = 'ip link set lo up && exec "$0" -e "$1" "$2" "$3"';
  const child = spawn('unshare', ['-rn', 'sh', '-c', inside, process.execPath, relay, home, socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [outcome] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => [`it needs java 17 and unshare; one of them ended with ${String(code)}`]),
    once(child, 'error').then(([error]) => [String(error)]),
  ])) as [Buffer | string];

  if (typeof outcome === 'string') {
    rmSync(folder, { recursive: true });
    return outcome;
  }
  return await serve(socket, child, folder);
}

async function serve(socket: string, child: ChildProcess, folder: string): Promise<DynamoDbLocal> {
  const open = new Set<Socket>();
  const server: Server = createServer((from) => {
    const to = connect(socket);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.on('close', () => open.delete(one)).on('error', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clientConfig = localClientConfig(url, 10_000);
  return {
    url,
    clientConfig,
    stop: async () => {
      clientConfig.requestHandler.destroy();
      for (const each of open) each.destroy();
      server.close();
      const ended = once(child, 'exit');
      child.stdin!.end();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
