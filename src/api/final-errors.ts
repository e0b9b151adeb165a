// Decides whether an error is final for its source or lease table, or temporary. Called by lease coordinators and shard
// workers.
import { isKinactError, type ErrorCode, type FailureKind, type KinactError } from './errors.js';

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
