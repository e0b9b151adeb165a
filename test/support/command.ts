// Runs `kinact` as its own process, as a user's shell does, against servers on loopback.
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** The servers that the commands of a test call. */
export interface Endpoints {
  readonly kinesis?: string;
  readonly dynamodb?: string;
  readonly streams?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The output so far. */
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<Ended>;
  /** Resolves once `satisfied` accepts the output; rejects if the process ends first. */
  until(satisfied: (output: { stdout: string; stderr: string }) => boolean): Promise<void>;
}

/** An AWS environment that reaches nothing but the given endpoints. */
export function environment(
  endpoints: Endpoints,
  more: Record<string, string | undefined> = {},
): Record<string, string> {
  const env: Record<string, string | undefined> = {
    PATH: process.env['PATH'],
    HOME: tmpdir(),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_KINESIS: endpoints.kinesis ?? 'http://127.0.0.1:9',
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb ?? 'http://127.0.0.1:9',
    AWS_ENDPOINT_URL_DYNAMODB_STREAMS: endpoints.streams ?? 'http://127.0.0.1:9',
    ...more,
  };
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Starts a Node program, and kills it if it has not ended after `limitMs` (default 150,000). */
export function startProgram(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  {
    input = '',
    readStdout = true,
    stdin = 'pipe',
    stdout = 'pipe',
    limitMs = 150_000,
  }: {
    input?: string | Uint8Array | 'open';
    readStdout?: boolean;
    /** A file descriptor to read from instead of a pipe. */
    stdin?: 'pipe' | number;
    /** A file descriptor to write to instead of a pipe. */
    stdout?: 'pipe' | number;
    limitMs?: number;
  } = {},
): Running {
  const child = spawn(process.execPath, [file, ...args], {
    env,
    stdio: [stdin, stdout, 'pipe'],
  }) as ChildProcessWithoutNullStreams;
  const output = { stdout: '', stderr: '' };
  const checks = new Set<() => void>();
  const collect = (name: 'stdout' | 'stderr'): void => {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const check of checks) check();
    });
  };
  if (readStdout && stdout === 'pipe') collect('stdout');
  collect('stderr');
  if (stdin === 'pipe') {
    child.stdin.on('error', () => undefined);
    if (input !== 'open') child.stdin.end(input);
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const ended = once(child, readStdout ? 'close' : 'exit').then(([code, signal]): Ended => {
    clearTimeout(timer);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, ...output };
  });
  return {
    child,
    pid: child.pid!,
    output,
    ended,
    until: (satisfied) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!satisfied(output)) return;
          checks.delete(check);
          resolve();
        };
        checks.add(check);
        check();
        void ended.then(({ code }) =>
          reject(new Error(`ended with ${String(code)}: ${output.stderr.slice(0, 2_000)}`)),
        );
      }),
  };
}

/** Starts `kinact …`. */
export function startKinact(
  args: readonly string[],
  env: Record<string, string>,
  options?: Parameters<typeof startProgram>[3],
): Running {
  return startProgram(main, args, env, options);
}

/** Runs `kinact …` to its end. */
export function kinact(
  args: readonly string[],
  env: Record<string, string>,
  options: { input?: string | Uint8Array; limitMs?: number } = {},
): Promise<Ended> {
  return startKinact(args, env, options).ended;
}

/** True while a process of that id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
