// Writes docs/errors.md from `errorCodes` of src/api/errors.ts, `remedies` of src/api/remedies.ts and the `advice` below. Called by
// scripts/docs.mjs. test/repository/docs-pages.test.ts checks that the page is current, and checks `retryable` against the sources.

/** For each code: where users meet the code, and when `error.retryable` is true ('no' if never). */
const advice = {
  INVALID_OPTION: [
    'createConsumer, kinesisStream, defineReducer, start, runUntilSignal, encodeAggregate, decodeAggregate, `stop`, `on`; every function of `kinact/supervision` and `kinact/testing`',
    'no',
  ],
  STREAM_NOT_FOUND: ['start, `sourceFailed`, `closed`; `retrying`', 'no'],
  STREAM_CHANGED: ['start, `sourceFailed`, `closed`', 'no'],
  ACCESS_DENIED: ['start, `sourceFailed`, `closed`; later in `retrying`', 'no'],
  WRONG_REGION: ['start, `sourceFailed`, `closed`', 'no'],
  FAN_OUT_UNAVAILABLE: ['start, `sourceFailed`, `closed`', 'no'],
  CREDENTIALS_MISSING: [
    'start, `sourceFailed`, `closed`, `cause` of START_TIMEOUT, `retrying`',
    'if the session has expired or the clock was wrong: the SDK repairs both by itself',
  ],
  TABLE_NOT_KCL: ['start, `sourceFailed`, `closed`; `kinact leases`, `kinact reset`, `kinact adopt`', 'no'],
  TABLE_NOT_FOUND: ['`kinact leases`, `kinact reset`, `kinact adopt`; `retrying`', 'in a consumer'],
  KCL3_TABLE: ['start, `kinact reset`; `sourceFailed` and `closed`, also when the table changes hands later', 'no'],
  MALFORMED_LEASE: ['`retrying`; rows found by a scan come as the event `malformedLease`', 'no'],
  START_TIMEOUT: ['start', 'always'],
  WORKER_ID_IN_USE: ['`error` of a `warning`', 'no'],
  LEASE_LOST: ['reason of `item.signal`', 'no'],
  PENDING_LIMIT_TOO_SMALL: ['`error` of a `warning`; `pipelineRestarted`, `cause` of RESTART_INTENSITY', 'no'],
  WATCHDOG: ['`pipelineRestarted`, `cause` of RESTART_INTENSITY', 'no'],
  TOO_MANY_FAILURES: ['`closed`', 'no'],
  POISON_RECORD: ['`closed`', 'no'],
  RESTART_INTENSITY: ['`closed`', 'no'],
  PIPE_EXITED: ['`pipelineRestarted`; `cause` of TOO_MANY_FAILURES; the ending of an open pipe', 'no'],
  PIPE_TIMEOUT: [
    '`feed`, `feedAll` and `flush` of an open pipe; `error` of its ending',
    'if the call had not begun: nothing was fed, or flushed',
  ],
  PROCESSING_FAILED: ['`pipelineRestarted`; `cause` of POISON_RECORD and TOO_MANY_FAILURES', 'no'],
  DUPLICATE_RECORD: ['`pipelineRestarted`', 'no'],
  PARKING_FAILED: ['`fileSink`, `kinesisSink`, `start()`; `cause` of a failed attempt to park', 'no'],
  UNDECODABLE_RECORD: ['`onFailure`, `recordSkipped`, `pipelineRestarted`', 'no'],
  ACTOR_STOPPED: ['`kinact/supervision`', 'no'],
  ASK_TIMEOUT: ['`kinact/supervision`', 'always'],
  INVALID_BEHAVIOUR: ['`actorCrashed`; `cause` of START_FAILED; `kinact/supervision`', 'no'],
  START_FAILED: ['start, `closed`, `kinact/supervision`', 'no'],
  PARENT_STOPPED: ['`closed`; `spawn` under such a parent', 'no'],
  REFUSED: ['`kinact reset`, `kinact adopt`, `ManualClock`; calls of an open pipe in a callback of its nodes', 'no'],
  INJECTED_FAULT: ['`kinact/testing`; `actorCrashed`, `retrying` or `cause` of others in such a test', 'no'],
  STOPPED: ['start, when `stop` was called; calls that were aborted', 'no'],
  AWS_ERROR: [
    '`retrying`; `cause` of others',
    'for throttling, network failures, timeouts, and failures of the service or of its encryption keys',
  ],
  PEER_MISSING: ['`kinact/testing`, `kinact demo`', 'no'],
  BROKEN_INVARIANT: ['anywhere', 'no'],
};

const cell = (text) => text.replaceAll('|', '\\|');

/** The page's text about `error.retryable` for a code. */
export const retryableOf = (code) => advice[code]?.[1];

/**
 * @param {Readonly<Record<string, string>>} errorCodes
 * @param {Readonly<Record<string, string>>} remedies
 */
export function errorsPage(errorCodes, remedies) {
  const rows = Object.entries(errorCodes).map(([code, meaning]) => {
    if (advice[code] === undefined) throw new Error(`scripts/errors-page.mjs has no advice for ${code}`);
    const [where, retryable] = advice[code];
    return `| \`${code}\` | ${cell(meaning)} | ${cell(where)} | ${cell(retryable)} | ${cell(remedies[code])} |`;
  });
  for (const code of Object.keys(advice)) {
    if (!(code in errorCodes)) throw new Error(`scripts/errors-page.mjs has advice for ${code}, which is no code`);
  }
  return `# Errors

<!-- Generated from errorCodes in src/api/errors.ts by \`npm run build && node scripts/docs.mjs\`. Edits belong there, in src/api/remedies.ts and in scripts/errors-page.mjs. -->

kinact's own errors are \`KinactError\`s with a \`code\` from this closed set, \`retryable\`, \`cause\` and \`data\`. There is one exception:
\`retrying\`, \`warning\` and the sources of \`status()\` may carry a plain \`Error\` of kinact without a code. Such an error says that
answers of a service contradict each other, or that the position where reading begins may be too early. The \`error\` of an event, of
\`status()\` or of \`closed\` may also be any value that your code, or a source of your own, threw. \`isKinactError(error)\` recognizes a
\`KinactError\`, also of another copy of the package. A code never changes its meaning.

\`retryable\` says whether the same call may succeed later without any change. It is for callers: inside a running consumer,
\`src/api/final-errors.ts\` decides which errors are final, and every other failed call of a service is repeated.

## What ends what

Sources are isolated from one another. If a source fails for good, the event \`sourceFailed\` fires, its leases are released, and the
source is not read again. The other sources continue. When no source is left, the consumer ends: \`closed\` rejects with the error of
the last source.

- **At start**, before a source has been read once, these errors end the source at once: STREAM_NOT_FOUND, STREAM_CHANGED,
  ACCESS_DENIED, WRONG_REGION, FAN_OUT_UNAVAILABLE, a CREDENTIALS_MISSING that is not \`retryable\`, and INVALID_OPTION (an
  \`outOfRange\` that drops, on a stream under AUTO, or a \`client\` of another service). TABLE_NOT_KCL, KCL3_TABLE, and a
  refused call to the lease table, end every source of that table. After any other error, kinact tries again with back-off.
  \`start()\` rejects if no source can be read, and resolves if at least one can. Then \`ready().ok\` is false, and \`reasons\` names
  the other sources. A late source joins when it can be read.
- **Later**, after a source has been read once, STREAM_CHANGED ends it. STREAM_NOT_FOUND ends it if no description finds the stream
  for over 60 s, in at least five attempts. KCL3_TABLE ends all sources of a table. Any other error of Kinesis or DynamoDB, even a
  refused permission, ends nothing. The call is repeated with back-off, and each failure is an event \`retrying\` with \`kind\` and
  \`attempt\`. After 30 s of failures \`ready().ok\` is false, and \`reasons\` says which call fails and why.
- **Other causes**: a consumer also ends with POISON_RECORD, TOO_MANY_FAILURES, RESTART_INTENSITY, START_FAILED (a reducer's
  \`init\` threw at the first start) and PARENT_STOPPED. The services have no part in these.

## What ends the process

kinact itself ends a process only in \`runUntilSignal\`. It sets the exit code, too:

| how it ends | \`runUntilSignal\` | exit code |
|---|---|---|
| a signal, or \`stop()\`; every shard is drained | resolves with the report | 0 |
| the same, but not every shard is drained | resolves with the report | 1 |
| the start fails, or the consumer ends by itself | rejects with the error | 1 |
| a second signal later than 2 s after the first | – | 128 + the signal's number |

If your code does not catch the rejection, the error is printed in a few lines, and the process ends at once. If your code catches it,
the code stays 1, and the process ends when nothing else keeps it alive.

With \`start()\` and \`closed\` of your own, the exit code is yours:

- **A failed \`start()\`** rejects. If nobody catches that, Node ends the process with code 1.
- **An end by itself** rejects \`closed\`. Node does not treat that as unhandled, and the process runs on, or ends with code 0. So listen:
  \`consumer.closed.catch(() => { process.exitCode = 1; })\`, and then end your servers.
- The end is the last line of the logger: \`closed\`, at level \`error\`, with the reason. With \`logger: false\`, and if nobody takes
  \`closed\` or listens to the event, the process gets a warning with the code \`KINACT_CLOSED\`.

## Codes

The column *met* names the functions that throw or reject with the code, and the events (in \`code font\`) that carry it. \`closed\` is
the promise that rejects when the consumer ends by itself.

| code | meaning | met | retryable | what to do |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
