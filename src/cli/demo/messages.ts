// The messages between the demo and its two consumer processes, over IPC, and the names that both use.

export const application = 'kinact-demo';
export const streamName = 'kinact-demo';
export const tableName = 'kinact-demo-orders';

/** The only argument of a consumer process, as JSON. */
export interface ConsumerTask {
  readonly name: string;
  /** What the process reads: the Kinesis stream, or the changes of the table. */
  readonly source: 'stream' | 'table';
  readonly reducers: number;
  readonly failoverMs: number;
  /** To test the verdict: a record that the reducer acknowledges without passing it on. */
  readonly dropId?: number;
}

/** From a consumer process. */
export type FromConsumer =
  /** Delivered ids. The process acknowledges them when `received` for this batch arrives. */
  | { readonly type: 'records'; readonly batch: number; readonly byShard: Readonly<Record<string, readonly number[]>> }
  | { readonly type: 'checkpoint'; readonly shardId: string }
  | { readonly type: 'leaseTaken'; readonly shardId: string; readonly from?: string }
  | { readonly type: 'status'; readonly shards: readonly ShardStatus[] };

/** A shard that a consumer process reads now. */
export interface ShardStatus {
  readonly shardId: string;
  readonly openRecords: number;
  readonly reading: boolean;
  /** The shard is read, up to its tip, and no record of it is open or prefetched. */
  readonly idle: boolean;
}

/** To a consumer process. */
export type ToConsumer = { readonly type: 'received'; readonly batch: number } | { readonly type: 'askStatus' };
