// The declarations of the options match the option tables. Each example in them compiles, and its table accepts it.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { start, stop } from 'nact';
import { pino } from 'pino';
import ts from 'typescript';
import { defineReducer, kinesisStream, pipe } from '../../src/index.js';
import type { Row, Rows, TypeText } from '../../src/options/option-table.js';
import { ManualClock } from '../../src/testing/index.js';

const root = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');
const stale = '(stale? npm run build && node scripts/docs.mjs)';

interface Root {
  readonly module: string;
  readonly table: string;
  readonly name: string;
  /** The entry that exports it, such as `kinact/testing`. */
  readonly entry: string;
}

interface Script {
  readonly roots: readonly Root[];
  readonly optionDeclarations: (load: (module: string) => Promise<object>) => Promise<Readonly<Record<string, string>>>;
  readonly exampleOf: (example: string, path: readonly string[]) => string;
}

const load = (module: string): Promise<object> => import(`../../${module}`) as Promise<object>;
const script = async (): Promise<Script> =>
  (await import(new URL('scripts/option-declarations.mjs', root).href)) as Script;

interface Example {
  readonly name: string;
  readonly entry: string;
  readonly path: readonly string[];
  readonly row: Row;
  /** Such as `leases: { failoverMs: 30_000 }`. */
  readonly text: string;
}

const partsOf = (type: TypeText): readonly Exclude<TypeText, readonly TypeText[]>[] =>
  typeof type === 'string' || 'rows' in type ? [type] : type.flatMap(partsOf);

/** Every row with its path, including the rows of nested tables. */
function rowsOf(rows: Rows, path: readonly string[] = []): readonly (readonly [readonly string[], Row])[] {
  return Object.entries(rows).flatMap(([name, row]) => {
    const at = [...path, name];
    const nested = partsOf(row.type).flatMap((part) => (typeof part === 'string' ? [] : rowsOf(part.rows, at)));
    return [[at, row] as const, ...nested];
  });
}

async function allRows(): Promise<readonly Omit<Example, 'text'>[]> {
  const { roots } = await script();
  const found = [];
  for (const { module, table, name, entry } of roots) {
    const rows = ((await load(module)) as Record<string, Rows>)[table]!;
    found.push(...rowsOf(rows).map(([path, row]) => ({ name, entry, path, row })));
  }
  return found;
}

async function allExamples(): Promise<readonly Example[]> {
  const { exampleOf } = await script();
  return (await allRows()).flatMap((each) =>
    each.row.example === undefined ? [] : [{ ...each, text: exampleOf(each.row.example, each.path) }],
  );
}

/** The systems that examples have started. */
const systems: ReturnType<typeof start>[] = [];

/** The values that examples may use. */
const values = {
  DynamoDBClient,
  DynamoDBStreamsClient,
  KinesisClient,
  ManualClock,
  clock: new ManualClock(),
  defineReducer,
  kinesisStream,
  pipe,
  local: { dynamodb: 'http://127.0.0.1:8000' },
  pino,
  start: () => {
    systems.push(start());
    return systems.at(-1);
  },
};

const imports = `
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { defineReducer, kinesisStream, pipe } from 'kinact';
import { type Behaviour, effect, type Intercept, type TraceEntry } from 'kinact/supervision';
import { type LocalServers, ManualClock } from 'kinact/testing';
import { start } from 'nact';
import { pino } from 'pino';
declare const clock: ManualClock;
declare const local: LocalServers;
declare const counter: Behaviour<number, 'tick'>;
`;

/** The compiler's complaints about examples, each as the options of its interface. */
function complaintsOf(examples: readonly Example[]): readonly string[] {
  const lines = examples.map(
    ({ name, entry, path, text }, index) =>
      `export const each${index}: Pick<import('${entry}').${name}, '${path[0]}'> = { ${text} }; // ${path.join('.')}`,
  );
  const file = fileURLToPath(new URL('examples/option-examples.ts', root));
  const config = fileURLToPath(new URL('tsconfig.json', root));
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(config, (path) => readFileSync(path, 'utf8')).config,
    ts.sys,
    fileURLToPath(root),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, ...rest) =>
    path === file
      ? ts.createSourceFile(path, imports + lines.join('\n'), ts.ScriptTarget.ES2023)
      : getSourceFile(path, ...rest);
  const compilerOptions = { ...options, noUnusedLocals: false, noUnusedParameters: false };
  const program = ts.createProgram([file], compilerOptions, host);
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ messageText, start = 0 }) => {
      const line = source!.text.slice(0, start).split('\n').length;
      return `${source!.text.split('\n')[line - 1]}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    },
  );
}

/** The value that an example stands for. */
function valueOf({ row }: Example): unknown {
  const { outputText } = ts.transpileModule(`export const value = ${row.example};`, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.CommonJS },
  });
  const exported: { value?: unknown } = {};
  // oxlint-disable-next-line typescript/no-implied-eval -- our own tables, in a test.
  new Function('exports', ...Object.keys(values), outputText)(exported, ...Object.values(values));
  return exported.value;
}

describe('the declarations of the options', function () {
  this.timeout(120_000);
  after(() => systems.forEach(stop));

  it(`match the option tables ${stale}`, async () => {
    const { optionDeclarations } = await script();
    const declarations = await optionDeclarations(load);
    for (const [file, text] of Object.entries(declarations)) expect(read(file), file).to.equal(text);
  });

  it('are alone in their folders, without a file that is written by hand', async () => {
    const { optionDeclarations } = await script();
    const files = Object.keys(await optionDeclarations(load));
    const folders = new Set(files.map((file) => file.slice(0, file.lastIndexOf('/'))));
    const found = [...folders].flatMap((folder) =>
      readdirSync(new URL(folder, root)).map((file) => `${folder}/${file}`),
    );
    expect(found.toSorted()).to.deep.equal(files.toSorted());
  });

  it('give the default of every option, or say that the option is required', async () => {
    const { optionDeclarations } = await script();
    for (const [file, text] of Object.entries(await optionDeclarations(load))) {
      for (const [name, doc, isOptional] of membersOf(file, text)) {
        expect(doc, `${file}: ${name}`).to.match(isOptional ? /\n *\* @default \S/ : /^\/\*\*[\s*]*Required\. /);
        expect(doc, `${file}: ${name}`).to.match(/[a-z]{3}.*\./);
      }
    }
  });

  it('have an example for every option, except three that need another option', async () => {
    const without = (await allRows()).filter(({ row }) => row.example === undefined);
    expect(without.map(({ path }) => path.join('.'))).to.deep.equal([
      // One has no use without the other. The example of `billing` has both.
      'leases.billing.readCapacityUnits',
      'leases.billing.writeCapacityUnits',
      // This option has no use without `upstream`.
      'proxy.services',
    ]);
  });

  it('have examples that compile', async () => {
    expect(complaintsOf(await allExamples())).to.deep.equal([]);
  });

  it('do not pass with an example that does not compile', async () => {
    const [example] = await allExamples();
    const complaints = complaintsOf([{ ...example!, text: `${example!.path[0]}: 5n` }]);
    expect(complaints).to.have.length(1);
    expect(complaints[0]).to.include("Type 'bigint' is not assignable");
  });

  it('have examples that the option table accepts', async () => {
    process.env['POD_NAME'] ??= 'orders-0';
    for (const example of await allExamples()) {
      const value = valueOf(example);
      expect(() => example.row.parse(value, example.path.join('.')), example.text).to.not.throw();
    }
  });
});

/** Name, TSDoc and optionality of every member of the interfaces in a file, including nested members. */
function membersOf(file: string, text: string): readonly (readonly [string, string, boolean])[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: (readonly [string, string, boolean])[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node)) {
      const doc = ts.getJSDocCommentsAndTags(node)[0]?.getText() ?? '';
      found.push([node.name.getText(), doc, node.questionToken !== undefined]);
    }
    node.forEachChild(visit);
  };
  visit(source);
  return found;
}
