// The header of a module may say which files call it, make it or use it. Each file that it names so imports the module.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The comment at the head of a module, on one line. */
function headerOf(text: string): string {
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join(' ');
}

/** The files that a header names as callers: those after "called by", up to the end of the sentence or a semicolon. */
function callersIn(header: string): string[] {
  const clauses = header.match(/\b(?:called|made|used) by\b.*?(?:[;]|\.(?= |$))/gi) ?? [];
  return clauses.flatMap((clause) => clause.match(/[\w-]+\.ts\b/g) ?? []);
}

/** `file: caller` for each caller that a header names and that does not import the file. */
function wrongCallers(files: ReadonlyMap<string, string>): string[] {
  const imports = (caller: string, file: string): boolean => {
    const specifier = `/${basename(file, '.ts')}.js'`;
    return [...files].some(([path, text]) => basename(path) === caller && text.includes(specifier));
  };
  return [...files].flatMap(([file, text]) =>
    callersIn(headerOf(text))
      .filter((caller) => !imports(caller, file))
      .map((caller) => `${file}: ${caller}`),
  );
}

describe('the callers that the header of a module names', () => {
  it('import the module', () => {
    const paths = ['src', 'actors', 'supervision'].flatMap((place) =>
      readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(place, file)),
    );
    const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
    expect(files.size).to.be.greaterThan(400);
    expect(wrongCallers(files)).to.deep.equal([]);
  });

  it('are read up to the end of the clause, over lines, and not from other comments', () => {
    const files = new Map([
      [
        'a/tea.ts',
        '// Boils water. Called by cup.ts\n// and `mug.ts`; pot.ts reads it. Used by jug.ts.\n// See pan.ts.\ncode',
      ],
      ['b/cup.ts', "import { boil } from '../a/tea.js';"],
      ['b/mug.ts', '// Called by nobody.\ncode\n// Called by tea.ts.'],
    ]);
    expect(wrongCallers(files)).to.deep.equal(['a/tea.ts: mug.ts', 'a/tea.ts: jug.ts']);
  });
});
