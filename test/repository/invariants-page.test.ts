// docs/invariants.md defines every invariant that code, tests and pages name, and names the files that check it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const codeIn = /\bI\d{1,2}\b/g;

/** Each number, and the files that check it. */
const rows = [...read('docs/invariants.md').matchAll(/^\| (I\d+) \|.*\| (.*) \|$/gm)].map(
  ([, code = '', files = '']) => ({
    code,
    files: files.split(', '),
  }),
);

const named = ['src', 'actors', 'supervision', 'test', 'docs'].flatMap((place) =>
  readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|md)$/.test(file))
    .flatMap((file) =>
      [...read(join(place, file)).matchAll(codeIn)].map(([code]) => ({ code, file: join(place, file) })),
    ),
);

describe('the page of invariants', () => {
  it('defines each number once, and every number that is used', () => {
    const defined = rows.map(({ code }) => code);
    expect(defined).to.deep.equal([...new Set(defined)]);
    expect(named.filter(({ code }) => !defined.includes(code))).to.deep.equal([]);
  });

  it('names only files that state the law', () => {
    const wrong = rows.flatMap(({ code, files }) =>
      files.filter((file) => !existsSync(join(root, file)) || !new RegExp(`\\b${code}\\b`).test(read(file))),
    );
    expect(wrong).to.deep.equal([]);
  });
});
