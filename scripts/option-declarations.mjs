// Writes the declarations of the options, with their TSDoc, from the option tables. Inferred types would lose texts, defaults and
// examples. Called by scripts/docs.mjs. test/repository/option-declarations.test.ts compares the files, test/types the types.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { root } from './steps.mjs';

const width = 120;
const header = '// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.';

const main = { folder: 'src/api/generated', entry: 'kinact' };
const supervision = { folder: 'supervision/generated', entry: 'kinact/supervision' };
const testing = { folder: 'src/testing/generated', entry: 'kinact/testing' };

/**
 * The interfaces to generate. Interfaces that a row names are generated with them. After you add an interface here, the first build
 * fails because the generated file is missing. The build still writes all that scripts/docs.mjs needs to generate the file.
 */
export const roots = [
  {
    module: 'src/options/consumer-option-table.js',
    table: 'consumerTable',
    name: 'ConsumerOptions',
    parameters: '<Value = any>',
    doc: 'What `createConsumer` takes. `undefined` stands for the default everywhere. `Value` is what `extract` makes and the reducer gets.',
    ...main,
  },
  {
    module: 'src/options/kinesis-stream-option-table.js',
    table: 'kinesisStreamTable',
    name: 'KinesisStreamOptions',
    doc: 'What `kinesisStream` takes. `undefined` stands for the default everywhere.',
    ...main,
  },
  {
    module: 'src/options/dynamodb-stream-option-table.js',
    table: 'dynamodbStreamTable',
    name: 'DynamodbStreamOptions',
    doc: 'What `dynamodbStream` takes. `undefined` stands for the default everywhere.',
    ...main,
  },
  {
    module: 'src/options/stop-option-tables.js',
    table: 'runTable',
    name: 'RunOptions',
    doc: 'The second argument of `runUntilSignal`.',
    ...main,
  },
  {
    module: 'src/options/stop-option-tables.js',
    table: 'stopTable',
    name: 'StopOptions',
    doc: 'What `consumer.stop` takes.',
    ...main,
  },
  {
    module: 'src/options/open-pipe-option-tables.js',
    table: 'openPipeTable',
    name: 'OpenPipeOptions',
    doc: 'What `openPipe` takes beside a pipe.',
    ...main,
  },
  {
    module: 'src/options/open-pipe-option-tables.js',
    table: 'feedTable',
    name: 'FeedOptions',
    doc: 'What `feed` and `feedAll` of an open pipe take beside values.',
    ...main,
  },
  {
    module: 'src/options/open-pipe-option-tables.js',
    table: 'flushTable',
    name: 'FlushOptions',
    doc: 'What `flush` of an open pipe takes.',
    ...main,
  },
  {
    module: 'src/options/open-pipe-option-tables.js',
    table: 'drainTable',
    name: 'DrainOptions',
    doc: 'What `finish` of an open pipe takes.',
    ...main,
  },
  {
    module: 'src/options/retry-policy.js',
    table: 'retryTable',
    name: 'RetryOptions',
    doc: 'What `retry` takes.',
    ...main,
  },
  {
    module: 'src/options/park-policy.js',
    table: 'parkTable',
    name: 'ParkOptions',
    doc: 'What `park` takes beside its sink.',
    ...main,
  },
  {
    module: 'src/options/sink-option-tables.js',
    table: 'fileSinkTable',
    name: 'FileSinkOptions',
    doc: 'What `fileSink` takes.',
    ...main,
  },
  {
    module: 'src/options/sink-option-tables.js',
    table: 'kinesisSinkTable',
    name: 'KinesisSinkOptions',
    doc: 'What `kinesisSink` takes.',
    ...main,
  },
  {
    module: 'src/testing/option-tables.js',
    table: 'driveTable',
    name: 'DriveOptions',
    doc: 'What `drive` takes beside a reducer.',
    ...testing,
  },
  {
    module: 'src/testing/option-tables.js',
    table: 'drivePipeTable',
    name: 'DrivePipeOptions',
    doc: 'What `drivePipe` takes beside a pipe.',
    ...testing,
  },
  {
    module: 'src/testing/option-tables.js',
    table: 'fakeStreamTable',
    name: 'FakeStreamOptions',
    doc: 'What `fakeStream` takes.',
    ...testing,
  },
  {
    module: 'src/testing/option-tables.js',
    table: 'localServersTable',
    name: 'LocalServersOptions',
    doc: 'How the local servers behave.',
    ...testing,
  },
  {
    module: 'src/testing/option-tables.js',
    table: 'scriptedServerTable',
    name: 'ScriptedServerOptions',
    doc: 'What `scriptedServer` takes.',
    ...testing,
  },
  {
    module: 'supervision/option-tables.js',
    table: 'runtimeTable',
    name: 'RuntimeOptions',
    parameters: '<Event = RuntimeEvent>',
    doc: 'What `createRuntime` takes. `Event` is what the application’s actors emit.',
    ...supervision,
  },
  {
    module: 'supervision/option-tables.js',
    table: 'spawnTable',
    name: 'SpawnOptions',
    doc: 'How an actor is started.',
    ...supervision,
  },
  {
    module: 'supervision/option-tables.js',
    table: 'askTable',
    name: 'AskOptions',
    doc: 'How long `ask` waits.',
    ...supervision,
  },
  {
    module: 'supervision/option-tables.js',
    table: 'stopTable',
    name: 'StopOptions',
    doc: 'What `stop` takes.',
    ...supervision,
  },
  {
    module: 'supervision/option-tables.js',
    table: 'supervisorTable',
    name: 'SupervisorOptions',
    parameters: '<Event = unknown>',
    doc: 'What a supervisor takes. `Event` is what its `restarting` emits.',
    ...supervision,
  },
];

const partsOf = (type) => (Array.isArray(type) ? type.flatMap(partsOf) : [type]);
const fileOf = (name) => `${name.replaceAll(/\B[A-Z]/g, '-$&').toLowerCase()}.ts`;

/** A root, and the interfaces that its rows name. */
function withNamed(declaration) {
  const nested = Object.entries(declaration.rows).flatMap(([member, { type, doc }]) =>
    partsOf(type)
      .filter(({ name }) => name !== undefined)
      .flatMap(({ name, rows }) =>
        withNamed({ folder: declaration.folder, name, rows, doc, path: [...declaration.path, member] }),
      ),
  );
  return [declaration, ...nested];
}

function wrapped(text, pad) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== '' && pad.length + 3 + line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function comment(lines, pad) {
  const only = `${pad}/** ${lines[0]} */`;
  if (lines.length === 1 && only.length <= width) return [only];
  return [`${pad}/**`, ...lines.map((line) => `${pad} * ${line}`.trimEnd()), `${pad} */`];
}

/** The default as TypeScript if it is a value, otherwise as on the page of options. */
function defaultOf({ shown }) {
  if (shown === 'see below') return '{}';
  if (shown === 'none') return 'undefined';
  if (/^\d{1,3}(,\d{3})+$/.test(shown)) return shown.replaceAll(',', '_');
  const [, code] = /^`([^`]+)`$/.exec(shown) ?? [];
  if (code === undefined) return shown;
  return /^(true|false|\W.*)$/.test(code) ? code : `the value of ${code}`;
}

/** An example as it is written in the call: `leases: { failoverMs: 30_000 }`. */
export const exampleOf = (example, path) =>
  path
    .toReversed()
    .reduce((inner, name, index) => (index === 0 ? `${name}: ${inner}` : `${name}: { ${inner} }`), example);

function docOf(row, path, pad) {
  const sentences = [
    ...(row.fallback === undefined ? ['Required.'] : []),
    // In the package, these pages are in docs/.
    row.doc.replaceAll(/\b([\w-]+\.md)\b/g, 'docs/$1'),
    ...(row.bound === undefined ? [] : [`Takes: ${row.bound}.`]),
  ];
  const tags = [
    ...(row.fallback === undefined ? [] : [`@default ${defaultOf(row)}`]),
    ...(row.example === undefined ? [] : ['@example', '```ts', exampleOf(row.example, path), '```']),
  ];
  return comment([...wrapped(sentences.join(' '), pad), ...(tags.length === 0 ? [] : ['', ...tags])], pad);
}

/** The lines of one part of a union. The lines of an object are indented relative to `pad`. */
function typeLines(part, path, pad) {
  if (typeof part === 'string') return [part.includes('=>') ? `(${part})` : part];
  if (part.name !== undefined) return [part.name];
  return ['{', ...membersOf(part.rows, path, `${pad}    `), `${pad}  }`];
}

function memberOf(name, row, path, pad) {
  const start = `${pad}readonly ${name}${row.fallback === undefined ? '' : '?'}:`;
  const parts = [...partsOf(row.type), ...(row.fallback === undefined ? [] : ['undefined'])];
  const lines = parts.map((part) => typeLines(part, path, `${pad}  `));
  const short = `${start} ${lines.map(([first]) => first).join(' | ')};`;
  if (lines.every(({ length }) => length === 1) && short.length <= width) return [short];
  const long = lines.flatMap(([first, ...rest]) => [`${pad}  | ${first}`, ...rest]);
  return [start, ...long.slice(0, -1), `${long.at(-1)};`];
}

function membersOf(rows, path, pad) {
  return Object.entries(rows).flatMap(([name, row]) => {
    const at = [...path, name];
    return [...docOf(row, at, pad), ...memberOf(name, row, at, pad)];
  });
}

/** Maps each exported type to its file, among the files that a generated file of `folder` may import. */
function homes(folder) {
  const found = new Map();
  const [own = ''] = /^(?:src\/)?\w+/.exec(folder) ?? [];
  for (const place of new Set([own, 'src/core', 'src/api'])) {
    for (const file of readdirSync(join(root, place)).filter((each) => each.endsWith('.ts'))) {
      const text = readFileSync(join(root, place, file), 'utf8');
      for (const [, name] of text.matchAll(/^export (?:interface|type) (\w+)/gm)) found.set(name, `${place}/${file}`);
    }
  }
  return found;
}

const byText = (one, other) => (one < other ? -1 : 1);

function importsOf(body, { name, folder }, known) {
  const code = body.replaceAll(/\/\*\*[\s\S]*?\*\//g, '').replaceAll(/'[^']*'/g, '');
  const names = new Set([...code.matchAll(/\b[A-Z]\w+/g)].map(([each]) => each));
  const byFile = new Map();
  for (const each of [...names].filter((one) => one !== name && known.has(one)).toSorted(byText)) {
    const path = posix.relative(folder, known.get(each)).replace(/\.ts$/, '.js');
    const from = path.startsWith('.') ? path : `./${path}`;
    byFile.set(from, [...(byFile.get(from) ?? []), each]);
  }
  return [...byFile]
    .toSorted(([one], [other]) => byText(one, other))
    .map(([from, list]) => `import type { ${list.join(', ')} } from '${from}';`);
}

function fileTextOf(declaration, known) {
  const { name, parameters = '', doc, rows, path } = declaration;
  const any =
    '// oxlint-disable-next-line typescript/no-explicit-any -- Value is the application’s own; kinact never looks inside.';
  const body = [
    ...comment(wrapped(doc, ''), ''),
    ...(parameters.includes('any') ? [any] : []),
    `export interface ${name}${parameters} {`,
    ...membersOf(rows, path, '  '),
    '}',
  ].join('\n');
  return [header, ...importsOf(body, declaration, known), '', body, ''].join('\n');
}

/** The text of every generated file, by path. `load` imports one of our built modules by path. */
export async function optionDeclarations(load) {
  const declarations = [];
  for (const { module, table, ...rest } of roots) {
    const rows = (await load(module))[table];
    declarations.push(...withNamed({ ...rest, rows, path: [] }));
  }
  const placed = declarations.map((each) => ({ ...each, file: `${each.folder}/${fileOf(each.name)}` }));
  const own = ({ folder }) => placed.filter((each) => each.folder === folder).map(({ name, file }) => [name, file]);
  return Object.fromEntries(
    placed.map((each) => [each.file, fileTextOf(each, new Map([...homes(each.folder), ...own(each)]))]),
  );
}
