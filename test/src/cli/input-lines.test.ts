// Lines are the same however the bytes arrive in chunks, and a line above the limit does not spoil the next one.
import { expect } from 'chai';
import fc from 'fast-check';
import { linesOf } from '../../../src/cli/input-lines.js';

async function collect(chunks: readonly Uint8Array[], maxBytes = 1_000): Promise<string[]> {
  const lines: string[] = [];
  async function* feed(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  for await (const some of linesOf(feed(), maxBytes))
    lines.push(...some.map((line) => Buffer.from(line).toString('latin1')));
  return lines;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('lines of an input', () => {
  it('are the texts between newlines, empty ones included, and the rest after the last newline', async () => {
    expect(await collect([bytes('a\n\nb\r\nc')])).to.deep.equal(['a', '', 'b\r', 'c']);
    expect(await collect([bytes('a\n')])).to.deep.equal(['a']);
    expect(await collect([])).to.deep.equal([]);
    expect(await collect([bytes('')])).to.deep.equal([]);
    expect(await collect([bytes('\n')])).to.deep.equal(['']);
  });

  it('are the same however the bytes arrive in chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 12 }).map((part) => part.map((byte) => (byte < 100 ? 10 : byte)))),
        async (chunks) => {
          const whole = Buffer.concat(chunks).toString('latin1');
          const expected = whole.split('\n');
          if (expected.at(-1) === '') expected.pop();
          expect(await collect(chunks)).to.deep.equal(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are cut to one byte over the limit, and the next line is whole again', async () => {
    const chunks = [bytes('a'.repeat(7)), bytes('b'.repeat(50)), bytes('c\nok\nabcde'), bytes('f\nabcde')];
    expect(await collect(chunks, 5)).to.deep.equal(['aaaaaa', 'ok', 'abcdef', 'abcde']);
  });
});
