// The IPC messages between the soak's processes: the parent, the consumers, and the process with the servers.
import type { Sample } from './verdict.js';

/** The only argument of a consumer process, as JSON. */
export interface ConsumerTask {
  readonly name: string;
  readonly application: string;
  readonly streamName: string;
  readonly failoverMs: number;
  readonly reducers: number;
}

/** The kinds of actors that may be killed. Supervisors of whole groups are left out, because their crash ends the group. */
export const killable = [
  'lease-coordinator',
  'lease-keeper',
  'reducer',
  'shard-worker',
  'shard-worker-supervisor',
  'stage',
] as const;

export type FromConsumer =
  /** Ids that are acknowledged when `received` comes back. */
  | { readonly type: 'records'; readonly batch: number; readonly ids: readonly number[] }
  | { readonly type: 'sample'; readonly sample: Omit<Sample, 'atMs'> }
  /** The paths of the crashed actors. There is none if no such actor existed. */
  | { readonly type: 'killed'; readonly paths: readonly string[] };

export type ToConsumer =
  | { readonly type: 'received'; readonly batch: number }
  | { readonly type: 'sample' }
  /** `share` in [0, 1) selects an actor of this kind. */
  | { readonly type: 'kill'; readonly kind: (typeof killable)[number]; readonly share: number };

export type Service = 'kinesis' | 'dynamodb';

/**
 * The temporary faults of a service. `reset`: some connections are reset before a request is carried out, some after it. `slow`:
 * answers are late. `throttle`: half of the requests are refused as over the limit. `silent`: requests get no answer. `outage`:
 * every connection is cut and none is accepted.
 */
export const troubles = ['outage', 'reset', 'silent', 'slow', 'throttle'] as const;
export type Trouble = (typeof troubles)[number];

export type ToServers =
  | { readonly type: 'trouble'; readonly service: Service; readonly trouble: Trouble; readonly forMs: number }
  /** Deletes the records that arrived before this time, in epoch milliseconds. */
  | { readonly type: 'trim'; readonly beforeMs: number }
  /** Stops a process with SIGSTOP and continues it later, even if the parent has ended by then. */
  | { readonly type: 'pause'; readonly pid: number; readonly forMs: number }
  | { readonly type: 'measure' };

export type FromServers =
  /** `writing` is the endpoint of the writer, which never has faults. */
  | { readonly type: 'ready'; readonly writing: string; readonly kinesis: string; readonly dynamodb: string }
  | { readonly type: 'measured'; readonly rssBytes: number };
