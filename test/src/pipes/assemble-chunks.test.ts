// Objects of chunks: whole, or failed with all of their chunks; repeated chunks are settled at once.
import { expect } from 'chai';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { assembleChunks } from '../../../src/pipes/assemble-chunks.js';
import type { Chunk } from '../../../src/pipes/chunked-object.js';
import { itemsOf, one, ran, settledIds, two, valuesOf } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';
import type { NaivePipe, Verdict } from '../../support/naive-pipe-types.js';

/** 'a2/3' is chunk 2 of 3 of object a; 'a2' says no total, and 'a2.' is the last. */
function chunkOf(text: string): Chunk {
  const [, id, index, total, last] = /^(.)(\d+)(?:\/(\d+))?(\.?)$/.exec(text)!;
  return total === undefined
    ? { id: id!, index: Number(index), isLast: last === '.' }
    : { id: id!, index: Number(index), total: Number(total) };
}

const node = assembleChunks({ chunk: chunkOf, maxAgeMs: 1_000, concat: (texts: readonly string[]) => texts.join(' ') });

interface Run {
  readonly pipe: NaivePipe;
  readonly errors: Error[];
}

async function run(texts: readonly string[], verdict: Verdict = 'skip'): Promise<Run> {
  const errors: Error[] = [];
  const onFailure = (error: unknown): Verdict => (errors.push(error as Error), verdict);
  const pipe = await naivePipe([node], { onFailure });
  pipe.offer(...itemsOf(texts));
  await pipe.run();
  return { pipe, errors };
}

describe('assembleChunks', () => {
  it('sends an object on with its last chunk, by total or by isLast', async () => {
    for (const texts of [
      ['a1/3', 'a2/3', 'a3/3', 'b1/2'],
      ['a1', 'a2', 'a3.', 'b1'],
    ]) {
      const { pipe } = await run(texts);
      expect(valuesOf(pipe)).to.deep.equal([texts.slice(0, 3).join(' ')]);
      expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
    }
  });

  it('takes objects of one chunk, and objects whose chunks alternate', async () => {
    const { pipe } = await run(['a1/1', 'b1/2', 'c1/2', 'd1.', 'c2/2', 'b2/2']);
    expect(valuesOf(pipe)).to.deep.equal(['a1/1', 'd1.', 'c1/2 c2/2', 'b1/2 b2/2']);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('settles a chunk that is here already, and does not take it twice', async () => {
    const { pipe, errors } = await run(['a1/3', 'a1/3', 'a2/3', 'a1/3', 'a2/3', 'a3/3']);
    expect(valuesOf(pipe)).to.deep.equal(['a1/3 a2/3 a3/3']);
    expect(errors).to.deep.equal([]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('settles a chunk that is here already while the object still waits', async () => {
    const { pipe } = await run(['a1/3', 'a1/3']);
    expect(settledIds(pipe)).to.deep.equal([2]);
  });

  it('settles a retransmission of a whole object, and takes a new one with another id', async () => {
    const { pipe } = await run(['a1/2', 'a2/2', 'a1/2', 'a2/2', 'b1/2', 'b2/2']);
    expect(valuesOf(pipe)).to.deep.equal(['a1/2 a2/2', 'b1/2 b2/2']);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('forgets an id after its time, with the next object', async () => {
    const { pipe } = await run(['a1/1']);
    await pipe.advance(1_001);
    pipe.offer(...itemsOf(['a1/1', 'b1/1', 'a1/1'], { from: 2 }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal(['a1/1', 'b1/1', 'a1/1']);
  });

  it('remembers a thousand ids', async () => {
    const numbered = assembleChunks({
      chunk: (id: number) => ({ id, index: 1, total: 1 }),
      maxAgeMs: 1_000,
      concat: ([id]: readonly number[]) => id!,
    });
    const ids = Array.from({ length: 1_001 }, (_, id) => id);
    const pipe = await ran([numbered], [...ids, 1, 0]);
    expect(valuesOf(pipe)).to.deep.equal([...ids, 0]);
  });

  it('fails all chunks of an object of which one is missing, each later one too, and goes on', async () => {
    const { pipe, errors } = await run(['b1/2', 'a1/4', 'a3/4', 'a4/4', 'b2/2']);
    expect(errors.map(({ message }) => message)).to.deep.equal([
      "assembleChunks: chunk 2 of 'a' is missing: chunk 3 came",
      "assembleChunks: chunk 1 of 'a' is missing: chunk 4 came",
    ]);
    for (const error of errors) expect(error).to.be.instanceOf(NonRetryableError);
    expect(valuesOf(pipe)).to.deep.equal(['b1/2 b2/2']);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('sends nothing on, and settles nothing, if the verdict is crash', async () => {
    const pipe = await naivePipe([node]);
    pipe.offer(...itemsOf(['a1/3', 'a3/3']));
    const error: unknown = await pipe.run().catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.contain('chunk 2');
    expect(settledIds(pipe)).to.deep.equal([]);
    expect(valuesOf(pipe)).to.deep.equal([]);
  });

  it('fails an object whose total changes', async () => {
    const { pipe, errors } = await run(['a1/3', 'a2/2', 'a3/3']);
    expect(errors[0]!.message).to.contain("chunk 2 of 'a' has the total 2, and chunk 1 had 3");
    expect(valuesOf(pipe)).to.deep.equal([]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
  });

  it('fails each object that is not whole in time, and no other', async () => {
    const { pipe, errors } = await run(['a1/2', 'b1/2']);
    await pipe.advance(500);
    pipe.offer(...itemsOf(['c1/2'], { from: 3 }));
    await pipe.run();
    await pipe.advance(499);
    expect(errors).to.deep.equal([]);
    await pipe.advance(1);
    expect(errors.map(({ message }) => message)).to.deep.equal([
      "assembleChunks: object 'a' was not whole after 1000 ms",
      "assembleChunks: object 'b' was not whole after 1000 ms",
    ]);
    expect(errors[0]).to.be.instanceOf(NonRetryableError);
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
    await pipe.advance(499);
    pipe.offer(...itemsOf(['c2/2', 'd1/2'], { from: 4 }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal(['c1/2 c2/2']);
    await pipe.advance(1_000);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5]);
    expect(errors.map(({ message }) => message).slice(2)).to.deep.equal([
      "assembleChunks: object 'd' was not whole after 1000 ms",
    ]);
  });

  it('never emits half an object at a flush', async () => {
    const { pipe } = await run(['a1/2']);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([]);
    expect(settledIds(pipe)).to.deep.equal([]);
    expect(pipe.flushed).to.deep.equal([1]);
  });

  it('forgets an object that a lost lease has brought, which comes whole again', async () => {
    const { pipe, errors } = await run(['a1/2']);
    pipe.lose(one);
    pipe.offer(...itemsOf(['a1/2', 'a2/2'], { from: 2, of: two }));
    await pipe.run();
    expect(errors).to.deep.equal([]);
    expect(valuesOf(pipe)).to.deep.equal(['a1/2 a2/2']);
  });

  it('fails an object that has lost a part, with its next chunk', async () => {
    const { pipe, errors } = await run(['a1/3']);
    pipe.offer(...itemsOf(['a2/3'], { from: 2, of: two }));
    await pipe.run();
    pipe.lose(one);
    pipe.offer(...itemsOf(['a3/3'], { from: 3, of: two }));
    await pipe.run();
    expect(errors[0]!.message).to.contain("object 'a' has lost chunks with their lease");
    expect(valuesOf(pipe)).to.deep.equal([]);
    expect(settledIds(pipe)).to.deep.equal([2, 3]);
  });

  it('fails what is no chunk, alone', async () => {
    for (const [chunk, text] of [
      [undefined, 'must be an object, got undefined'],
      [{ index: 1, total: 1 }, 'has the id undefined'],
      [{ id: 'a', index: 0, total: 1 }, "of 'a' has the index 0"],
      [{ id: 'a', index: 1 }, "of 'a' has neither total nor isLast"],
      [{ id: 'a', index: 2, total: 1 }, "2 of 'a' has the total 1"],
    ] as const) {
      const errors: Error[] = [];
      const wrong = assembleChunks<string, string>({ chunk: () => chunk as Chunk, maxAgeMs: 9, concat: () => '' });
      const pipe = await ran([wrong], ['x'], { onFailure: (error) => (errors.push(error as Error), 'skip') });
      expect(errors[0]!.message).to.equal(`assembleChunks: a chunk ${text}`);
      expect(settledIds(pipe)).to.deep.equal([1]);
    }
  });

  it('repeats a failed concat with the same chunks, or fails them all', async () => {
    for (const verdict of ['retry', 'skip'] as const) {
      let failures = 1;
      const concat = async (texts: readonly string[]): Promise<string> => {
        if (failures-- > 0) throw new Error('down');
        return texts.join(' ');
      };
      const flaky = assembleChunks({ chunk: chunkOf, maxAgeMs: 9, concat });
      const pipe = await ran([flaky], ['a1/2', 'a2/2', 'b1/1'], { onFailure: () => verdict });
      expect(valuesOf(pipe)).to.deep.equal(verdict === 'retry' ? ['a1/2 a2/2', 'b1/1'] : ['b1/1']);
      expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
    }
  });

  it('stands for all chunks of its object', async () => {
    const pipe = await ran([node, aggregate<string>({ count: 2 })], ['a1/2', 'a2/2', 'b1/1']);
    expect(valuesOf(pipe)).to.deep.equal([['a1/2 a2/2', 'b1/1']]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
    expect(settledIds(await ran([node, aggregate<string>({ count: 2 })], ['a1/2', 'a2/2']))).to.deep.equal([]);
  });

  it('refuses options that are missing, unknown or out of bounds', () => {
    const given = { chunk: chunkOf, maxAgeMs: 1, concat: () => '' };
    for (const [options, text] of [
      [{ ...given, chunk: undefined }, 'assembleChunks.chunk: expected a function, got undefined'],
      [{ ...given, concat: 1 }, 'assembleChunks.concat: expected a function, got 1'],
      [{ ...given, maxAgeMs: undefined }, 'assembleChunks.maxAgeMs: expected a number of milliseconds'],
      [{ ...given, maxAge: 1 }, 'assembleChunks.maxAge: no such member; did you mean maxAgeMs?'],
    ] as const)
      expect(() => assembleChunks(options as never)).to.throw(text);
  });
});
