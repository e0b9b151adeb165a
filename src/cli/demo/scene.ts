// Where the demo plays: what is written, and what is resharded. stream-scene.ts is a Kinesis stream, table-scene.ts a DynamoDB table.
import type { Shard } from '../../api/ports.js';
import type { Writer } from './writer.js';

export interface WriteOrder {
  readonly total: number;
  /** How many may be written at first; `Writer.limit` raises it. */
  readonly limit: number;
  readonly perSecond: number;
  readonly accepted: (ids: readonly number[]) => void;
  readonly signal: AbortSignal;
}

export interface Scene {
  /** What the consumers read. */
  readonly source: 'stream' | 'table';
  /** Creates it, with two shards. */
  prepare(): Promise<void>;
  write(order: WriteOrder): Promise<Writer>;
  shards(): Promise<readonly Pick<Shard, 'shardId'>[]>;
  /** Closes a shard, and opens two in its place. */
  split(shardId: string): Promise<readonly string[]>;
  /** Closes every open shard, and opens one in the place of each. Undefined: shards do not roll over by themselves. */
  readonly rollOver?: () => readonly string[];
  close(): void;
}
