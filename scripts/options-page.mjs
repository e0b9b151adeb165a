// Writes docs/options.md from the option tables. Options without a table come from an interface in src and its TSDoc. Called by
// scripts/docs.mjs. test/repository/options-page.test.ts checks that the page is current.
import ts from 'typescript';

const cell = (text) => text.replaceAll('|', '\\|');

function table(rows) {
  const lines = ['| option | values | default | meaning |', '|---|---|---|---|'];
  for (const [name, { expected, shown, doc }] of Object.entries(rows)) {
    lines.push(`| \`${name}\` | ${cell(expected)} | ${cell(shown)} | ${cell(doc)} |`);
  }
  return lines.join('\n');
}

/** The options that an interface declares, with their types and texts. */
function members(source, name) {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.ES2023, true);
  const found = file.statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === name);
  if (found === undefined) throw new Error(`scripts/options-page.mjs finds no interface ${name}`);
  const lines = ['| option | type | meaning |', '|---|---|---|'];
  for (const member of found.members) {
    const type = member.type
      .getText(file)
      .replaceAll(/\s+/g, ' ')
      .replace('( ', '(')
      .replace(', )', ')')
      .replace(/ \| undefined$/, '')
      .replace(/^\((.*)\)$/, '$1');
    // A member of this type is no option: it only tells one kind of definition from the other.
    if (type === 'undefined') continue;
    const [comment] = ts.getJSDocCommentsAndTags(member);
    if (comment === undefined) throw new Error(`${name}.${member.name.getText(file)} has no TSDoc`);
    const doc = ts.getTextOfJSDocComment(comment.comment).replaceAll(/\s+/g, ' ');
    lines.push(`| \`${member.name.getText(file)}\` | \`${cell(type)}\` | ${cell(doc)} |`);
  }
  return lines.join('\n');
}

/** The first argument holds tables of src. `reducer` is the text of src/api/reducer.ts. */
export function optionsPage(
  { consumer, kinesisStream, dynamodbStream, run, fileSink, kinesisSink, openPipe, openPipeCalls },
  { reducer },
) {
  const groupsOf = (rows) =>
    Object.entries(rows)
      .filter(([, { type }]) => type.rows !== undefined)
      .flatMap(([name, { doc, type }]) => [`### ${name}`, doc, table(type.rows)]);
  return [
    '# Options',
    '<!-- Generated from the tables in src by `npm run build && node scripts/docs.mjs`. Edits belong there. -->',
    'Options are checked once, at construction. `undefined` stands for the default; 0, `false` and the empty string are values.\nA `KinactError` of code `INVALID_OPTION` refuses an unknown name, and a value of another type or out of bounds. It says path, expected\nand got. Durations are in\nmilliseconds (`…Ms`), sizes in bytes (`…Bytes`).',
    '## createConsumer',
    table(consumer),
    ...groupsOf(consumer),
    'What concerns several at once: `flushIntervalMs`, or the reducer’s `batch.intervalMs`, must be below `watchdogMs`, and so must the time for\nwhich a node of a pipe keeps a message (`keepsForMs`). `key`\nand `extract` exclude one another. Two sources of one stream are refused, and so are two sources in one lease table\nwithout `leases.multiStream`.',
    '## kinesisStream',
    table(kinesisStream),
    ...groupsOf(kinesisStream),
    '## dynamodbStream',
    'The changes of a DynamoDB table: [dynamodb-streams.md](dynamodb-streams.md).',
    table(dynamodbStream),
    ...groupsOf(dynamodbStream),
    '## fileSink',
    'The files of parked items: [parked.md](parked.md).',
    table(fileSink),
    '## kinesisSink',
    'A stream of parked items: [parked.md](parked.md).',
    table(kinesisSink),
    '## defineReducer',
    'With `reduce`, items are folded into a state. `init` and `reduce` are required:',
    members(reducer, 'FoldingReducer'),
    '### batch',
    'When a flush happens: whichever comes first.',
    members(reducer, 'BatchLimits'),
    '### A raw behaviour',
    'With `behaviour` in the place of `reduce`, both required, and without `flush`, `batch`, `acknowledge`, `stateBy` and `collectsOnly`:',
    members(reducer, 'RawReducer'),
    '### A reducer without state',
    'With `process` in the place of `init` and `reduce`. Only `batch`, `concurrency` and `timeoutMs` go with it:',
    members(reducer, 'ProcessReducer'),
    '## runUntilSignal',
    'The second argument of `runUntilSignal(consumer, options)`:',
    table(run),
    '`consumer.stop({ deadlineMs })` takes the same `deadlineMs`, with the same default.',
    '## openPipe',
    'The second argument of `openPipe(pipe, options)`: [pipes.md](pipes.md#a-pipe-without-a-consumer). `runtime` is that of `createConsumer`.',
    table(openPipe),
    ...Object.entries(openPipeCalls).flatMap(([call, rows]) => [`### ${call}`, table(rows)]),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}
