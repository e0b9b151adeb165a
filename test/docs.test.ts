// Every ```ts block of README.md, docs and doc comments is compiled against the sources, as if it stood in an application that
// imports `kinact`: TypeScript maps the package's own name back to src because tsconfig.json sets outDir.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Block {
  /** Its place, such as `README.md:12`. */
  readonly at: string;
  readonly text: string;
}

const fence = /^( *)(```+)(.*)\n([\s\S]*?)^\1\2 *$/gm;

/** The TypeScript blocks of a Markdown text. A block that asks not to be compiled is an error. */
function blocksOf(name: string, markdown: string): Block[] {
  const blocks: Block[] = [];
  for (const { 1: indent = '', 3: info = '', 4: text = '', index } of markdown.matchAll(fence)) {
    const [language, ...flags] = info.trim().split(/\s+/);
    if (!['ts', 'typescript', 'mts', 'tsx'].includes(language ?? '')) continue;
    const at = `${name}:${markdown.slice(0, index).split('\n').length}`;
    if (flags.length > 0) throw new Error(`${at}: "${info}" is not allowed, every block is compiled`);
    blocks.push({ at, text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), '') });
  }
  return blocks;
}

function options(): ts.CompilerOptions {
  const path = join(root, 'tsconfig.json');
  const { config, error } = ts.readConfigFile(path, (file) => readFileSync(file, 'utf8'));
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  const parsed = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // A snippet may show a variable without using it.
  return { ...parsed.options, noUnusedLocals: false, noUnusedParameters: false };
}

/** Type-checks the blocks, each as a module of its own. Returns the compiler's complaints. */
function complaintsOf(blocks: readonly Block[]): string[] {
  const compilerOptions = options();
  const host = ts.createCompilerHost(compilerOptions);
  const files = new Map(blocks.map((block, index) => [join(root, 'examples', `block-${index}.ts`), block]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.text ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const block = files.get(path);
    // Without an import a block would be a script, whose names collide with those of the other blocks.
    const text = `${block?.text}\nexport {};\n`;
    return block === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ES2023);
  };
  const program = ts.createProgram([...files.keys()], compilerOptions, host);
  return [...files].flatMap(([path, { at }]) =>
    [
      ...program.getSyntacticDiagnostics(program.getSourceFile(path)),
      ...program.getSemanticDiagnostics(program.getSourceFile(path)),
    ].map(({ messageText, start = 0, file }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${at}, line ${line} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    }),
  );
}

/** The names that examples in doc comments may use without declaring them. */
const given = `
import { createConsumer, createHolding, defineNode, defineReducer, dynamodbStream, fileSink, isTtlRemoval, kinesisSink, kinesisStream, openPipe, park, pipe, retry, runUntilSignal, type Change, type Consumer, type Holding, type Item, type OnFailure, type Pipe, type ReducerDefinition } from 'kinact';
import { aggregationExactness, always, checkTrace, createPipeTrace, drive, drivePipe, expectNothingLost, fakeStream, InjectedCrash, initTerminate, ManualClock, messageConservation, messageOrder, nemesis, periodic, random, recoverAfter, stateContinuity, tracePipe, type PipeTrace, type TracePoint } from 'kinact/testing';
import { expect } from 'chai';
declare const consumer: Consumer;
declare const trace: PipeTrace;
declare const points: readonly TracePoint[];
declare const totals: ReducerDefinition;
declare const written: readonly { readonly id: string }[];
declare const sink: { readonly ids: readonly string[] };
declare function save(state: unknown): Promise<void>;
export async function example() {
`;

function asModule(example: string): string {
  const imports = example.match(/^import .*\n/gm) ?? [];
  return `${imports.join('')}${given}${example.replaceAll(/^import .*\n/gm, '')}}\n`;
}

/** The TypeScript blocks of the doc comments of a source, each as the body of a function behind its `import` lines. */
function commentBlocksOf(name: string, source: string): Block[] {
  const comments = [...source.matchAll(/^ *\/\*\*[\s\S]*?\*\/$/gm)];
  return comments.flatMap(({ 0: comment, index }) => {
    const line = source.slice(0, index).split('\n').length;
    const text = comment.replaceAll(/^ *\/?\*+\/? ?/gm, '');
    return blocksOf(`${name}:${line}`, text).map((block) => ({ at: block.at, text: asModule(block.text) }));
  });
}

const sources = ['src', 'supervision'].flatMap((place) =>
  readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
    .map((file) => join(place, file)),
);

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs')).map((file) => join('docs', file)),
].filter((file) => file.endsWith('.md') && existsSync(join(root, file)));

describe('the documentation', function () {
  this.timeout(120_000);

  const ofPages = pages.flatMap((page) => blocksOf(page, readFileSync(join(root, page), 'utf8')));
  const ofComments = sources.flatMap((file) => commentBlocksOf(file, readFileSync(join(root, file), 'utf8')));
  const good = '```ts\nconst shown: number = 1;\n```\n';
  const bad = '# Title\n\n- in a list\n  ```ts\n  const shown: number = "one";\n  ```\n';
  const ofTheTest = [...blocksOf('good.md', good), ...blocksOf('bad.md', bad)];
  /** Of all blocks together: reading the declarations that they import costs more than the blocks. */
  let complaints: readonly string[];
  before(() => {
    complaints = complaintsOf([...ofPages, ...ofComments, ...ofTheTest]);
  });
  const about = (blocks: readonly Block[]): readonly string[] =>
    complaints.filter((complaint) => blocks.some(({ at }) => complaint.startsWith(`${at}, line `)));

  it('has only TypeScript blocks that compile', () => {
    expect(ofPages).to.not.deep.equal([]);
    expect(about(ofPages)).to.deep.equal([]);
  });

  it('has only examples in doc comments that compile', () => {
    expect(ofComments).to.not.deep.equal([]);
    expect(about(ofComments)).to.deep.equal([]);
  });

  it('complains about no other block than the bad one', () => {
    expect(complaints).to.deep.equal(about(ofTheTest));
  });

  it('does not pass with a block that does not compile or asks not to be compiled', () => {
    const complaints = about(ofTheTest);
    expect(complaints).to.have.length(1);
    expect(complaints[0]).to.match(/^bad\.md:4, line 1 of the block: Type 'string' is not assignable/);
    expect(() => blocksOf('page.md', '```ts ignore\nnonsense(\n```\n')).to.throw('page.md:1');
  });
});
