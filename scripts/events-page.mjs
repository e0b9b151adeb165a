// Writes docs/events.md out of the interface ConsumerEvents of src/api/events.ts: name, text and data of every event, and what
// to make of it. Called by scripts/docs.mjs; test/repository/docs-pages.test.ts compares.
import ts from 'typescript';

const advice = {
  leaseTaken:
    'Normal. Often, without workers coming or going: look for two processes with one worker id, or a `failoverMs` that differs.',
  leaseLost:
    'Normal when a worker joins, and after a pause longer than `failoverMs`. What was folded and not checkpointed is delivered again by the new owner.',
  leaseReleased:
    'Normal at a stop. With another reason than `stopping`: the reason says what the process gave the shard up for.',
  leaseHandedOver: 'Normal when a worker joins: nothing of the shard is delivered again.',
  shardStarted: 'Normal; `fence` is what `item.fence` will be.',
  shardEnded: 'Normal after a reshard.',
  checkpoint:
    'Normal: about three in `failoverMs` for a shard that moves; more or fewer with `checkpointIntervalMs`, more with `checkpointRecords`.',
  recordSkipped: 'Passed over by your own policy, for good: the listener is the place to keep what you need of it.',
  outOfRange: 'A producer aggregates keys of several shards and `outOfRange` is not `emit`.',
  malformedAggregate:
    'A producer writes broken aggregates: correct it. In the first case look at what your code makes of such a record.',
  trimmed:
    'The consumer was away, or behind, for longer than the stream’s retention: records are gone, or with `certain: false` may be.',
  throttled:
    'Several applications read this shard by polling, or records are large: 5 reads/s and 2 MB/s are all a shard has.',
  retrying: 'Nothing, while it passes. For the lease table it must pass within `failoverMs`.',
  recordDistribution:
    'Somebody has set the stream’s `RecordDistributionStrategy`: see [streams.md](streams.md). Under AUTO no key has an order.',
  malformedLease:
    'Mend the row: nobody reads that shard until then. Deleting it works too, at the price of its checkpoint.',
  leaseHole: 'Somebody deleted a row, or a reshard went wrong; look whether it comes again.',
  leaseUnread:
    'The reason says why. It heals by itself, or the lease goes to another worker; when it comes again and again, report it with `status()`.',
  leaseContradiction:
    'Somebody ended the row by hand, or the stream was deleted and created again. Have the shard read again: `kinact reset --application A --shard ID --to TRIM_HORIZON`, or another position.',
  noProgress:
    'Look for a call of yours that outlasts `failoverMs` (a synchronous `extract`, `key` or `reduce`, megabytes of JSON) or anything else that blocks the event loop; make it shorter, or raise `failoverMs`.',
  sourceFailed:
    'Read the error: it names the stream and the remedy. Nothing else is tried with this source until the consumer restarts.',
  leaseTableBusy:
    'Give the table more write capacity (a lease needs 3 writes in `failoverMs`, 1 more while it is taken), or raise `failoverMs` everywhere.',
  warning: 'Read the message.',
  pipelineRestarted:
    'Read the error: its code is PROCESSING_FAILED, UNDECODABLE_RECORD, WATCHDOG, PENDING_LIMIT_TOO_SMALL or DUPLICATE_RECORD; else it is what `init` or a source of your own threw, or a bug.',
  orphaned: 'Your function did not end when its signal aborted: it may write after its successor.',
  actorCrashed: 'Comes before `pipelineRestarted`; a crash of a lease keeper comes alone.',
  closed: 'The last event. With an error: end the process, so that what watches it starts a new one.',
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

/** `source`, `shardId`, …: one word per member, `?` where it may be absent. */
function dataOf(type, file) {
  if (ts.isIntersectionTypeNode(type)) return type.types.flatMap((part) => dataOf(part, file));
  if (ts.isTypeLiteralNode(type))
    return type.members.map((member) => `${member.name.getText(file)}${member.questionToken === undefined ? '' : '?'}`);
  const named = { ShardEvent: ['source', 'shardId'], Position: ['sequenceNumber', 'subSequenceNumber'] };
  const members = named[type.getText(file)];
  if (members === undefined) throw new Error(`scripts/events-page.mjs does not know the type ${type.getText(file)}`);
  return members;
}

/** @param {string} source the text of src/api/events.ts  @param {Readonly<Record<string, string>>} levels */
export function eventsPage(source, levels) {
  const events = eventsOf(source);
  const rows = events.map(({ name, text, data }) => {
    if (advice[name] === undefined) throw new Error(`scripts/events-page.mjs has no advice for ${name}`);
    return `| \`${name}\` | ${cell(text)} | ${data.map((each) => `\`${each}\``).join(', ')} | ${levels[name]} | ${cell(advice[name])} |`;
  });
  for (const name of Object.keys(advice)) {
    if (!events.some((event) => event.name === name)) throw new Error(`${name} is no event`);
  }
  return `# Events

<!-- Generated from src/api/events.ts by \`npm run build && node scripts/docs.mjs\`. Edits belong there and in scripts/events-page.mjs. -->

\`consumer.on(name, listener)\` listens to an event and returns the function that ends that; names and data are typed as
\`ConsumerEvents\`. A listener is called synchronously, must not block, and harms nobody when it throws: that is counted
(\`listenerFailures\` in \`status().counters\`) and logged. The logger gets every event as well, its data as the fields and its
name as the message, at the level below.

| event | when | data | level | what to make of it |
|---|---|---|---|---|
${rows.join('\n')}

\`source\` is the name of the source, \`sequenceNumber\` and \`subSequenceNumber\` name a record (0 for a plain one), \`actor\` is
a path as \`status().tree\` has it.
`;
}
