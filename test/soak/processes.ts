// The soak's processes as the parent sees them: it starts them, sends them messages, and ends them.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ConsumerTask, FromConsumer, FromServers, ToConsumer, ToServers } from './messages.js';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildProcess<To> {
  readonly name: string;
  readonly pid: number;
  readonly alive: boolean;
  /** Whether the parent has sent the process a signal. */
  readonly asked: boolean;
  readonly ended: Promise<Ended>;
  tell(message: To): void;
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
}

export type Consumer = ChildProcess<ToConsumer>;
export type Servers = ChildProcess<ToServers>;

const moduleOf = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

interface Start<From> {
  readonly name: string;
  readonly module: string;
  readonly argument: string;
  readonly env: NodeJS.ProcessEnv;
  readonly flags?: readonly string[];
  readonly heard: (message: From) => void;
}

function start<To extends object, From>({
  name,
  module,
  argument,
  env,
  flags = [],
  heard,
}: Start<From>): ChildProcess<To> {
  const child = fork(moduleOf(module), [argument], {
    ...{ env, execArgv: ['--enable-source-maps', ...flags] },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let alive = true;
  let asked = false;
  const ended = new Promise<Ended>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      alive = false;
      resolve({ code, signal });
    };
    child.once('exit', end);
    child.once('error', () => end(1, null));
  });
  child.on('message', (message) => heard(message as From));
  return {
    ...{ name, ended },
    pid: child.pid ?? 0,
    get alive() {
      return alive;
    },
    get asked() {
      return asked;
    },
    tell: (message) => {
      if (child.connected) child.send(message, () => undefined);
    },
    kill: (signal) => {
      asked = true;
      child.kill(signal);
    },
  };
}

/** The endpoints that a consumer process uses. */
export interface Endpoints {
  readonly kinesis: string;
  readonly dynamodb: string;
}

export function startConsumer(task: ConsumerTask, at: Endpoints, heard: (message: FromConsumer) => void): Consumer {
  const env = {
    PATH: process.env['PATH'],
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL_KINESIS: at.kinesis,
    AWS_ENDPOINT_URL_DYNAMODB: at.dynamodb,
    NODE_NO_WARNINGS: '1',
  };
  const argument = JSON.stringify(task);
  return start({ name: task.name, module: 'consumer-process', argument, env, flags: ['--expose-gc'], heard });
}

export async function startServers(
  streamName: string,
  measured: (rssBytes: number) => void,
): Promise<{ readonly servers: Servers; readonly writing: string; readonly at: Endpoints }> {
  return new Promise((resolve, reject) => {
    const servers: Servers = start({
      ...{ name: 'servers', module: 'server-process', argument: streamName },
      env: { PATH: process.env['PATH'] },
      flags: ['--max-old-space-size=2048'],
      heard: (message: FromServers) => {
        if (message.type === 'ready') resolve({ servers, writing: message.writing, at: message });
        else measured(message.rssBytes);
      },
    });
    void servers.ended.then(() => reject(new Error('the servers did not start')));
  });
}
