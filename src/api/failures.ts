// Decides whether an error is final for the source or the table that it came from, or may pass by waiting. Lease
// coordinators and shard workers ask.
import { isKinactError } from './errors.js';
import type { ErrorCode, FailureKind, KinactError } from './errors.js';

/** What a source has been through. It is made once per consumer, and outlives the coordinator of the table. */
export interface SourceHistory {
  /** Its shards have been listed once: from then on almost everything that goes wrong passes. */
  worked: boolean;
  /** It has failed for good. */
  failure: KinactError | undefined;
}

/** What went wrong with the call of a service that an error came from. */
export function kindOf(error: unknown): FailureKind {
  return (isKinactError(error) ? error.data.kind : undefined) ?? 'other';
}

/** Errors of wrong settings or rights. Until a source has worked once, waiting does not repair them. */
const hopeless: ReadonlySet<ErrorCode> = new Set([
  'INVALID_OPTION',
  'STREAM_NOT_FOUND',
  'ACCESS_DENIED',
  'WRONG_REGION',
  'TABLE_NOT_KCL',
]);

/**
 * Whether this error is final for a source or table that has never worked. Waiting does not repair missing credentials,
 * unless the SDK can renew them (`retryable`): somebody must configure them.
 */
export function isHopeless(error: unknown): error is KinactError {
  if (!isKinactError(error)) return false;
  if (error.code === 'CREDENTIALS_MISSING') return !error.retryable;
  return hopeless.has(error.code) || endsSource(error) || endsTable(error);
}

/** Whether this error is final for a source, however long that has worked. */
export function endsSource(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'STREAM_CHANGED';
}

/** Whether the service found no such stream. A shard that is not found says nothing about its stream. */
export function isStreamNotFound(error: unknown): error is KinactError {
  if (!isKinactError(error) || error.code !== 'STREAM_NOT_FOUND') return false;
  const { operation } = error.data;
  return operation === undefined || operation.startsWith('kinesis:DescribeStream');
}

/** Whether this error is final for every source of a table, however long they have worked. */
export function endsTable(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'KCL3_TABLE';
}
