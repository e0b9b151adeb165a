// The linter must fail on what docs/design.md section 1 forbids. Each violation is planted in a copy of the roots' shape in
// a temporary folder and linted with the repository's own configuration.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The files that planted files import. */
const targets = {
  'src/core/position.ts': 'export const zero = 0;\nexport type Position = string;\n',
  'src/api/ports.ts': "import type { Position } from '../core/position.js';\nexport interface Clock { at: Position }\n",
  'src/api/errors.ts': 'export const codes = 1;\n',
  'src/api/events.ts': 'export type KinactEvent = string;\n',
  'src/options/option-table.ts': "import { codes } from '../api/errors.js';\nexport const table = codes;\n",
  'src/options/consumer-option-table.ts': "export { table } from './option-table.js';\n",
  'src/pipes/map.ts':
    "import { zero } from '../core/position.js';\nimport { codes } from '../api/errors.js';\nexport const map = [zero, codes];\n",
  'supervision/actor.ts':
    "import { codes } from '../src/api/errors.js';\nimport { table } from '../src/options/option-table.js';\nexport const send = [codes, table];\n",
  'supervision/system.ts': "export { nact } from './nact.js';\nexport type System = string;\n",
  'supervision/nact.ts': "import { start } from 'nact';\nexport const nact = start;\n",
  'src/aws/dynamodb/table.ts':
    "import { codes } from '../../api/errors.js';\nexport const table = codes;\nexport type Table = string;\n",
  'actors/protocol/messages.ts':
    "import type { KinactEvent } from '../../src/api/events.js';\nexport { send } from '../../supervision/actor.js';\nexport type Message = KinactEvent;\n",
  'actors/stage/stage.ts':
    "import type { Clock } from '../../src/api/ports.js';\nimport type { System } from '../../supervision/system.js';\nimport { send } from '../protocol/messages.js';\nexport const stage = send;\nexport type Stage = Clock & System;\n",
  'actors/lease/lease.ts': "import { part } from './part.js';\nexport const lease = part;\n",
  'actors/lease/part.ts': "import { send } from '../protocol/messages.js';\nexport const part = send;\n",
  'actors/reducer/reducer.ts': "import type { Stage } from '../stage/stage.js';\nexport type Reducer = Stage;\n",
  'src/consumer/tree.ts':
    "import { stage } from '../../actors/stage/stage.js';\nexport { nact } from '../../supervision/system.js';\nexport const tree = stage;\n",
  'src/consumer/consumer.ts':
    "import { tree } from './tree.js';\nimport { table } from '../aws/dynamodb/table.js';\nexport const consumer = [tree, table];\n",
  'src/index.ts': "export { consumer } from './consumer/consumer.js';\n",
  'src/cli/main.ts': "import { consumer } from '../index.js';\nconsole.log(consumer);\n",
  'src/testing/index.ts':
    "export { stage } from '../../actors/stage/stage.js';\nexport { table } from '../aws/dynamodb/table.js';\n",
  'test/repository.test.ts':
    "import { start } from 'nact';\nimport { stage } from '../actors/stage/stage.js';\nvoid [start, stage];\n",
  'examples/quickstart.ts': "import { KinesisClient } from '@aws-sdk/client-kinesis';\nvoid KinesisClient;\n",
};

interface Planted {
  readonly law: string;
  readonly file: string;
  readonly text: string;
  /** The rule that must be named in the complaint. */
  readonly rule?: string;
}

const value = (from: string): string => `import * as it from '${from}';\nexport const used = it;\n`;
const types = (from: string, name: string): string =>
  `import type { ${name} } from '${from}';\nexport type Used = ${name};\n`;

const violations: readonly Planted[] = [
  // Imports of values and types that the table forbids.
  ...[
    '../api/ports.js',
    '../api/errors.js',
    '../options/option-table.js',
    '../../supervision/actor.js',
    '../../actors/stage/stage.js',
    '../consumer/tree.js',
    '../aws/dynamodb/table.js',
    'nact',
    'node:crypto',
  ].map((from) => ({ law: `src/core does not import ${from}`, file: 'src/core/planted.ts', text: value(from) })),
  {
    law: 'src/core does not import types of actors',
    file: 'src/core/planted.ts',
    text: types('../../actors/stage/stage.js', 'Stage'),
  },
  {
    law: 'src/core does not re-export actors',
    file: 'src/core/planted.ts',
    text: "export * from '../../actors/stage/stage.js';\n",
  },
  ...[
    '../options/option-table.js',
    '../../supervision/actor.js',
    '../../actors/stage/stage.js',
    '../consumer/tree.js',
    '../aws/dynamodb/table.js',
    'nact',
    '@aws-sdk/client-kinesis',
  ].map((from) => ({ law: `src/api does not import ${from}`, file: 'src/api/planted.ts', text: value(from) })),
  {
    law: 'src/api does not import types of src/aws',
    file: 'src/api/planted.ts',
    text: types('../aws/dynamodb/table.js', 'Table'),
  },
  ...[
    '../../supervision/actor.js',
    '../../actors/stage/stage.js',
    '../consumer/tree.js',
    '../aws/dynamodb/table.js',
  ].map((from) => ({ law: `src/options does not import ${from}`, file: 'src/options/planted.ts', text: value(from) })),
  ...[
    '../options/option-table.js',
    '../../supervision/actor.js',
    '../../actors/protocol/messages.js',
    '../consumer/tree.js',
    'node:timers',
  ].map((from) => ({ law: `src/pipes does not import ${from}`, file: 'src/pipes/planted.ts', text: value(from) })),
  ...[
    '../stage/stage.js',
    '../lease/part.js',
    '../../supervision/system.js',
    '../../src/consumer/tree.js',
    '../../src/aws/dynamodb/table.js',
    'nact',
    'node:timers',
  ].map((from) => ({ law: `actors do not import ${from}`, file: 'actors/planted/planted.ts', text: value(from) })),
  {
    law: 'a part of a behaviour does not import another behaviour',
    file: 'actors/lease/planted.ts',
    text: value('../stage/stage.js'),
  },
  {
    law: 'actors do not re-export one another',
    file: 'actors/planted/planted.ts',
    text: "export { stage } from '../stage/stage.js';\n",
  },
  {
    law: 'actors do not import types of src/aws',
    file: 'actors/planted/planted.ts',
    text: types('../../src/aws/dynamodb/table.js', 'Table'),
  },
  {
    law: 'actors do not name types of nact',
    file: 'actors/planted/planted.ts',
    text: "export type Used = import('nact').Ref<string>;\n",
  },
  ...[
    'nact',
    '../actors/protocol/messages.js',
    '../src/aws/dynamodb/table.js',
    '../src/consumer/consumer.js',
    '../src/options/consumer-option-table.js',
    '@aws-sdk/client-dynamodb',
    'protobufjs',
  ].map((from) => ({ law: `supervision does not import ${from}`, file: 'supervision/planted.ts', text: value(from) })),
  {
    law: 'supervision does not import types of Kinesis',
    file: 'supervision/planted.ts',
    text: types('../src/api/events.js', 'KinactEvent'),
  },
  {
    law: 'supervision does not load nact later',
    file: 'supervision/planted.ts',
    text: "export const used = () => import('nact');\n",
  },
  {
    law: 'supervision does not load what cannot be checked',
    file: 'supervision/planted.ts',
    text: 'export const used = (name: string): Promise<unknown> => import(name);\n',
  },
  ...['nact', '../../../actors/stage/stage.js', '../../../supervision/actor.js', '../../consumer/consumer.js'].map(
    (from) => ({ law: `src/aws does not import ${from}`, file: 'src/aws/kinesis/planted.ts', text: value(from) }),
  ),
  ...['nact', '@aws-sdk/client-kinesis', '@smithy/node-http-handler', 'protobufjs/minimal.js'].flatMap((from) =>
    ['src/consumer/planted.ts', 'src/testing/planted.ts', 'src/cli/planted.ts'].map((file) => ({
      law: `${file} does not import ${from}`,
      file,
      text: value(from),
    })),
  ),
  {
    law: 'the command line does not reach into the tree',
    file: 'src/cli/planted.ts',
    text: value('../../supervision/system.js'),
  },
  { law: 'the root of src has the public surface alone', file: 'src/planted.ts', text: value('./api/errors.js') },
  { law: 'examples import the package by its name', file: 'examples/planted.ts', text: value('../src/index.js') },
  {
    law: 'nothing shipped imports tests',
    file: 'src/consumer/planted.ts',
    text: value('../../test/repository.test.js'),
  },

  // Forbidden words.
  ...[
    'Date.now()',
    'new Date()',
    'Date()',
    'Math.random()',
    'performance.now()',
    'setTimeout(() => {}, 1)',
    'setInterval(() => {}, 1)',
    'setImmediate(() => {})',
    'globalThis.Date.now()',
    "Math['random']()",
    'setTimeout',
    'process.hrtime()',
  ].flatMap((word) =>
    ['src/core/planted.ts', 'actors/planted/planted.ts'].map((file) => ({
      law: `${file} does not say ${word}`,
      file,
      text: `export const used: unknown = ${word};\n`,
      rule: 'kinact(ambient)',
    })),
  ),
  {
    law: 'core does not destructure',
    file: 'src/core/planted.ts',
    text: 'export const { random } = Math;\n',
    rule: 'kinact(ambient)',
  },

  // Other lint rules.
  {
    law: 'no default export',
    file: 'actors/planted/planted.ts',
    text: 'export default 1;\n',
    rule: 'no-default-export',
  },
  { law: 'no enum', file: 'actors/planted/planted.ts', text: 'export enum Colour { Red }\n', rule: 'kinact(no-enum)' },
  { law: 'no console in src', file: 'src/aws/planted.ts', text: "console.log('x');\n", rule: 'no-console' },
  {
    law: 'no floating promise',
    file: 'supervision/planted.ts',
    text: 'export const used = async (): Promise<void> => {};\nused();\n',
    rule: 'no-floating-promises',
  },
  {
    law: 'no promise where a void callback is expected',
    file: 'supervision/planted.ts',
    text: 'export const used = (): void => [1].forEach(async () => {});\n',
    rule: 'no-misused-promises',
  },
  {
    law: 'a switch names every case',
    file: 'src/core/planted.ts',
    text: "export const used = (x: 'a' | 'b'): number => {\n  switch (x) {\n    case 'a':\n      return 1;\n    default:\n      return 2;\n  }\n};\n",
    rule: 'switch-exhaustiveness-check',
  },
  {
    law: 'no cycle of values',
    file: 'src/core/position.ts',
    text: "import { used } from './planted.js';\nexport const zero = used;\nexport type Position = string;\n",
    rule: 'no-cycle',
  },
  {
    law: 'no file of more than 400 lines',
    file: 'src/core/planted.ts',
    text: 'export {};\n'.repeat(401),
    rule: 'max-lines',
  },
];

/** Gives each violation a file of its own if its name is open, so that one run of the linter sees many. */
const planted = violations.map((each, index) => ({
  ...each,
  file: each.file.replace('planted.ts', `planted-${index}.ts`),
}));

interface Complaint {
  readonly code: string;
  readonly filename: string;
  readonly message: string;
}

/** Writes the files into a fresh folder, lints the folder, and returns the linter's complaints. */
async function lint(files: Readonly<Record<string, string>>): Promise<readonly Complaint[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kinact-walls-'));
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json', 'package.json', 'scripts']) {
      cpSync(join(root, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const roots = ['src', 'actors', 'supervision', 'test', 'examples'];
    const printed = await new Promise<string>((resolve) => {
      execFile(
        join(root, 'node_modules/.bin/oxlint'),
        ['--format', 'json', ...roots],
        { cwd: folder },
        (_error, stdout) => {
          resolve(stdout);
        },
      );
    });
    const answer = JSON.parse(printed) as {
      readonly diagnostics: readonly Complaint[];
      readonly number_of_files: number;
    };
    expect(answer.number_of_files, 'the linter saw the files').to.be.at.least(Object.keys(files).length);
    return answer.diagnostics;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the import walls', () => {
  it('accept files that use every import that the table allows', async () => {
    expect(await lint(targets)).to.deep.equal([]);
  });

  // Violations in the same file need separate runs. Others share one run.
  const rounds: Planted[][] = [];
  for (const each of planted) {
    const alone = ({ rule }: Planted): boolean => rule === 'no-cycle';
    const fits = (other: Planted): boolean => other.file !== each.file && !alone(other) && !alone(each);
    const free = rounds.find((round) => round.every(fits));
    if (free === undefined) rounds.push([each]);
    else free.push(each);
  }
  const found = new Map<Planted, readonly Complaint[]>();

  before(async function () {
    this.timeout(120_000);
    for (const round of rounds) {
      const extra = Object.fromEntries(round.map(({ file, text }) => [file, text]));
      const cyclic = round.some(({ rule }) => rule === 'no-cycle');
      const other = { 'src/core/planted.ts': "import { zero } from './position.js';\nexport const used = zero;\n" };
      const complaints = await lint({ ...targets, ...(cyclic ? other : {}), ...extra });
      for (const each of round) {
        found.set(
          each,
          complaints.filter(({ filename }) => filename === each.file),
        );
      }
    }
  });

  for (const each of planted) {
    it(each.law, () => {
      const rule = each.rule ?? 'kinact(walls)';
      const codes = (found.get(each) ?? []).map(({ code }) => code);
      expect(codes.filter((code) => code.includes(rule))).to.not.deep.equal([]);
    });
  }
});
