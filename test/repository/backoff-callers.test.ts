// The header of src/core/backoff.ts lists everyone who waits between attempts, and how. A list that misses one is worse than none.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = ['src', 'actors', 'supervision'].flatMap((place) =>
  readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${place}/${file}`),
);

/** The files that the header lists under the name of this function. */
function listedUnder(name: string): readonly string[] {
  const [header = ''] = read('src/core/backoff.ts').split(/^(?!\/\/)/m);
  const parts = header.split(/(?=^\/\/ \S)/m);
  const at = parts.flatMap((part, index) => (/^\/\/ .*\(`(\w+)`\)/.exec(part)?.[1] === name ? [index] : []));
  const listed = at.flatMap((index) =>
    [...(parts[index] ?? '').matchAll(/^\/\/ {3}(\S+\.ts) /gm)].map(([, file = '']) => file),
  );
  return [...new Set(listed)].toSorted();
}

/** The files that import something of backoff.ts, and whether they import `exponentialMs`. */
function importers(): readonly { readonly file: string; readonly doubles: boolean; readonly jitters: boolean }[] {
  return sources.flatMap((file) => {
    const [, names = ''] = /^import (.*) from '[^']*\bcore\/backoff\.js'/m.exec(read(file)) ?? [];
    if (names === '') return [];
    const doubles = names.includes('exponentialMs');
    return [{ file, doubles, jitters: !doubles || names.includes('backoffMs') }];
  });
}

describe('the header of src/core/backoff.ts', () => {
  it('lists every file with a wait of full jitter', () => {
    const expected = importers().filter(({ jitters }) => jitters);
    expect(expected.length).to.be.greaterThan(10);
    expect(listedUnder('backoffMs')).to.deep.equal(expected.map(({ file }) => file).toSorted());
  });

  it('lists every file with a pause that doubles', () => {
    const expected = importers().filter(({ doubles }) => doubles);
    expect(expected.length).to.be.greaterThan(5);
    expect(listedUnder('exponentialMs')).to.deep.equal(expected.map(({ file }) => file).toSorted());
  });
});
