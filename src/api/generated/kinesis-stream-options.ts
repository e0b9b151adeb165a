// What `kinesisStream` takes. The table that validates it is in src/options/source-options.ts.
import type { InitialPosition } from '../../core/position.js';
import type { KinesisClientLike } from '../option-values.js';

/** What `kinesisStream` takes. `undefined` stands for the default everywhere. */
export interface KinesisStreamOptions {
  /** Name of the stream. Either this or `streamArn`. */
  readonly streamName?: string | undefined;
  /** ARN of the stream, which also names its region. */
  readonly streamArn?: string | undefined;
  /** Default: the ARN's, else what the AWS environment says. */
  readonly region?: string | undefined;
  /** Default `'polling'`. */
  readonly retrieval?: 'polling' | undefined;
  /** Where shards without a checkpoint begin. Default `'TRIM_HORIZON'`. */
  readonly initialPosition?: InitialPosition | undefined;
  /** What happens to user records of an aggregate whose hash key lies outside their shard. Default `'emit'`. */
  readonly outOfRange?: 'emit' | 'dropRecord' | 'dropAggregate' | undefined;
  /** Records per GetRecords call, 1 to 10,000. Default 10,000. */
  readonly maxRecords?: number | undefined;
  /** How far a shard is read ahead of the work on it: until one of these is reached. */
  readonly prefetch?:
    | {
        /** Answers of GetRecords. Default 4. */
        readonly batches?: number | undefined;
        /** Default 30,000. */
        readonly records?: number | undefined;
        /** Default 8 MiB. */
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** Milliseconds between two reads of a shard that had nothing to give. Default 1,000. */
  readonly idleMs?: number | undefined;
  /** Handed to `extract` and to every item as it is. */
  readonly opaque?: unknown;
  /** This source's lease table. Default: the consumer's `application`. */
  readonly application?: string | undefined;
  /** A client of the application's own. Default: one that kinact makes and closes. */
  readonly client?: KinesisClientLike | undefined;
}
