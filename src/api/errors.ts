// The errors of kinact that have a code. Codes are a closed set: users match on them, and a code never changes its meaning.
// `retryable` is for callers. final-errors.ts decides which errors are final for a running consumer.
import { describeError, isBranded, type DescribedError } from '../core/thrown.js';
import { visible } from '../core/visible.js';

/** Each code with its meaning. docs/errors.md is generated from this table and from remedies.ts. */
export const errorCodes = {
  INVALID_OPTION: 'An option is missing, unknown or out of bounds; the message names path, expected and got.',
  STREAM_NOT_FOUND: 'The stream does not exist in this region and account. Check the name, region and credentials.',
  STREAM_CHANGED:
    'The lease rows belong to another stream than the one that has this name now. The stream was deleted and created again (that of a table: disabled and enabled again), or another stream is read under the same application name. Its source is not read; the message names both streams.',
  ACCESS_DENIED: 'The credentials lack a permission; the message names the operation to allow.',
  WRONG_REGION: 'The ARN names another region than the client is configured for.',
  CREDENTIALS_MISSING: 'The SDK found no credentials or region. Configure them as for any AWS tool.',
  FAN_OUT_UNAVAILABLE:
    "With retrieval 'fan-out', the stream's consumer cannot be had for a reason that lasts; the message says which.",
  TABLE_NOT_KCL:
    "The table exists but is not a lease table: its key is not the string 'leaseKey', or its rows are another library's.",
  TABLE_NOT_FOUND:
    'The lease table does not exist in this region and account. A consumer creates it when it starts; check the application name.',
  KCL3_TABLE: 'The table shows a KCL 3 leader or migration state; this version speaks the KCL 2.x protocol only.',
  MALFORMED_LEASE: 'A lease row cannot be read; its shard is left alone until the row is corrected.',
  START_TIMEOUT: 'Starting did not succeed within leases.startDeadlineMs; `cause` is the last error.',
  WORKER_ID_IN_USE: 'Another live process uses the same workerId. Make it unique per process.',
  LEASE_LOST:
    'The right to deliver this item has ended: the lease went to another worker, or this worker stopped, restarted or finished the shard.',
  PENDING_LIMIT_TOO_SMALL:
    'The ledger of a shard is full, and the reducer waits for more items before it acknowledges. A ledger is full when maxPending records are open, when maxPendingBytes or maxBytes is reached, or when 64 × maxPending records follow the oldest open one.',
  WATCHDOG:
    "A shard's checkpoint did not advance for watchdogMs, and the error names the actor that has the oldest open record. Or a shard's end waited that long for a call that acknowledged before it ended.",
  POISON_RECORD:
    'The same record failed restart.intensity + 1 times in a row, across pipeline restarts, while other records succeeded.',
  TOO_MANY_FAILURES:
    'Calls of user functions have crashed the pipeline more than 8 times within 5 minutes, under the failure policy crash. `cause` is the last failure.',
  RESTART_INTENSITY: 'More crashes than restart.intensity within restart.periodMs.',
  PIPE_EXITED: 'A callback of a node has asked for the end of its pipe.',
  PIPE_TIMEOUT:
    'A call of an open pipe was not done within its deadlineMs. What has begun goes on; the message says whether it has.',
  PROCESSING_FAILED: 'A user function failed and the failure policy is crash; `cause` is what it threw.',
  DUPLICATE_RECORD: "A record was delivered twice by the service and onDuplicate is 'crash'.",
  PARKING_FAILED:
    'A sink could not keep a parked item: its folder is full, or a write failed. The message names path, bytes and bound, or the failure. Or a sink found at the start that it cannot keep any.',
  UNDECODABLE_RECORD: 'An aggregate holds user records that cannot be decoded.',
  ACTOR_STOPPED: 'The actor asked has stopped, or never existed.',
  ASK_TIMEOUT: 'A question was not answered by its deadline.',
  INVALID_BEHAVIOUR:
    "An actor's behaviour returned something other than [state, effects], or an effect that does not exist or that it may not ask for.",
  START_FAILED: 'A child of a supervisor did not start; `cause` says why.',
  PARENT_STOPPED: 'The application stopped the actor system or parent under which the consumer runs.',
  REFUSED:
    'A command, a `ManualClock`, or a consumer that has not started, refused to start or to continue; the message names the reason.',
  INJECTED_FAULT: 'A test injected this fault with `nemesis`, and gave no error of its own.',
  STOPPED: 'The consumer was stopped.',
  AWS_ERROR: 'The service answered with an error for which kinact has no code of its own: see `cause`.',
  PEER_MISSING: 'An optional package is not installed; the message has the install line.',
  BROKEN_INVARIANT: 'A bug in kinact: please report it with the message.',
} as const;

/** The code of an error. docs/errors.md says what to do about each code. */
export type ErrorCode = keyof typeof errorCodes;

const brand = Symbol.for('kinact.error');

/** How a call of a service failed. */
export type FailureKind =
  | 'throttled'
  | 'network'
  | 'timeout'
  | 'aborted'
  | 'accessDenied'
  | 'credentials'
  | 'notFound'
  | 'inUse'
  | 'conditionFailed'
  | 'expiredIterator'
  | 'expiredToken'
  | 'trimmed'
  | 'invalidArgument'
  | 'encryption'
  | 'serverError'
  | 'other';

/** The data of an error. A member that is unknown or does not apply is absent. */
export interface ErrorData {
  /** Path of the refused option, such as `leases.failoverMs`. */
  readonly option?: string;
  /** The name of the source whose record or shard failed. */
  readonly source?: string;
  /** The Kinesis stream that a call of a service was about. STREAM_CHANGED: the source's name. */
  readonly stream?: string;
  /**
   * STREAM_CHANGED: the stream that the lease rows belong to, `<arn>#<creation epoch seconds>`; absent if the rows do not
   * name it.
   */
  readonly rowStream?: string;
  /** STREAM_CHANGED: the stream that has the name now. */
  readonly liveStream?: string;
  /** The lease table. */
  readonly table?: string;
  /** The key of the lease's row in the lease table. */
  readonly leaseKey?: string;
  /** MALFORMED_LEASE: the worker that owns the lease, if the row's owner can be read. */
  readonly leaseOwner?: string;
  /** The shard that a read, a record or a call was about. */
  readonly shardId?: string;
  /** The record. */
  readonly sequenceNumber?: string;
  /** Its index inside an aggregate. */
  readonly subSequenceNumber?: number;
  /** PIPE_TIMEOUT: the offset of the fed message, of several the last. Only if it was handed to the first node. */
  readonly offset?: number;
  /** The key of the failed item. */
  readonly key?: string;
  /** Path of the actor that holds the record, that failed, or that was asked. */
  readonly actor?: string;
  /** The failed call, such as `kinesis:GetRecords`. */
  readonly operation?: string;
  /** KCL3_TABLE: the evidence that a KCL 3 fleet governs the table. */
  readonly evidence?: string;
  /** How the call failed, if a call of a service failed. */
  readonly kind?: FailureKind;
  /** How long the shard's checkpoint had not been able to advance, in milliseconds. */
  readonly ageMs?: number;
  /** PARKING_FAILED: the folder of the parked items. */
  readonly path?: string;
  /** PARKING_FAILED: how many bytes the folder has. Only if it is full. */
  readonly bytes?: number;
  /** PARKING_FAILED: how many bytes it may have. Only if it is full. */
  readonly maxBytes?: number;
  /**
   * True for a failed write that the service may have carried out: its reply was lost, or kinact stopped waiting. PIPE_TIMEOUT: true if
   * the call goes on.
   */
  readonly outcomeUnknown?: boolean;
}

/**
 * The class of kinact's errors that have a code. Test for it with `isKinactError`, which also recognizes errors of another copy
 * of the package. Control and bidirectional characters in `message` are escaped, because the message may contain text from
 * outside. Texts in `data` are not escaped.
 */
export class KinactError extends Error {
  /** Always `KinactError`. */
  override readonly name = 'KinactError';
  /** What is wrong, as a word that never changes its meaning. */
  readonly code: ErrorCode;
  /**
   * Whether the same call may succeed later without any change. This is for callers: inside a running consumer,
   * src/api/final-errors.ts decides which errors are final, and every other failed call of a service is repeated.
   */
  readonly retryable: boolean;
  /** What the error is about: the stream, the shard, the option, … */
  readonly data: ErrorData;
  /** Marks the errors of every copy of the package, for `isKinactError`. */
  readonly [brand] = true;

  /** Applications rarely make one, but a source or a sink of their own may. The message is escaped. */
  constructor(
    code: ErrorCode,
    message: string,
    options: {
      /** The error behind it. */
      readonly cause?: unknown;
      /** Whether the same call may succeed later. Default false. */
      readonly retryable?: boolean;
      /** What it is about. Default empty. */
      readonly data?: ErrorData;
    } = {},
  ) {
    super(visible(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.data = options.data ?? {};
  }

  /**
   * What `JSON.stringify` shows: name, code, message, retryable, data, stack, and the causes. A cause is an object of its own, with
   * name, message, stack, `code` if it has one, and its own cause. Eight causes are shown, and none twice. A cause that is no error is
   * its text.
   */
  toJSON(): object {
    const { name, code, message, retryable, data } = this;
    const { stack, cause } = describeError(this) as DescribedError;
    return { name, code, message, retryable, data, stack, ...(cause === undefined ? {} : { cause }) };
  }
}

/** Whether the error is a KinactError, of this or another copy of the package. */
export function isKinactError(error: unknown): error is KinactError {
  return isBranded(error, brand);
}
