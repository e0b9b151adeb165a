// A kinesalite in its own process that keeps its streams on disk. It can be killed and restarted on the same port, with all records that
// it has accepted. It ends with the process that started it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RestartableKinesis {
  readonly kinesis: string;
  /** Sends SIGKILL. Afterwards the port refuses connections. */
  kill(): Promise<void>;
  /** Starts kinesalite again, with the same streams on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** kinesalite's own listener for a request's `error` would end the process when a client aborts. */
const boot = `
  const [module, path, port] = process.argv.slice(1);
  const server = require(module)({ path, createStreamMs: 0, updateStreamMs: 0, deleteStreamMs: 0, shardLimit: 500 });
  server.on('request', (request) => { request.removeAllListeners('error'); request.on('error', () => {}); });
  server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port));
  process.stdin.on('close', () => process.exit()).resume();
`;

export async function startRestartableKinesis(): Promise<RestartableKinesis> {
  const module = createRequire(import.meta.url).resolve('kinesalite');
  const path = mkdtempSync(join(tmpdir(), 'kinact-kinesalite-'));
  let child: ChildProcess | undefined;
  const start = async (port: number): Promise<number> => {
    const started = spawn(process.execPath, ['-e', boot, module, path, String(port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {},
    });
    child = started;
    const listening = createInterface({ input: started.stdout });
    const ended = once(started, 'exit').then(() => Promise.reject(new Error('kinesalite has ended')));
    const [line] = (await Promise.race([once(listening, 'line'), ended])) as [string];
    ended.catch(() => undefined);
    return Number(line);
  };
  const kill = async (): Promise<void> => {
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    child = undefined;
  };
  const port = await start(0);
  return {
    kinesis: `http://127.0.0.1:${port}`,
    kill,
    restart: async () => void (await start(port)),
    stop: async () => {
      await kill();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
