// What an error means for the source or the table it came from: which errors waiting cannot repair. Called by lease
// coordinators and shard workers.
import { isKinactError } from './errors.js';
import type { ErrorCode, FailureKind, KinactError } from './errors.js';

/** What is left of a source's history when the coordinator of its table restarts. Made once per consumer. */
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

/** Wrong settings or rights: waiting cannot repair them, as long as nothing has worked yet. */
const hopeless: ReadonlySet<ErrorCode> = new Set([
  'INVALID_OPTION',
  'STREAM_NOT_FOUND',
  'ACCESS_DENIED',
  'WRONG_REGION',
  'TABLE_NOT_KCL',
]);

/**
 * Whether a source or table that has never worked has failed with this. Waiting does not repair missing credentials:
 * somebody must configure them.
 */
export function isHopeless(error: unknown): error is KinactError {
  if (!isKinactError(error)) return false;
  if (error.code === 'CREDENTIALS_MISSING') return !error.retryable;
  return hopeless.has(error.code) || endsSource(error) || endsTable(error);
}

/** Whether a source has failed with this, however long it has worked. */
export function endsSource(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'STREAM_CHANGED';
}

/** Whether the service found no such stream. A shard that is not found says nothing about its stream. */
export function missesStream(error: unknown): error is KinactError {
  if (!isKinactError(error) || error.code !== 'STREAM_NOT_FOUND') return false;
  const { operation } = error.data;
  return operation === undefined || operation.startsWith('kinesis:DescribeStream');
}

/** Whether every source of a table has failed with this, however long they have worked. */
export function endsTable(error: unknown): error is KinactError {
  return isKinactError(error) && error.code === 'KCL3_TABLE';
}
