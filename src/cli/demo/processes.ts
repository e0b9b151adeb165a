// Starts, asks and kills the demo's consumer processes.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ConsumerTask, FromConsumer, ShardStatus, ToConsumer } from './messages.js';

export interface ConsumerProcess {
  readonly name: string;
  readonly pid: number;
  /** Set once the process has ended. */
  readonly ended: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  /** Resolves when the process has ended, for any reason. */
  readonly closed: Promise<void>;
  /** Confirms that a batch was received. The process acknowledges its records only then. */
  confirm(batch: number): void;
  /** The shards that the process reads now; none if it has ended. */
  status(): Promise<readonly ShardStatus[]>;
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
}

type ConsumerNews = Exclude<FromConsumer, { type: 'status' }>;

const program = fileURLToPath(new URL('./consumer-program.js', import.meta.url));

export function startConsumer(
  task: ConsumerTask,
  env: Readonly<Record<string, string | undefined>>,
  onNews: (message: ConsumerNews, from: ConsumerProcess) => void,
): ConsumerProcess {
  const child = fork(program, [JSON.stringify(task)], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const statusRequests: ((shards: readonly ShardStatus[]) => void)[] = [];
  let ended: ConsumerProcess['ended'];
  const answerAll = (): void => {
    for (const answer of statusRequests.splice(0)) answer([]);
  };
  const closed = new Promise<void>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      ended ??= { code, signal };
      answerAll();
      resolve();
    };
    child.once('exit', end);
    child.once('error', () => end(1, null));
  });
  const tell = (message: ToConsumer): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const self: ConsumerProcess = {
    name: task.name,
    pid: child.pid ?? 0,
    get ended() {
      return ended;
    },
    closed,
    confirm: (batch) => tell({ type: 'received', batch }),
    status: () =>
      new Promise((resolve) => {
        if (!child.connected) return resolve([]);
        statusRequests.push(resolve);
        tell({ type: 'askStatus' });
      }),
    kill: (signal) => void child.kill(signal),
  };
  child.on('disconnect', answerAll);
  child.on('message', (message: FromConsumer) => {
    if (message.type === 'status') statusRequests.shift()?.(message.shards);
    else onNews(message, self);
  });
  return self;
}
