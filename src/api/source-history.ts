// What is known of a source for as long as its consumer runs. Lease coordinators, shard workers and `status()` share one object per source.
import type { KinactError } from './errors.js';

/** The history of a source. It is made once per consumer, and outlives the coordinator of the table. */
export interface SourceHistory {
  /** The shards of the source have been listed once. From then on almost every error counts as temporary. */
  worked: boolean;
  /** The error with which the source has failed for good. */
  failure: KinactError | undefined;
  /** The source is being added, and `addSource` will say whether that succeeds. */
  joining?: boolean;
  /** The source is being removed. Then `failure` says so, and nothing of it is read any longer. */
  removed?: boolean;
  /** How long the stream keeps its records; absent if the service does not report it. */
  retentionMs?: number;
  /** Ids of the shards that were reported as `retentionAtRisk` and have not recovered since. */
  readonly atRisk?: Set<string>;
}
