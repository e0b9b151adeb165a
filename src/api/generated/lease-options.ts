// How a consumer takes part in its lease table.
import type { DynamoDbClientLike } from '../option-values.js';

/** The lease table and how this worker takes part. `undefined` stands for the default everywhere. */
export interface LeaseOptions {
  /** Name of the table. Default: `application`. */
  readonly tableName?: string | undefined;
  /** Milliseconds without a renewal after which a lease may be taken by others, 600,000 at most. Default 10,000, as in the KCL. */
  readonly failoverMs?: number | undefined;
  /**
   * Milliseconds without anything settled after which a draining shard stays here, although another worker has asked
   * for its lease. Ten times that is the longest a drain may take. 1 to 600,000. Default: `failoverMs`.
   */
  readonly handOverMs?: number | undefined;
  /** Leases this worker takes at most. Default: no limit. */
  readonly maxLeases?: number | undefined;
  /** Default `'kcl2'`. */
  readonly protocol?: 'kcl2' | undefined;
  /** How a table that has to be created is billed. Default `'PAY_PER_REQUEST'`. */
  readonly billing?:
    | 'PAY_PER_REQUEST'
    | { readonly readCapacityUnits: number; readonly writeCapacityUnits: number }
    | undefined;
  /** Milliseconds for which `start()` retries what may heal. Default 60,000. */
  readonly startDeadlineMs?: number | undefined;
  /** Several streams in one table, with the KCL's multi-stream keys. Default false. */
  readonly multiStream?: boolean | undefined;
  /** Default: a client that kinact makes and closes. */
  readonly client?: DynamoDbClientLike | undefined;
}
