// The hints that an editor shows to a user of kinact. They come from the shipped declarations, by the language service that editors
// use.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';

const build = fileURLToPath(new URL('../../', import.meta.url));
const file = `${build}examples/option-hints.ts`;

/** A service for one module that stands beside the built declarations. */
function serviceFor(text: string): ts.LanguageService {
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
  };
  return ts.createLanguageService({
    getCompilationSettings: () => compilerOptions,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot(path) {
      if (path === file) return ts.ScriptSnapshot.fromString(text);
      return ts.sys.fileExists(path) ? ts.ScriptSnapshot.fromString(readFileSync(path, 'utf8')) : undefined;
    },
    getCurrentDirectory: () => build,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (path) => path === file || ts.sys.fileExists(path),
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
}

const text = `
import { createConsumer, defineReducer, kinesisStream } from '../src/index.js';
import { fakeStream } from '../src/testing/index.js';
import { createRuntime } from '../supervision/index.js';
const reducer = defineReducer({ init: () => 0, reduce: (count: number) => count + 1 });
createConsumer({
  application: 'order-totals',
  source: kinesisStream({ streamName: 'orders', prefetch: { batches: 8 }, initialPosition: 'LATEST' }),
  reducer,
  maxPending: 4_096,
  extract: ({ data }) => [{ key: 'all', value: data }],
  restart: { intensity: 5 },
  leases: { failoverMs: 30_000, billing: { readCapacityUnits: 1, writeCapacityUnits: 1 } },
  runtime: { trace: (entry: object) => console.log(entry) },
});
fakeStream({ distribution: 'AUTO' });
createRuntime({ probeMs: 1_000 });
`;

interface Hint {
  readonly type: string;
  readonly text: string;
  readonly default?: string;
  readonly example?: string;
}

const service = serviceFor(text);

/** The hint that an editor shows for the name. */
function hintOf(name: string): Hint {
  const at = text.search(new RegExp(`\\b${name}(?=:|,\n)`));
  const info = service.getQuickInfoAtPosition(file, at);
  if (info === undefined) return expect.fail(`nothing is shown for ${name}`);
  const tags = Object.fromEntries((info.tags ?? []).map(({ name, text }) => [name, ts.displayPartsToString(text)]));
  return {
    ...tags,
    type: ts.displayPartsToString(info.displayParts),
    text: ts.displayPartsToString(info.documentation),
  };
}

describe('the hint that an editor shows for an option', function () {
  this.timeout(120_000);

  it('comes from a module that compiles', () => {
    const complaints = [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)];
    expect(complaints.map(({ messageText }) => messageText)).to.deep.equal([]);
  });

  const shown: readonly (readonly [name: string, type: RegExp, defaults: string, example: string])[] = [
    ['maxPending', /maxPending\?: number/, '1_024', 'maxPending: 4_096'],
    [
      'extract',
      /extract\?: \(\(record: UserRecord, context: RecordContext\) =>/,
      'one item: its key, its bytes',
      "extract: ({ data }) => [{ key: 'all'",
    ],
    ['restart', /restart\?: {/, '{}', 'restart: { intensity: 5, periodMs: 60_000 }'],
    ['intensity', /intensity\?: number/, '2', 'restart: { intensity: 5 }'],
    ['leases', /leases\?: LeaseOptions/, '{}', 'leases: { failoverMs: 30_000'],
    ['failoverMs', /failoverMs\?: number/, '10_000', 'leases: { failoverMs: 30_000 }'],
    ['billing', /billing\?: "PAY_PER_REQUEST"/, "'PAY_PER_REQUEST'", 'leases: { billing: { readCapacityUnits: 10,'],
    ['trace', /trace\?: \(\(entry: never\) => void\)/, 'undefined', 'runtime: { trace: (entry: TraceEntry)'],
    ['prefetch', /prefetch\?: {/, '{}', 'prefetch: { batches: 8, bytes: 32 * 1024 * 1024 }'],
    ['batches', /batches\?: number/, '4', 'prefetch: { batches: 8 }'],
    ['initialPosition', /initialPosition\?: InitialPosition/, "'TRIM_HORIZON'", "initialPosition: new Date('2026"],
    ['distribution', /distribution\?: "AUTO" \| "USER_PARTITION_KEY"/, "'USER_PARTITION_KEY'", "distribution: 'AUTO'"],
    ['probeMs', /probeMs\?: number/, '250', 'probeMs: 1_000'],
  ];
  for (const [name, type, defaults, example] of shown) {
    it(`has text, type, default and example: ${name}`, () => {
      const hint = hintOf(name);
      expect(hint.text).to.match(/^[A-Z].{10,}\.$/s);
      expect(hint.type).to.match(type);
      expect(hint.default).to.equal(defaults);
      expect(hint.example)
        .to.match(/^```ts\n[^]*\n```$/)
        .and.include(example);
    });
  }

  it('marks a required option, and gives the bounds of a number', () => {
    for (const name of ['application', 'source', 'reducer', 'readCapacityUnits']) {
      expect(hintOf(name).text, name).to.match(/^Required\. /);
    }
    expect(hintOf('failoverMs').text).to.include('Takes: milliseconds, 100 to 600000.');
  });

  it('completes a call with the options that are still missing', () => {
    const at = text.indexOf('maxPending');
    const names = service.getCompletionsAtPosition(file, at, {})?.entries.map(({ name }) => name) ?? [];
    expect(names).to.include.members(['maxBytes', 'onFailure', 'checkpointIntervalMs', 'logger']);
  });
});
