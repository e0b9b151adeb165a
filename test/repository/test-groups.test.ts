// `npm test` and `npm run check` run the groups of scripts/test-groups.mjs, so a file in no group would never run.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

interface Group {
  readonly name: string;
  readonly lane: string;
  readonly tests: readonly string[];
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { lanes, testGroups } = (await import(`${root}scripts/test-groups.mjs`)) as {
  readonly lanes: Readonly<Record<string, number>>;
  readonly testGroups: (chosen?: (file: string) => boolean) => readonly Group[];
};

const compiled = ['test', 'examples'].flatMap((place) =>
  readdirSync(`${root}.build/${place}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => `.build/${place}/${file}`),
);

describe('the groups of tests', () => {
  it('have every test file in one group, except the package tests', () => {
    const expected = compiled.filter((file) => !file.startsWith('.build/test/package/'));
    expect(testGroups().flatMap(({ tests }) => tests)).to.have.members(expected);
  });

  it('are each on a lane', () => {
    for (const { name, lane } of testGroups()) expect(Object.keys(lanes), name).to.include(lane);
  });

  it('are as many as needed for the chosen files', () => {
    const groups = testGroups((file) => file.endsWith('/test-groups.test.js'));
    expect(groups.map(({ name, tests }) => [name, ...tests])).to.deep.equal([
      ['unit tests', '.build/test/repository/test-groups.test.js'],
    ]);
  });
});
