// Writes docs/errors.md out of `errorCodes` of src/errors.ts and, for each code, where it is met, whether it may pass by
// itself and what to do. Called by scripts/docs.mjs; test/house/docs-pages.test.ts compares, and checks `retryable`
// against the sources.

/** `retryable`: 'no', or when `error.retryable` is true. */
const advice = {
  INVALID_OPTION: [
    'createConsumer, kinesisStream, defineReducer, encodeAggregate, `stop`, `on`; every function of `kinact/supervision` and `kinact/testing`',
    'no',
    'Correct the option that `data.option` names.',
  ],
  NOT_BUILT: ['createConsumer, defineReducer', 'no', 'Use what the message names instead.'],
  STREAM_NOT_FOUND: [
    'start, `sourceFailed`, `closed`; `retrying`',
    'no',
    'Create the stream, or correct name, region or account.',
  ],
  STREAM_CHANGED: [
    'start, `sourceFailed`, `closed`',
    'no',
    'If the stream was created anew, stop all workers and run `kinact reset`, which says where they begin: [reset.md](reset.md). If two streams share an application name, give each its own, or set `leases.multiStream`.',
  ],
  ACCESS_DENIED: [
    'start; later in `retrying`',
    'no',
    'Grant the operation that `data.operation` names; all of them are in [operating.md](operating.md).',
  ],
  WRONG_REGION: ['start', 'no', 'Make ARN, `region` and endpoint agree.'],
  CREDENTIALS_MISSING: [
    'start, `cause` of START_TIMEOUT, `retrying`',
    'when the session has expired or the clock was off, which the SDK mends by itself',
    'Configure credentials and region; correct the machine’s clock.',
  ],
  TABLE_NOT_KCL: ['start, `kinact leases`', 'no', 'Choose another `application` or `leases.tableName`.'],
  TABLE_NOT_FOUND: [
    '`kinact leases`; `retrying`',
    'in a consumer',
    'Correct the application name, or start a consumer first. A running consumer makes a deleted table anew.',
  ],
  KCL3_TABLE: [
    'start; `sourceFailed` and `closed`, when the table changes hands later',
    'no',
    'Use another application name, or roll the KCL 3 fleet back. When no KCL 3 worker runs any more: `kinact adopt --application A` (docs/kcl-compatibility.md), or by hand: delete every row that *has* an `entityType` other than `LEASE` (a row without one is a lease; a KCL 2.7.2 dies of a `WORKER_METRIC_STATS` row), every `checkpointOwner` attribute, and the side tables of KCL 3.0 to 3.4, `APPLICATION-CoordinatorState` and `APPLICATION-WorkerMetricStats`.',
  ],
  MALFORMED_LEASE: [
    '`retrying`; rows found by a scan come as the event `malformedLease`',
    'no',
    'Mend the row that `data.leaseKey` names. One that is deleted is made anew, without its checkpoint.',
  ],
  START_TIMEOUT: ['start', 'always', 'Look at `cause`; start again when it is mended.'],
  WORKER_ID_IN_USE: [
    '`error` of a `warning`',
    'no',
    'Give every process a `workerId` of its own, or leave it to the default.',
  ],
  LEASE_LOST: [
    'reason of `item.signal`',
    'no',
    'Nothing: the records are delivered by the new owner. Give up work that is under way.',
  ],
  PENDING_LIMIT_TOO_SMALL: [
    '`pipelineRestarted`, `cause` of RESTART_INTENSITY',
    'no',
    'Raise `maxPending`, or acknowledge earlier; `data.actor` holds the oldest record.',
  ],
  WATCHDOG: [
    '`pipelineRestarted`, `cause` of RESTART_INTENSITY',
    'no',
    'Find out what the holder in `data.actor` waits for; put deadlines on your calls.',
  ],
  POISON_RECORD: [
    '`closed`',
    'no',
    'Mend what fails on the record that `data` names, or choose an `onFailure`. Without that the next process ends in the same way.',
  ],
  RESTART_INTENSITY: [
    '`closed`',
    'no',
    '`cause` is the last crash: mend that. A supervisor of the process (systemd, Kubernetes) may start it again.',
  ],
  PROCESSING_FAILED: [
    '`pipelineRestarted`; `cause` of POISON_RECORD and RESTART_INTENSITY',
    'no',
    '`cause` is what your function threw, `data` names the record.',
  ],
  DUPLICATE_RECORD: ['`pipelineRestarted`', 'no', 'Set `onDuplicate` to `skip`, unless you want to look into it.'],
  UNDECODABLE_RECORD: [
    '`onFailure`, `recordSkipped`, `pipelineRestarted`',
    'no',
    "Mend the producer; `onFailure: 'skip'` passes over such records.",
  ],
  ACTOR_STOPPED: [
    '`kinact/supervision`',
    'no',
    'Ask the actor that took its place. `cause` is what it, or the actor above it, crashed with.',
  ],
  ASK_TIMEOUT: [
    '`kinact/supervision`',
    'always',
    'Ask again, or allow more time. The question may have been acted on.',
  ],
  INVALID_BEHAVIOUR: [
    '`actorCrashed`; `cause` of START_FAILED; `kinact/supervision`',
    'no',
    'Correct the behaviour: the message says what it returned.',
  ],
  START_FAILED: ['`closed`, `kinact/supervision`', 'no', '`cause` is what the child threw.'],
  PARENT_STOPPED: [
    '`closed`; `spawn` under such a parent',
    'no',
    'Call `consumer.stop()` before you stop the parent: it drains. Without it leases are released where their frontiers are, and records under way are replayed.',
  ],
  REFUSED: ['`kinact reset`', 'no', 'Remove what the message names, and run the command again.'],
  STOPPED: ['start, when `stop` was called; calls that were aborted', 'no', 'Nothing: it was asked for.'],
  AWS_ERROR: [
    '`retrying`; `cause` of others',
    'when throttled, on network failures, timeouts, failures of the service and of its encryption keys',
    'When it is not retryable, `cause` and `data.operation` say what was refused. `data.outcomeUnknown`: a write may have been carried out.',
  ],
  PEER_MISSING: ['`kinact/testing`, `kinact demo`', 'no', 'Run the install line in the message.'],
  BROKEN_INVARIANT: ['anywhere', 'no', 'Report it.'],
};

const cell = (text) => text.replaceAll('|', '\\|');

/** What the page says of `error.retryable`, by code. */
export const retryableOf = (code) => advice[code]?.[1];

/** @param {Readonly<Record<string, string>>} errorCodes */
export function errorsPage(errorCodes) {
  const rows = Object.entries(errorCodes).map(([code, meaning]) => {
    if (advice[code] === undefined) throw new Error(`scripts/errors-page.mjs has no advice for ${code}`);
    const [where, retryable, action] = advice[code];
    return `| \`${code}\` | ${cell(meaning)} | ${cell(where)} | ${cell(retryable)} | ${cell(action)} |`;
  });
  for (const code of Object.keys(advice)) {
    if (!(code in errorCodes)) throw new Error(`scripts/errors-page.mjs has advice for ${code}, which is no code`);
  }
  return `# Errors

<!-- Generated from errorCodes in src/errors.ts by \`npm run build && node scripts/docs.mjs\`. Edits belong there and in scripts/errors-page.mjs. -->

Every error that leaves kinact is a \`KinactError\` with a \`code\` of this closed set, \`retryable\`, \`cause\` and \`data\`. Tell
it apart with \`isKinactError(error)\`, which also recognises errors of another copy of the package. A code never changes its
meaning.

\`retryable\` says whether the same call may succeed later without anyone changing anything.

## What ends what

Sources are isolated from one another. One that fails for good says \`sourceFailed\`, gives its leases back and is read no
more; the others go on. When none is left, the consumer ends: \`closed\` rejects with the error of the last one.

- **At start**, before a source has been read once, it fails at once with STREAM_NOT_FOUND, STREAM_CHANGED, ACCESS_DENIED,
  WRONG_REGION or CREDENTIALS_MISSING. TABLE_NOT_KCL, KCL3_TABLE, and what is refused on the lease table, fail every
  source of that table. Everything else is tried again with back-off. \`start()\` rejects when no source can be read, and
  resolves when some can: \`ready()\` is then false and names the others. One that only is late joins when it can.
- **Later**, once a source has been read, it fails with STREAM_CHANGED, and with STREAM_NOT_FOUND when every description asked
  for over 60 s, at least five, finds no such stream; all sources of a table fail with KCL3_TABLE. Any other answer of Kinesis
  or DynamoDB, a refused permission too, is waited out: the call is repeated with back-off, each failure is an event
  \`retrying\` with \`kind\` and \`attempt\`, and after 30 s \`ready()\` is false and says which call fails and why.
- What else ends a consumer has nothing to do with the services: POISON_RECORD, RESTART_INTENSITY, PARENT_STOPPED.

## Codes

*Met* names functions that throw or reject with the code, events (in \`code font\`) that carry it, and \`closed\`, the promise
that rejects when the consumer ends by itself.

| code | meaning | met | retryable | what to do |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
