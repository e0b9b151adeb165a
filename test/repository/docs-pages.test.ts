// The generated pages match their tables, and the scanner's program its source. The permissions and the retryable codes in the pages are
// those of the sources.
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';
import { levels } from '../../src/consumer/log-line.js';
import { errorCodes } from '../../src/api/errors.js';
import { remedies } from '../../src/api/remedies.js';
import { counterGroups } from '../../src/api/counters.js';
import { instruments } from '../../src/api/metrics.js';

const root = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');
const script = async <Exports>(name: string): Promise<Exports> =>
  (await import(new URL(`scripts/${name}`, root).href)) as Exports;

/** The TypeScript files of these folders, parsed. */
function sourcesOf(...folders: readonly string[]): readonly ts.SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(fileURLToPath(new URL(folder, root)), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => parsed(folder, file)),
  );
}

const files = new Map<string, ts.SourceFile>();

function parsed(folder: string, file: string): ts.SourceFile {
  const path = `${folder}/${file}`;
  const known = files.get(path) ?? ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2023, true);
  files.set(path, known);
  return known;
}

function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

const stale = '(stale? npm run build && node scripts/docs.mjs)';

describe('docs/errors.md', () => {
  interface Page {
    readonly errorsPage: (codes: object, remedies: object) => string;
    readonly retryableOf: (code: string) => string;
  }

  it(`matches the table of error codes ${stale}`, async () => {
    const { errorsPage } = await script<Page>('errors-page.mjs');
    expect(read('docs/errors.md')).to.equal(errorsPage(errorCodes, remedies));
  });

  it('needs a remedy for every code, and for no unknown code', async () => {
    const { errorsPage } = await script<Page>('errors-page.mjs');
    expect(() => errorsPage({ ...errorCodes, NEW_CODE: 'x' }, remedies)).to.throw('NEW_CODE');
    const { WATCHDOG: _, ...fewer } = errorCodes;
    expect(() => errorsPage(fewer, remedies)).to.throw('WATCHDOG');
  });

  it('marks exactly the codes as retryable that the sources make retryable', async () => {
    const { retryableOf } = await script<Page>('errors-page.mjs');
    const made = new Set<string>();
    for (const file of sourcesOf('src', 'actors', 'supervision')) {
      for (const node of nodesOf(file)) {
        if (!ts.isPropertyAssignment(node) || node.name.getText() !== 'retryable') continue;
        if (node.initializer.kind === ts.SyntaxKind.FalseKeyword) continue;
        const code = codeBeside(node);
        if (code !== undefined) made.add(code);
      }
    }
    const said = Object.keys(errorCodes).filter((code) => retryableOf(code) !== 'no');
    expect([...made].sort()).to.deep.equal(said.sort());
  });
});

/** The code of the error that has this `retryable`: a member of the same object, or the constructor's argument. */
function codeBeside(retryable: ts.PropertyAssignment): string | undefined {
  const object = retryable.parent;
  const sibling = object.properties.find((each) => each.name?.getText() === 'code');
  if (sibling !== undefined && ts.isPropertyAssignment(sibling) && ts.isStringLiteral(sibling.initializer)) {
    return sibling.initializer.text;
  }
  const [first] = ts.isNewExpression(object.parent) ? (object.parent.arguments ?? []) : [];
  return first !== undefined && ts.isStringLiteral(first) ? first.text : undefined;
}

describe('docs/events.md', () => {
  interface Page {
    readonly eventsPage: (source: string, levels: object) => string;
    readonly eventsOf: (source: string) => readonly { readonly name: string }[];
  }

  it(`matches the map of events ${stale}`, async () => {
    const { eventsPage, eventsOf } = await script<Page>('events-page.mjs');
    const source = read('src/api/events.ts');
    expect(read('docs/events.md')).to.equal(eventsPage(source, levels));
    expect(eventsOf(source).map(({ name }) => name)).to.have.members(Object.keys(levels));
  });
});

describe('docs/status.md', () => {
  interface Page {
    readonly countersTable: (groups: object) => string;
    readonly withCounters: (page: string, table: string) => string;
  }

  it(`matches the table of counters ${stale}`, async () => {
    const { countersTable, withCounters } = await script<Page>('counters-table.mjs');
    const page = read('docs/status.md');
    expect(page).to.equal(withCounters(page, countersTable(counterGroups)));
  });

  it('explains exactly the counters that actors, runtime and consumer raise', () => {
    const raised = new Set<string>();
    for (const file of sourcesOf('actors', 'supervision', 'src')) {
      for (const node of nodesOf(file)) for (const name of countedBy(node)) raised.add(name);
    }
    // These are the names in `Inspected` of the parts that the application hands in.
    for (const what of ['logger', 'meter', 'listener']) raised.add(`${what}Failures`);
    const explained = Object.values(counterGroups).flatMap((group) => Object.keys(group));
    expect([...raised].sort()).to.deep.equal(explained.sort());
  });
});

/** The counters that a node raises by `effect.count(name)`, `{ type: 'count', what: name }`, `count(where, name)` or `seamFailed`. */
function countedBy(node: ts.Node): readonly string[] {
  if (ts.isCallExpression(node) && node.expression.getText() === 'effect.count') {
    const [name] = node.arguments;
    return name !== undefined && ts.isStringLiteral(name) ? [name.text] : [];
  }
  if (ts.isCallExpression(node) && /^(count|seamFailed)$/.test(node.expression.getText())) {
    const [, name] = node.arguments;
    return name !== undefined && ts.isStringLiteral(name) ? [name.text] : [];
  }
  if (!ts.isObjectLiteralExpression(node)) return [];
  const texts = new Map(
    node.properties.flatMap((each) =>
      ts.isPropertyAssignment(each) && ts.isStringLiteral(each.initializer)
        ? [[each.name.getText(), each.initializer.text] as const]
        : [],
    ),
  );
  const what = texts.get('what');
  return texts.get('type') === 'count' && what !== undefined ? [what] : [];
}

describe('docs/metrics.md', () => {
  interface Page {
    readonly metricsTable: (table: object) => string;
    readonly withMetrics: (page: string, table: string) => string;
  }

  it(`matches the table of metrics ${stale}`, async () => {
    const { metricsTable, withMetrics } = await script<Page>('metrics-table.mjs');
    const page = read('docs/metrics.md');
    expect(page).to.equal(withMetrics(page, metricsTable(instruments)));
  });
});

describe('docs/operating.md', () => {
  it('asks for exactly the permissions that the sources use', () => {
    const [, json = ''] = /```json\n([\s\S]*?)```/.exec(read('docs/operating.md')) ?? [];
    const policy = JSON.parse(json) as { Statement: { Action: string[]; Resource: string }[] };
    const asked = new Set(policy.Statement.flatMap(({ Action }) => Action));
    const used = new Set<string>();
    // Only `kinact put`, the demo and tests make records and streams. Only `kinact adopt` deletes tables.
    const others = new Set(['kinesis-producer.ts', 'stream-admin.ts', 'kcl3-remains.ts']);
    const isOther = (fileName: string): boolean =>
      others.has(posix.basename(fileName)) || /\/(dynamodb-streams|fan-out)\//.test(fileName);
    for (const file of sourcesOf('src/aws').filter(({ fileName }) => !isOther(fileName))) {
      for (const node of nodesOf(file)) {
        const made = ts.isNewExpression(node) ? /^(\w+)Command$/.exec(node.expression.getText())?.[1] : undefined;
        if (made !== undefined) used.add(`${file.text.includes('client-kinesis') ? 'kinesis' : 'dynamodb'}:${made}`);
      }
    }
    // The sources use it only for servers that do not know the newer call.
    expect(used.delete('kinesis:DescribeStream')).to.equal(true);
    expect([...asked].sort()).to.deep.equal([...used].sort());
    const side = policy.Statement.find(({ Resource }) => Resource.endsWith('-CoordinatorState'));
    expect(side?.Action).to.deep.equal(['dynamodb:GetItem']);
  });

  for (const [page, folder, service] of [
    ['dynamodb-streams.md', '/dynamodb-streams/', 'dynamodb'],
    ['streams.md', '/fan-out/', 'kinesis'],
  ] as const)
    it(`asks for the further permissions of ${folder} in ${page}`, () => {
      const [, json = ''] = /```json\n([\s\S]*?)```/.exec(read(`docs/${page}`)) ?? [];
      const asked = (JSON.parse(json) as { Action: string[] }[]).flatMap(({ Action }) => Action);
      const used = new Set<string>();
      for (const file of sourcesOf('src/aws').filter(({ fileName }) => fileName.includes(folder))) {
        for (const node of nodesOf(file)) {
          const made = ts.isNewExpression(node) ? /^(\w+)Command$/.exec(node.expression.getText())?.[1] : undefined;
          if (made !== undefined) used.add(`${service}:${made}`);
        }
      }
      expect(asked.toSorted()).to.deep.equal([...used].toSorted());
    });
});

describe('docs/record.svg', () => {
  it('matches the drawing of its script (stale? node scripts/picture.mjs)', async () => {
    const { picture } = await script<{ readonly picture: string }>('picture.mjs');
    expect(read('docs/record.svg')).to.equal(picture);
  });
});

describe('the pictures of docs/pipes.md', () => {
  it('are what test/actors/pipe/sequences.test.ts says (stale? node scripts/pipe-pictures.mjs)', async () => {
    const { pipePictures } = await script<{ readonly pipePictures: () => object }>('pipe-pictures.mjs');
    const pictures = Object.entries(pipePictures());
    expect(pictures.map(([file]) => file)).to.have.length(6);
    for (const [file, picture] of pictures) expect(read(file), file).to.equal(picture);
  });
});

describe('the program of the scanner', () => {
  it('is assembled from its source', async () => {
    const { scannerCode, scannerModule } = await script<{
      readonly scannerCode: () => Promise<string>;
      readonly scannerModule: string;
    }>('scanner.mjs');
    expect(read(scannerModule), 'run `node scripts/docs.mjs`').to.equal(await scannerCode());
  });
});
