// Decides whether an error is final for its source or lease table, or temporary. Called by lease coordinators and shard
// workers.
import { isKinactError, type ErrorCode, type FailureKind, type KinactError } from './errors.js';

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

/** How the call of a service behind this error failed; `other` if that is unknown. */
export function kindOf(error: unknown): FailureKind {
  return (isKinactError(error) ? error.data.kind : undefined) ?? 'other';
}

/** Errors of wrong settings or permissions. Until a source has worked once, they are final. */
const finalBeforeFirstRead: ReadonlySet<ErrorCode> = new Set([
  'INVALID_OPTION',
  'STREAM_NOT_FOUND',
  'ACCESS_DENIED',
  'WRONG_REGION',
  'FAN_OUT_UNAVAILABLE',
  'TABLE_NOT_KCL',
  'PEER_MISSING',
]);

/**
 * Whether this error is final for a source or table that has never worked. Missing credentials are final unless the SDK can
 * renew them (`retryable`).
 */
export function isFinalBeforeFirstRead(error: unknown): error is KinactError {
  if (!isKinactError(error)) return false;
  if (error.code === 'CREDENTIALS_MISSING') return !error.retryable;
  return finalBeforeFirstRead.has(error.code) || isFinalForSource(error) || isFinalForTable(error);
}

/** Whether this error is final for a source, even if the source has worked before. */
export function isFinalForSource(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'STREAM_CHANGED';
}

/** Whether the service has no such stream. STREAM_NOT_FOUND from other calls may mean a missing shard, and does not count. */
export function isStreamNotFound(error: unknown): error is KinactError {
  if (!isKinactError(error) || error.code !== 'STREAM_NOT_FOUND') return false;
  const { operation } = error.data;
  return operation === undefined || /^(kinesis|dynamodb):Describe(Stream|Table)/.test(operation);
}

/** Whether this error is final for every source of a table, even if they have worked before. */
export function isFinalForTable(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'KCL3_TABLE';
}
