// Writes docs/events.md from the interface ConsumerEvents of src/api/events.ts: name, text and data of every event, and the
// `advice` below. Called by scripts/docs.mjs. test/repository/docs-pages.test.ts checks that the page is current.
import ts from 'typescript';

const advice = {
  leaseTaken:
    'Normal. If it fires often although no worker joins or leaves, look for two processes with the same worker id, or a different `failoverMs`.',
  leaseLost:
    'Normal when a worker joins, and after a pause longer than `failoverMs`. The new owner delivers again what was folded and not checkpointed.',
  leaseReleased: 'Normal at a stop. If `reason` is not `stopping`, it says why the process has given the shard up.',
  leaseHandedOver: 'Normal when a worker joins: nothing of the shard is delivered again.',
  shardStarted: 'Normal. `fence` is the `item.fence` of the items to come.',
  shardEnded: 'Normal after a reshard.',
  checkpoint:
    'Normal: about three in `failoverMs` for a shard that makes progress. `checkpointIntervalMs` makes them more or less frequent, `checkpointRecords` more frequent.',
  recordSkipped: 'Your own policy has skipped it for good. Use the listener to keep the data that you need.',
  itemRetrying:
    '`error` says why the call failed. If the record itself is bad, let `onFailure` end it; until then its key waits, and the checkpoint stays before it.',
  itemRecovered: 'Nothing: the call has succeeded.',
  readingStopped:
    'The record that it names holds back the checkpoint of its shard, and everything behind. `error` says why. Repair what it writes to, or let `onFailure` end it. Records that expire meanwhile are lost.',
  readingResumed: 'Nothing: kinact reads the shard again.',
  outageStarted:
    'What your functions write to is probably down: `error` says why. Nothing is lost while records wait, until they expire from the stream.',
  outageEnded: 'Nothing: calls succeed again.',
  itemParked: 'Read `error`, correct what is wrong, and bring the item back from the sink.',
  parkingFailed:
    'Nothing is lost: the item waits, and checkpoints stay before it. `error` says why the sink failed: a full disk, a missing permission, a service that is down.',
  outOfRange: 'A producer aggregates keys of several shards, and `outOfRange` is not `emit`.',
  malformedAggregate:
    'A producer writes broken aggregates: correct the producer. If the whole record was delivered, check what your code makes of it.',
  retentionAtRisk:
    'Act before the records expire: repair what the calls write to, end a pause, or add workers. A longer retention of the stream gives you time at once.',
  trimmed:
    'The consumer was away, or behind, for longer than the stream’s retention. Records are lost, or may be (`certain: false`).',
  throttled:
    'Several applications poll this shard, or its records are large. A shard allows 5 reads/s and 2 MB/s in all.',
  retrying: 'Nothing to do, if the failure passes. For the lease table it must pass within `failoverMs`.',
  retrievalChanged:
    'Nothing, if `by` is `fan-out`, or soon after. Otherwise `error` says what is missing; kinact keeps trying. FAN_OUT_UNAVAILABLE: somebody has to do what the message says. See [streams.md](streams.md).',
  subscriptionTakenOver:
    'Two applications use one consumer name, and take the subscriptions from each other. Give each its own `consumerName`.',
  recordDistribution:
    'Somebody has set the stream’s `RecordDistributionStrategy`: see [streams.md](streams.md). Under AUTO the records of a key have no order.',
  malformedLease:
    'Correct the row: no worker reads the shard until then. You may also delete the row, but then its checkpoint is lost.',
  checkpointBeyondTip:
    'Somebody set the checkpoint by hand, or the stream was created again with lower numbers. Do what `remedy` says; the workers must start again.',
  leaseHole: 'Somebody deleted a row, or a reshard went wrong. Watch whether the event comes again.',
  leaseUnread:
    '`reason` says why. The worker recovers, or the lease goes to another worker. If the event comes again and again, report it with `status()`.',
  leaseContradiction:
    'Somebody ended the row by hand, or the stream was deleted and created again. To read the shard again, run `kinact reset --application A --shard ID --to TRIM_HORIZON`, or with another position.',
  noProgress:
    'Look for a call of yours that takes longer than `failoverMs` (a synchronous `extract`, `key` or `reduce`, megabytes of JSON), or for other code that blocks the event loop. Make it shorter, or raise `failoverMs`.',
  sourceFailed:
    'Read the error: it names the stream and the remedy. kinact does not try this source again until the consumer restarts.',
  leaseTableBusy:
    'Give the table more write capacity (a lease needs 3 writes in `failoverMs`, and 1 more to be taken), or raise `failoverMs` on all workers.',
  paused: 'Your own code has done this. It is logged because the shards of this process fall behind until `resumed`.',
  resumed: 'Nothing: the shards are read from where they were.',
  warning:
    'Read the message. If the error is PENDING_LIMIT_TOO_SMALL, raise the bound that it names, or acknowledge earlier.',
  pipelineRestarted:
    'Read the error. Its code is PROCESSING_FAILED, UNDECODABLE_RECORD, WATCHDOG, PENDING_LIMIT_TOO_SMALL or DUPLICATE_RECORD. Otherwise `init` or a source of your own threw it, or it is a bug.',
  orphaned: 'Your function did not end when its signal aborted. It may still write after its successor has written.',
  actorCrashed: 'Comes before `pipelineRestarted`. After the crash of a lease keeper, the pipeline does not restart.',
  closed: 'The last event. If it has an error, end the process, so that its supervisor starts a new one.',
};

/** What the level of an event depends on. */
const levelNotes = {
  closed: '; error if it has an error',
  retrievalChanged: '; warn if `error` is FAN_OUT_UNAVAILABLE',
};

const cell = (text) => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();

/** `{ name, text, data }` of each event, as src/api/events.ts declares them. */
export function eventsOf(source) {
  const file = ts.createSourceFile('events.ts', source, ts.ScriptTarget.ES2023, true);
  const events = file.statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === 'ConsumerEvents');
  return events.members.map((member) => ({
    name: member.name.getText(file),
    text: ts.getTextOfJSDocComment(ts.getJSDocCommentsAndTags(member)[0].comment),
    data: dataOf(member.type, file),
  }));
}

/** The names of the members (`source`, `shardId`, …), each with `?` if the member may be absent. */
function dataOf(type, file) {
  if (ts.isIntersectionTypeNode(type)) return type.types.flatMap((part) => dataOf(part, file));
  if (ts.isTypeLiteralNode(type))
    return type.members.map((member) => `${member.name.getText(file)}${member.questionToken === undefined ? '' : '?'}`);
  const record = ['source', 'shardId', 'sequenceNumber', 'subSequenceNumber'];
  const failed = [...record, 'key?', 'at', 'node?'];
  const row = ['source', 'shardId', 'table', 'leaseKey', 'remedy'];
  const named = {
    ShardEvent: record.slice(0, 2),
    PauseEvent: ['source?', 'shardId?'],
    Position: record.slice(2),
    RecordEvent: [...record, 'key?'],
    RowEvent: row,
    CheckpointEvent: [...row, 'checkpoint', 'newest', 'reason'],
    FailedCallEvent: failed,
    ParkedEvent: [...failed, 'items?'],
    SkippedEvent: [...record, 'key?', 'node?', 'items?'],
    ActorEvent: ['actor'],
  };
  const members = named[type.getText(file)];
  if (members === undefined) throw new Error(`scripts/events-page.mjs does not know the type ${type.getText(file)}`);
  return members;
}

/** @param {string} source the text of src/api/events.ts  @param {Readonly<Record<string, string>>} levels */
export function eventsPage(source, levels) {
  const events = eventsOf(source);
  const rows = events.map(({ name, text, data }) => {
    if (advice[name] === undefined) throw new Error(`scripts/events-page.mjs has no advice for ${name}`);
    return `| \`${name}\` | ${cell(text)} | ${data.map((each) => `\`${each}\``).join(', ')} | ${levels[name]}${levelNotes[name] ?? ''} | ${cell(advice[name])} |`;
  });
  for (const name of Object.keys(advice)) {
    if (!events.some((event) => event.name === name)) throw new Error(`${name} is no event`);
  }
  return `# Events

<!-- Generated from src/api/events.ts by \`npm run build && node scripts/docs.mjs\`. Edits belong there and in scripts/events-page.mjs. -->

\`consumer.on(name, listener)\` listens to an event and returns a function that unsubscribes. Names and data are typed as
\`ConsumerEvents\`. A listener is called synchronously and must not block. If it throws, the error is logged and counted
(\`listenerFailures\` in \`status().counters\`), nothing more. The logger gets every event as well, at the level below.
The text of its line is the name, what the event says in words, and the messages of the error and of its causes. The fields are
\`event\` (the name) and the data. The error is the field \`err\`, which pino, bunyan and winston show with stack and causes; the option
\`logger\` has the [default](options.md).

| event | when | data | level | what to make of it |
|---|---|---|---|---|
${rows.join('\n')}

\`source\` is the name of the source. \`sequenceNumber\` and \`subSequenceNumber\` name a record (\`subSequenceNumber\` is 0 for a plain
record). \`actor\` is a path as in \`status().tree\`.
`;
}
