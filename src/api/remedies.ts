// The remedy for each error code, in Markdown with links between pages of docs. docs/errors.md is generated from this table, and
// `runUntilSignal` prints the remedy of an uncaught error.
import type { ErrorCode } from './errors.js';

export const remedies: Readonly<Record<ErrorCode, string>> = {
  INVALID_OPTION: 'Correct the option that `data.option` names.',
  STREAM_NOT_FOUND: 'Create the stream (of a table: enable it), or correct name, region or account.',
  STREAM_CHANGED:
    'If the stream was deleted and created again, or the stream of a table disabled and enabled again, stop all workers and run `kinact reset`, which sets where they begin: [reset.md](reset.md). If two streams share an application name, give each its own, or set `leases.multiStream`.',
  ACCESS_DENIED: 'Grant the operation that `data.operation` names; all of them are in [operating.md](operating.md).',
  WRONG_REGION: 'Make ARN, `region` and endpoint agree.',
  CREDENTIALS_MISSING: 'Configure credentials and region; correct the machine’s clock.',
  FAN_OUT_UNAVAILABLE:
    "Grant the permissions of [streams.md](streams.md#enhanced-fan-out), deregister a consumer that nobody uses, or correct `consumerArn`. With `retrieval: 'auto'` kinact polls until the consumer can be had.",
  TABLE_NOT_KCL:
    'Choose another `application` or `leases.tableName`: without the latter, the lease table has the name of the application. So an application cannot have the name of the table whose changes it reads.',
  TABLE_NOT_FOUND:
    'Correct the application name, or start a consumer first. A running consumer recreates a deleted table.',
  KCL3_TABLE:
    'Use another application name, or roll the KCL 3 fleet back. When no KCL 3 worker runs any more, run `kinact adopt --application A` ([by hand](kcl-compatibility.md#leaving-kcl-3-by-hand)).',
  MALFORMED_LEASE:
    'Correct the row that `data.leaseKey` names. A row that you delete is created again, without its checkpoint.',
  START_TIMEOUT: 'Look at `cause`; start again when it is repaired.',
  WORKER_ID_IN_USE: 'Give every process a `workerId` of its own, or leave it to the default.',
  LEASE_LOST: 'Give up work that is under way. Everything that is not settled is delivered again, here or elsewhere.',
  PENDING_LIMIT_TOO_SMALL:
    'Raise `maxPending`, `maxPendingBytes` or `maxBytes`, whichever is reached, or acknowledge earlier; `data.actor` holds the oldest record.',
  WATCHDOG: 'Find out what the actor in `data.actor` waits for; put deadlines on your calls.',
  TOO_MANY_FAILURES:
    'Repair what your functions write to; `cause` says what failed. With the default `onFailure: retry()` the consumer waits for it instead.',
  POISON_RECORD:
    'Repair what fails on the record that `data` names, or choose an `onFailure`. Otherwise the next process ends in the same way.',
  RESTART_INTENSITY:
    '`cause` is the last crash: repair that. A supervisor of the process (systemd, Kubernetes) may start it again.',
  PIPE_EXITED:
    'Nothing, if it was meant: the pipeline restarts. If a callback asks for the end again and again, the consumer ends with TOO_MANY_FAILURES.',
  PIPE_TIMEOUT:
    'If `data.outcomeUnknown` is true, what was fed may still be processed: wait until it is settled, or feed it again and refuse repeats. Otherwise feed it again. `status()` of the open pipe shows what its nodes do. See [pipes.md](pipes.md#a-pipe-without-a-consumer).',
  PROCESSING_FAILED: '`cause` is what your function threw, `data` names the record.',
  DUPLICATE_RECORD: 'Set `onDuplicate` to `skip`, unless you want to look into it.',
  PARKING_FAILED:
    'Repair what `cause` names. If the folder is full, replay what is parked and move its files away, or raise `maxBytes`. See [parked.md](parked.md).',
  UNDECODABLE_RECORD: "Correct the producer; `onFailure: 'skip'` passes over such records.",
  ACTOR_STOPPED:
    'Ask the actor that took its place. `cause` is what the stopped actor, or the one above it, crashed with.',
  ASK_TIMEOUT: 'Ask again, or allow more time. The question may have been acted on.',
  INVALID_BEHAVIOUR: 'Correct the behaviour: the message says what it returned.',
  START_FAILED: '`cause` is what the child threw.',
  PARENT_STOPPED:
    'Call `consumer.stop()` before you stop the parent: it drains. Otherwise each lease is released at its last settled record, and records under way are replayed.',
  REFUSED: 'Remove what the message names, and run the command or call the method again.',
  INJECTED_FAULT: 'Nothing: your test asked for it.',
  STOPPED: 'Nothing: it was asked for.',
  AWS_ERROR:
    'If not retryable: `cause` and `data.operation` show what was refused. `data.outcomeUnknown`: a write may have taken effect.',
  PEER_MISSING: 'Run the install line in the message.',
  BROKEN_INVARIANT: 'Report it.',
};
