// Writes docs/options.md out of the option tables. Called by scripts/docs.mjs; test/house/options-page.test.ts compares.

const cell = (text) => text.replaceAll('|', '\\|');

function table(rows) {
  const lines = ['| option | values | default | meaning |', '|---|---|---|---|'];
  for (const [name, { expected, shown, doc }] of Object.entries(rows)) {
    lines.push(`| \`${name}\` | ${cell(expected)} | ${cell(shown)} | ${cell(doc)} |`);
  }
  return lines.join('\n');
}

/** `{ consumer, kinesisStream }`: the tables of src. */
export function optionsPage({ consumer, kinesisStream }) {
  const groupsOf = (rows) =>
    Object.entries(rows)
      .filter(([, row]) => row.rows !== undefined)
      .flatMap(([name, row]) => [`### ${name}`, row.doc, table(row.rows)]);
  return [
    '# Options',
    '<!-- Generated from the tables in src by `npm run build && node scripts/docs.mjs`. Edits belong there. -->',
    'Options are checked once, at construction. `undefined` stands for the default; 0, `false` and the empty string are values.\nA name that is not in its table, a value of another type or out of bounds is refused with a `KinactError` of code\n`INVALID_OPTION`, which says path, expected and got; a value of a later version with `NOT_BUILT`. Durations are in\nmilliseconds (`…Ms`), sizes in bytes (`…Bytes`).',
    '## createConsumer',
    table(consumer),
    ...groupsOf(consumer),
    'What concerns several at once: `flushIntervalMs`, or the reducer’s `batch.intervalMs`, must be below `watchdogMs`; `key`\nand `extract` exclude one another; two sources of one stream are refused, and so are two sources in one lease table\nwithout `leases.multiStream`.',
    '## kinesisStream',
    table(kinesisStream),
    ...groupsOf(kinesisStream),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}
