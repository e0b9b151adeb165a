// Pages and comments are in English for engineers who read fast. A sentence has at most 30 words, each of its parts between colons and
// semicolons at most 25, and none of the private words that this project once used. A sentence in a table has at most 30, too. Comments
// fit the page, and the header of a module is short.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Of a sentence, and of a part of one between colons and semicolons. */
const mostWords = { sentence: 30, part: 25 };
const mostColumns = 140;
const privateWords =
  /\b(anew|borne|thereupon|whoever|heed(s|ed)?|nobody's business|gets? on with|in thought|of its own accord)\b/i;
/** The same words, less the one that tests may use. */
const privateInTests =
  /\b(anew|borne|thereupon|heed(s|ed)?|nobody's business|gets? on with|in thought|of its own accord)\b/i;

const below = (place: string, ending: string): string[] =>
  readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(place, file));

/** The prose of a page, without code, tables and lists of links. */
function pageProse(text: string): string[] {
  return text
    .replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
    .replaceAll(/<!--[\s\S]*?-->/g, '')
    .split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )/)
    .filter((paragraph) => !/^\s*(?:\||#|<| {4})/.test(paragraph) && !paragraph.includes(' ·'));
}

/** The comments of a file. Lines that follow one another are one comment. */
function comments(text: string): string[] {
  const found: string[] = [];
  let lines: string[] = [];
  for (const line of [...text.split('\n'), '']) {
    const [, text] = /^\s*(?:\/\/|\/\*\*?|\*(?!\/))\s?(.*?)(?:\*\/)?$/.exec(line) ?? [];
    // An indented line is a row of a list.
    if (text !== undefined && !/oxlint-|@/.test(line)) lines.push(/^ {2,}\S/.test(text) ? `- ${text.trim()}\n` : text);
    else {
      if (lines.length > 0) found.push(lines.join('\n'));
      lines = [];
    }
  }
  return found
    .filter((comment) => !/[├└─]|```/.test(comment))
    .flatMap((comment) => comment.split(/\n\s*\n|\n(?=\s*[-*] )/));
}

/** The cells of the tables of a page. */
const tableCells = (text: string): string[] =>
  text
    .replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap((line) => line.slice(1, -1).split(/(?<!\\)\|/));

/** The sentences of a paragraph. A code span, or the name of a test in quotes, counts as one word. */
const sentencesOf = (paragraph: string): string[] =>
  paragraph
    .replaceAll(/`[^`]*`|"[^"]*"/g, 'code')
    .replaceAll(/\([^()]*\)|\*\*|^\s*[-*] /gm, '')
    .split(/(?<=[.!?])\s+/)
    .map((sentence) => sentence.replaceAll(/\s+/g, ' ').trim());

const wordsOf = (text: string): number => text.split(' ').length;

function complaints(file: string, paragraphs: readonly string[]): string[] {
  return paragraphs.flatMap((paragraph) =>
    sentencesOf(paragraph).flatMap((sentence) => {
      const words = wordsOf(sentence);
      const longest = Math.max(...sentence.split(/(?<=[:;])\s+/).map(wordsOf));
      const word = privateWords.exec(sentence)?.[0];
      return [
        ...(words > mostWords.sentence ? [`${file}: ${words} words: ${sentence}`] : []),
        ...(longest > mostWords.part ? [`${file}: a part of ${longest} words: ${sentence}`] : []),
        ...(word === undefined ? [] : [`${file}: '${word}': ${sentence}`]),
      ];
    }),
  );
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('prose', () => {
  it('has short sentences and no private words in pages', () => {
    const pages = [
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...below('docs', '.md'),
      ...below('examples', '.md'),
    ];
    expect(pages.flatMap((page) => complaints(page, pageProse(read(page))))).to.deep.equal([]);
    const isLong = (complaint: string): boolean => !complaint.includes(': a part of');
    expect(pages.flatMap((page) => complaints(page, tableCells(read(page)))).filter(isLong)).to.deep.equal([]);
  });

  it('has short sentences and no private words in comments', () => {
    const sources = ['src', 'actors', 'supervision', 'examples'].flatMap((place) => below(place, '.ts'));
    expect(sources.flatMap((source) => complaints(source, comments(read(source))))).to.deep.equal([]);
  });

  it('keeps to 140 columns in comments, which the formatter does not check', () => {
    const files = ['src', 'actors', 'supervision', 'examples', 'test', 'scripts', 'bench'].flatMap((place) => [
      ...below(place, '.ts'),
      ...below(place, '.mjs'),
    ]);
    const isLong = (line: string): boolean => line.length > mostColumns && /^\s*(\/\/|\/?\*)/.test(line);
    const long = files.flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, at) => (isLong(line) ? [`${file}:${at + 1}`] : [])),
    );
    expect(long).to.deep.equal([]);
  });

  it('has one to six lines at the head of a module, besides lists and drawings', () => {
    const sources = ['src', 'actors', 'supervision'].flatMap((place) => below(place, '.ts'));
    const wrong = sources.filter((file) => {
      const lines = read(file)
        .replace(/^#!.*\n/, '')
        .split('\n');
      const header = lines.slice(
        0,
        lines.findIndex((line) => !line.startsWith('//')),
      );
      const prose = header.filter((line) => !/^\/\/(\s*$|\s{2,}|\s-\s|\s\d\.\s)/.test(line));
      return prose.length < 1 || prose.length > 6;
    });
    expect(wrong).to.deep.equal([]);
  });

  it('has no private words in tests and scripts', () => {
    const lines = ['test', 'scripts', 'bench'].flatMap((place) =>
      [...below(place, '.ts'), ...below(place, '.mjs')].flatMap((file) =>
        read(file)
          .split('\n')
          .map((line, at) => `${file}:${at + 1}: ${line.trim()}`),
      ),
    );
    const own = 'test/repository/prose.test.ts';
    expect(lines.filter((line) => !line.startsWith(own) && privateInTests.test(line))).to.deep.equal([]);
  });

  it('has one branch per line in drawings', () => {
    const sources = ['src', 'actors', 'supervision', 'examples'].flatMap((place) => below(place, '.ts'));
    const broken = sources.flatMap((file) =>
      read(file)
        .split('\n')
        .filter(
          (line) => /^\s*(\/\/|\*)/.test(line) && /[├└].*[├└]|\S {0,2}[├└│]/.test(line.replace(/^\s*(\/\/|\*)/, '')),
        )
        .map((line) => `${file}: ${line}`),
    );
    expect(broken).to.deep.equal([]);
  });
});
