// What the soak's processes tell each other over IPC: the parent, the consumers, and the process that holds the servers.
import type { Sample } from './verdict.js';

/** Given to a consumer process as its one argument, in JSON. */
export interface ConsumerTask {
  readonly name: string;
  readonly application: string;
  readonly streamName: string;
  readonly failoverMs: number;
  readonly reducers: number;
}

/** Kinds of actors that may be killed: all but the supervisors, whose crash is the end of what they supervise. */
export const killable = [
  'lease-coordinator',
  'lease-keeper',
  'reducer',
  'shard-worker',
  'shard-worker-supervisor',
  'stage',
] as const;

export type FromConsumer =
  /** Ids on their way to being acknowledged: they will be when `received` comes back. */
  | { readonly type: 'records'; readonly batch: number; readonly ids: readonly number[] }
  | { readonly type: 'sample'; readonly sample: Omit<Sample, 'atMs'> }
  /** Paths of what was crashed; none when no such actor was there. */
  | { readonly type: 'killed'; readonly paths: readonly string[] };

export type ToConsumer =
  | { readonly type: 'received'; readonly batch: number }
  | { readonly type: 'sample' }
  /** `share` in [0, 1) says which one of that kind. */
  | { readonly type: 'kill'; readonly kind: (typeof killable)[number]; readonly share: number };

export type Service = 'kinesis' | 'dynamodb';

/**
 * What a service does to its consumers for a while. `reset`: some connections are reset before a request is carried out,
 * some after it was; `slow`: answers are late; `throttle`: half of the requests are refused as over the limit; `silent`:
 * requests are taken and never answered; `outage`: every connection is cut and none is accepted.
 */
export const troubles = ['outage', 'reset', 'silent', 'slow', 'throttle'] as const;
export type Trouble = (typeof troubles)[number];

export type ToServers =
  | { readonly type: 'trouble'; readonly service: Service; readonly trouble: Trouble; readonly forMs: number }
  /** Forget records that arrived before this moment, epoch milliseconds. */
  | { readonly type: 'trim'; readonly beforeMs: number }
  /** Stop a process with SIGSTOP and let it go on after a while, even when the parent is gone by then. */
  | { readonly type: 'pause'; readonly pid: number; readonly forMs: number }
  | { readonly type: 'measure' };

export type FromServers =
  /** `writing`: where nothing ever goes wrong, for the writer. */
  | { readonly type: 'ready'; readonly writing: string; readonly kinesis: string; readonly dynamodb: string }
  | { readonly type: 'measured'; readonly rssBytes: number };
