// A comment that names a function or a field must not survive its renaming: every identifier in backticks, in the comments of the
// shipped code, occurs in that code. Identifiers are words with a capital letter, members (`lease.row`) and calls (`publish()`).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** A part of protobufjs, which the code never names. */
const foreign = new Set(['skipType']);

interface Citation {
  readonly place: string;
  readonly name: string;
}

/** The identifiers that a comment names in backticks. */
function namesIn(comment: string): string[] {
  return [...comment.matchAll(/`([A-Za-z][\w.]*)(\(\))?`/g)].flatMap(([, name = '', call]) =>
    call !== undefined || /[A-Z.]/.test(name) ? name.split('.').filter((each) => each !== 'ts') : [],
  );
}

/** What the comments of a text name that occurs in none of `words`, to which the words of its own code are added first. */
function citationsOf(file: string, text: string, words: Set<string>): Citation[] {
  return text.split('\n').flatMap((line, at) => {
    const [, code = '', comment = ''] = /^((?:(?!\/\/|^\s*\/?\*).)*)(.*)$/.exec(line) ?? [];
    for (const word of code.match(/\w+/g) ?? []) words.add(word);
    return namesIn(comment).map((name) => ({ place: `${file}:${at + 1}`, name }));
  });
}

function unknownNames(files: ReadonlyMap<string, string>): string[] {
  const words = new Set(foreign);
  const citations = [...files].flatMap(([file, text]) => citationsOf(file, text, words));
  return citations.filter(({ name }) => !words.has(name)).map(({ place, name }) => `${place}: \`${name}\``);
}

describe('names in comments', () => {
  it('are the names of something in the code', () => {
    const paths = ['src', 'actors', 'supervision'].flatMap((place) =>
      readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(place, file)),
    );
    const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
    expect(unknownNames(files)).to.deep.equal([]);
  });

  it('are read from every kind of comment, and not from code', () => {
    const text = [
      '// Calls `oldName`, then `read()` and `lease.gone`.',
      'const newName = `quotedText`; // not `trailingName`',
      '/** See `newName` and `lease`; `plain` is a word. */',
      ' * `blockName` of const blockName',
      'function read(lease) {}',
    ].join('\n');
    const names = ['1: `oldName`', '1: `gone`', '2: `trailingName`', '4: `blockName`'];
    expect(unknownNames(new Map([['a.ts', text]]))).to.deep.equal(names.map((name) => `a.ts:${name}`));
  });
});
