// Every file, heading and test that the documentation names exists, and the pages that people read in full stay short.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const exists = (file: string): boolean => existsSync(join(root, file));
const docs = readdirSync(join(root, 'docs'))
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`);
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'examples/README.md', ...docs];

/** A file without the lines of its comments. */
const codeOf = (file: string): string => read(file).replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');

const fence = /^( *)(```+)(.*)\n([\s\S]*?)^\1\2 *$/gm;

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.replaceAll(fence, '').matchAll(/^#+ +(.*)$/gm)];
  return new Set(
    headings.map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

/** Relative links of a page that lead nowhere. */
function deadLinks(page: string, markdown: string): string[] {
  return [...markdown.replaceAll(fence, '').matchAll(/\]\((?!\w+:)([^)\s]+)/g)]
    .map(([, target = '']) => target)
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : posix.join(posix.dirname(page), path);
      if (!exists(file)) return true;
      return anchor !== undefined && !anchorsOf(path === '' ? markdown : read(file)).has(anchor);
    })
    .map((target) => `${page}: ${target}`);
}

interface TestNames {
  readonly literals: ReadonlySet<string>;
  /** For each template literal, the texts between its values. */
  readonly templates: readonly (readonly string[])[];
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Every text in this file that may name a test: all literals, because tables may hold names, and the templates of `it`. */
function testNamesOf(source: string): TestNames {
  const literals = new Set<string>();
  const templates: (readonly string[])[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) literals.add(node.text);
    if (ts.isCallExpression(node) && ['it', 'describe'].includes(node.expression.getText())) {
      const [name] = node.arguments;
      if (name !== undefined && ts.isTemplateExpression(name)) {
        templates.push([name.head.text, ...name.templateSpans.map((span) => span.literal.text)]);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('x.test.ts', source, ts.ScriptTarget.ES2023, true));
  return { literals, templates };
}

/**
 * The tests that a page names. A file stands in code font, and names in quotes belong to the file before them in the row. A cell
 * may also hold nothing but `file: name`.
 */
function* testsNamedIn(markdown: string): Generator<{ readonly file: string; readonly name: string | undefined }> {
  for (const row of markdown.replaceAll(fence, '').split('\n')) {
    for (const cell of cellsOf(row)) {
      const [, file, name] = /^ *(test\/\S+\.ts): (.+?) *$/.exec(cell) ?? [];
      if (file !== undefined) yield { file, name };
    }
    let file: string | undefined;
    for (const [, path, straight, curly] of row.matchAll(/`(test\/[^`\s]+\.ts)`|"([^"]+)"|“([^”]+)”/g)) {
      if (path !== undefined) {
        file = path;
        yield { file, name: undefined };
      } else if (file !== undefined) yield { file, name: straight ?? curly };
    }
  }
}

const cellsOf = (row: string): readonly string[] => row.slice(1, -1).split(/(?<!\\)\|/);

const wildly = (parts: readonly string[]): RegExp => new RegExp(`^${parts.map(escaped).join('.*')}$`, 's');

/** Whether a file has a test of this name, in which `…` stands for anything. */
function hasTest({ literals, templates }: TestNames, name: string): boolean {
  if (literals.has(name) || templates.some((parts) => wildly(parts).test(name))) return true;
  if (!name.includes('…')) return false;
  const wanted = wildly(name.split('…'));
  const filled = templates.flatMap((parts) => [...literals].map((value) => parts.join(value)));
  return [...literals, ...filled].some((text) => wanted.test(text));
}

const known = new Map<string, TestNames>();

/** What is wrong with the tests that a page names. `…` in a name stands for anything. */
function missingTests(page: string, markdown: string): string[] {
  const missing: string[] = [];
  for (const { file, name } of testsNamedIn(markdown)) {
    if (!exists(file)) missing.push(`${page}: no file ${file}`);
    else if (name !== undefined) {
      if (!known.has(file)) known.set(file, testNamesOf(read(file)));
      if (!hasTest(known.get(file) as TestNames, name)) missing.push(`${page}: ${file} has no test "${name}"`);
    }
  }
  return missing;
}

/** The cells of every table row of a page, without the heads. */
const rowsOf = (markdown: string): readonly (readonly string[])[] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (clause|No\.) \|/.test(line))
    .map((line) => cellsOf(line).map((cell) => cell.trim()));

/** What is wrong with a break. It must name a file, and code in this file, whatever its layout. */
function staleBreak(cell: string): string[] {
  const [, file = '', quoted = ''] = /^(\S+\.ts): `([^`]+)` became /.exec(cell) ?? [];
  if (!exists(file)) return [`no file: ${cell}`];
  const bare = (code: string): string => code.replaceAll(/\s+/g, '');
  const code = bare(quoted.replaceAll(String.raw`\|`, '|'));
  return code !== '' && bare(read(file)).includes(code) ? [] : [`${file} has no ${quoted}`];
}

const numbers = (letter: string, last: number, first = 1): readonly string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => `${letter}${first + index}`);

/** The numbers that need a row in docs/seeds.md. */
const seeds = [
  ...numbers('W', 18),
  ...numbers('S', 6),
  ...numbers('R', 5),
  ...numbers('B', 11),
  ...numbers('K', 6),
  ...numbers('P', 4, 2),
  ...numbers('P', 7, 6),
  ...numbers('X', 3),
  ...numbers('G', 11),
  ...numbers('Q', 7),
  ...numbers('O', 3),
  ...numbers('T', 6),
];

describe('a target that the documentation points at', () => {
  it('exists for every relative link: the file, and the heading if the link names one', () => {
    expect(pages.flatMap((page) => deadLinks(page, read(page)))).to.deep.equal([]);
  });

  it('exists for every test that a page names, in the file that the page names', () => {
    expect(docs.flatMap((page) => missingTests(page, read(page)))).to.deep.equal([]);
  });

  it('exists for every source file that a page names with its path', () => {
    const named = pages.flatMap((page) =>
      [...read(page).matchAll(/`((?:src|actors|supervision|scripts|examples|bench)\/[\w./-]+\.(?:ts|mjs))`/g)].map(
        ([, file = '']) => ({ page, file }),
      ),
    );
    for (const row of rowsOf(read('docs/seeds.md'))) {
      for (const [, file = ''] of (row[4] ?? '').matchAll(
        /(?:^|[\s(])((?:src|actors|supervision|examples)\/[\w./-]+\.ts)/g,
      ))
        named.push({ page: 'docs/seeds.md', file });
    }
    expect(named.length).to.be.greaterThan(80);
    expect(named.filter(({ file }) => !exists(file))).to.deep.equal([]);
  });

  it('is an identifier of the file that a page names beside it', () => {
    const [place, name] = ['`((?:src|actors|supervision|scripts|test)/[\\w./-]+\\.(?:ts|mjs))`', '`[A-Za-z_]\\w*`'];
    const named = pages.flatMap((page) => {
      const text = read(page);
      const inParentheses = [...text.matchAll(new RegExp(`${place} \\(([^)]*)\\)`, 'g'))].map(
        ([, file = '', inside = '']) => ({ file, inside }),
      );
      const before = [...text.matchAll(new RegExp(`((?:${name}(?:, | and )?)+) in ${place}`, 'g'))].map(
        ([, inside = '', file = '']) => ({ file, inside }),
      );
      return [...inParentheses, ...before].flatMap(({ file, inside }) =>
        [...inside.matchAll(/`([A-Za-z_]\w*)`/g)].map(([, identifier = '']) => ({ page, file, identifier })),
      );
    });
    expect(named.length).to.be.greaterThan(80);
    const isUnknown = ({ file, identifier }: { file: string; identifier: string }): boolean =>
      !new RegExp(`\\b${identifier}\\b`).test(codeOf(file));
    expect(named.filter(isUnknown)).to.deep.equal([]);
  });

  it('is a test for each clause of the KCL', () => {
    const rows = rowsOf(read('docs/kcl-compatibility.md'));
    expect(rows.length).to.be.greaterThan(80);
    for (const row of rows) {
      expect(row, row[0]).to.have.length(4);
      expect(row[2], row[0]).to.match(/`test\/[^`]+` "/);
      expect(row[3], row[0]).to.match(/^(kept|departs|ours|no counterpart)/);
    }
  });

  it('is a test for each number of the seeds, and a break that turned it red', () => {
    const rows = rowsOf(read('docs/seeds.md'));
    const answered = rows.map(([number]) => number);
    expect(seeds.filter((number) => !answered.includes(number))).to.deep.equal([]);
    for (const row of rows) {
      expect(row, row[0]).to.have.length(5);
      expect(row[2], row[0]).to.match(/^\*\*(kept|bettered|not applicable)\*\*/);
      if (row[2]?.startsWith('**not applicable**') === true) continue;
      expect(row[3], row[0]).to.match(/^test\/\S+\.test\.ts: \S/);
      expect(row[4], row[0]).to.have.length.greaterThan(10);
    }
  });

  it('is the code that each break of the seeds changed', () => {
    const rows = rowsOf(read('docs/seeds.md')).filter((row) => row[2]?.startsWith('**not applicable**') !== true);
    expect(rows.flatMap((row) => staleBreak(row[4] ?? ''))).to.deep.equal([]);
  });

  it('is a break for each named test of the table for people who know kflow', () => {
    const [, table = ''] = read('docs/pipes.md').split('| kflow | here | a test |');
    const named = [...testsNamedIn(table)].flatMap(({ file, name }) =>
      name === undefined ? [] : [`${file}: ${name}`],
    );
    const broken = new Set(rowsOf(read('docs/seeds.md')).map((row) => row[3]));
    expect(named.length).to.be.greaterThan(25);
    expect(named.filter((each) => !broken.has(each))).to.deep.equal([]);
  });

  it('would be missed', () => {
    expect(deadLinks('docs/x.md', '[a](no-such.md) [b](../README.md#no-such) [c](../README.md#try-it)')).to.deep.equal([
      'docs/x.md: no-such.md',
      'docs/x.md: ../README.md#no-such',
    ]);
    const here = '`test/repository/docs-links.test.ts`';
    expect(missingTests('x', `| ${here} "would be missed", "would not …", "would be …" |`)).to.deep.equal([
      'x: test/repository/docs-links.test.ts has no test "would not …"',
    ]);
    expect(missingTests('x', '| W1 | test/repository/docs-links.test.ts: would be missing | y |')).to.deep.equal([
      'x: test/repository/docs-links.test.ts has no test "would be missing"',
    ]);
    expect(missingTests('x', '`test/repository/no-such.test.ts`')).to.have.length(1);
    expect(staleBreak('src/core/routing.ts: `return noSuchCode(` became nothing')).to.have.length(1);
  });
});

describe('docs/README.md', () => {
  it('names every page, once', () => {
    const named = [...read('docs/README.md').matchAll(/^\| (?:\[([\w-]+\.md)\]|`docs\/([\w-]+\.md)`)/gm)];
    const pagesNamed = named.map(([, linked, inRepository = '']) => `docs/${linked ?? inRepository}`);
    expect(pagesNamed.toSorted()).to.deep.equal(docs.filter((page) => page !== 'docs/README.md').toSorted());
  });
});

describe('docs/glossary.md', () => {
  it('has at most 40 rows, and no term twice', () => {
    const terms = rowsOf(read('docs/glossary.md')).flatMap(([term = '']) =>
      term === 'term' ? [] : [term.split(', ')],
    );
    expect(terms.length).to.be.at.most(40);
    const all = terms.flat();
    expect(all.filter((term, at) => all.indexOf(term) < at)).to.deep.equal([]);
  });
});

/** What looks like a function or a constant, and is not in the code of any file that the cell names. Options are told by their table. */
function strangersIn(cell: string): string[] {
  const files = [...cell.matchAll(/`((?:src|actors|supervision)\/[\w./-]+\.ts)`/g)].map(([, file = '']) => file);
  const codes = files.filter(exists).map(codeOf);
  const options = read('docs/options.md');
  return [...cell.matchAll(/`#?([a-z][A-Za-z]*)`/g)]
    .map(([, name = '']) => name)
    .filter((name) => files.length > 0 && !options.includes(`| \`${name}\` |`))
    .filter((name) => !codes.some((code) => new RegExp(`\\b${name}\\b`).test(code)))
    .map((name) => `${name}: ${files.join(', ')}`);
}

describe('docs/code-map.md', () => {
  it('names a test beside each question', () => {
    const questions = rowsOf(read('docs/code-map.md')).filter(([question]) => question !== 'question');
    expect(questions.length).to.be.greaterThan(80);
    for (const row of questions) {
      expect(row, row[0]).to.have.length(3);
      expect(row[2], row[0]).to.match(/^`test\/\S+\.ts`$/);
    }
  });

  it('has rows of functions that are in a file of their row', () => {
    const stale = rowsOf(read('docs/code-map.md')).flatMap(([, where = '']) => strangersIn(where));
    expect(stale).to.deep.equal([]);
  });

  it('would be seen to name a function of another file', () => {
    expect(strangersIn('`src/core/routing.ts` (`stageIndexOf`); late: `dropLate`, for `maxPending`')).to.deep.equal([
      'dropLate: src/core/routing.ts',
    ]);
  });

  it('has lists of functions that are in the files beside them', () => {
    const list = /^ {4}(?:\([\w ]+\)|\w+)? +(\w+(?:, \w+)*) +((?:actors|src|supervision)\/\S+\.ts) {2}/gm;
    const listed = [...read('docs/code-map.md').matchAll(list)].flatMap(([, names = '', file = '']) =>
      names.split(', ').map((name) => ({ file, name })),
    );
    expect(listed.length).to.be.greaterThan(100);
    const isMissing = ({ file, name }: { file: string; name: string }): boolean =>
      !exists(file) || !new RegExp(`\\b${name}\\b`).test(read(file));
    expect(listed.filter(isMissing)).to.deep.equal([]);
  });
});

/** The rows of a page behind a blank line that cuts their table in two. Markdown shows them as text. */
function cutTables(page: string, markdown: string): string[] {
  const lines = markdown.replaceAll(fence, (block) => block.replaceAll(/[^\n]/g, '')).split('\n');
  const isRow = (line = ''): boolean => /^ *\|/.test(line);
  return lines.flatMap((line, at) => {
    const isFirst = isRow(line) && !isRow(lines[at - 1]);
    return isFirst && !/^ *\|[\s:|-]+$/.test(lines[at + 1] ?? '') ? [`${page}:${at + 1}`] : [];
  });
}

describe('a table of a page', () => {
  it('is not cut by a blank line', () => {
    expect(pages.flatMap((page) => cutTables(page, read(page)))).to.deep.equal([]);
  });

  it('would be seen if it were', () => {
    const table = '| a | b |\n|---|---|\n| 1 | 2 |\n';
    expect(cutTables('x', `${table}\n${table}`)).to.deep.equal([]);
    expect(cutTables('x', `${table}\n| 3 | 4 |\n\n\`\`\`\n| no row |\n\`\`\`\n`)).to.deep.equal(['x:5']);
  });
});

describe('pages that people read from top to bottom', () => {
  for (const [page, limit] of [
    ['README.md', 120],
    ['CONTRIBUTING.md', 60],
    ['docs/operating.md', 120],
  ] as const) {
    it(`are short: ${page} has at most ${limit} lines`, () => {
      expect(read(page).trimEnd().split('\n').length).to.be.at.most(limit);
    });
  }
});
