// What the demo and its two consumer processes tell each other over IPC.

/** A consumer process gets this as its one argument, in JSON. */
export interface ConsumerTask {
  readonly name: string;
  readonly application: string;
  readonly streamName: string;
  readonly reducers: number;
  readonly failoverMs: number;
  /** Damage, for the test of the verdict: a record that the reducer acknowledges without passing it on. */
  readonly dropId?: number;
}

/** From a consumer process. */
export type FromConsumer =
  /** Ids on their way to being acknowledged: they will be when `received` comes back. */
  | { readonly type: 'records'; readonly batch: number; readonly byShard: Readonly<Record<string, readonly number[]>> }
  | { readonly type: 'checkpoint'; readonly shardId: string }
  | { readonly type: 'leaseTaken'; readonly shardId: string; readonly from?: string }
  | { readonly type: 'status'; readonly shards: readonly ShardSays[] };

/** A shard that a consumer process reads now. */
export interface ShardSays {
  readonly shardId: string;
  readonly openRecords: number;
  readonly reading: boolean;
  /** It is read, up to its tip, and nothing of it is open or waits to be. */
  readonly idle: boolean;
}

/** To a consumer process. */
export type ToConsumer = { readonly type: 'received'; readonly batch: number } | { readonly type: 'askStatus' };
