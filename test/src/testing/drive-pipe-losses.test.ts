// A lease is lost while nodes hold values of several leases. What is left fails, is parked and goes on as if nothing else had been there.
import { expect } from 'chai';
import { batchSink, json, park, retry, type OnFailure } from '../../../src/index.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import type { Holding, NodeDefinition, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import type { Chunk } from '../../../src/pipes/chunked-object.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { drivePipe } from '../../../src/testing/index.js';

const itemsOf = (shardId: string, ...values: readonly unknown[]) =>
  values.map((value) => ({ key: 'k', shardId, value }));

/** A sink that keeps everything, and what it has kept. */
function keeper() {
  const parked: string[] = [];
  return { parked, policy: park(async ({ data }) => void parked.push(data.toString())) };
}

describe('an object that has lost a chunk with its lease', () => {
  interface Part extends Chunk {
    readonly text: string;
  }

  function assembly(onFailure: OnFailure) {
    const objects: string[] = [];
    const assembled = pipe<Part>({ format: json })
      .assembleChunks({
        chunk: (part) => part,
        maxAgeMs: 5_000,
        concat: (parts) => parts.map(({ text }) => text).join(''),
      })
      .to((object) => void objects.push(object));
    const driven = drivePipe(assembled, { onFailure });
    const chunk = (shardId: string, id: string, index: number) =>
      driven.items(itemsOf(shardId, { id, index, total: 3, text: `${id}${index}` }));
    return { driven, objects, chunk };
  }

  for (const how of ['by its age', 'by its next chunk'])
    it(`fails alone: ${how}`, async () => {
      const { driven, objects, chunk } = assembly('skip');
      await chunk('A', 'x', 1);
      await chunk('B', 'x', 2);
      await driven.advance(1_000);
      await chunk('B', 'y', 1);
      await chunk('B', 'y', 2);
      await driven.revoke('A');
      if (how === 'by its age') await driven.advance(4_500);
      else await chunk('B', 'x', 3);
      await chunk('B', 'y', 3);
      expect(objects).to.deep.equal(['y1y2y3']);
      expect(driven.failed).to.equal(undefined);
      const isLater = how !== 'by its age';
      expect([driven.counts['skippedItems'], driven.open.length]).to.deep.equal([isLater ? 2 : 1, 0]);
    });

  it('is parked without the chunk', async () => {
    const { parked, policy } = keeper();
    const { driven, chunk } = assembly(policy);
    await chunk('A', 'x', 1);
    await chunk('B', 'x', 2);
    await driven.revoke('A');
    await driven.advance(5_000);
    expect(parked).to.deep.equal(['{"id":"x","index":2,"total":3,"text":"x2"}']);
    expect([driven.open.length, driven.failed]).to.deep.equal([0, undefined]);
  });
});

describe('a value that stands for nothing', () => {
  /** Sends a header before the first value. */
  const header = defineNode<{ readonly isFirst: boolean }, string, string>({
    init: () => ({ isFirst: true }),
    handleMessage: ({ isFirst }, message) => ({
      state: { isFirst: false },
      outputs: [...(isFirst ? [{ value: 'header', of: [] }] : []), { value: message.value, of: [message] }],
    }),
  });

  for (const [name, first] of [
    ['of another shard', [...itemsOf('A', 'a'), ...itemsOf('B', 'b')]],
    ['of all there is', itemsOf('A', 'a')],
  ] as const)
    it(`stays in a batch that has lost a lease, ${name}, and fails with it`, async () => {
      const written: (readonly string[])[] = [];
      let isDown = true;
      const sink = batchSink<string>({ size: 100, intervalMs: 10_000 }, async (values) => {
        if (isDown) throw new Error('down');
        written.push(values);
      });
      const driven = drivePipe(pipe<string>().node(header).to(sink), { onFailure: retry() });
      await driven.items(first);
      await driven.revoke('A');
      await driven.items(itemsOf('B', 'c'));
      await driven.advance(11_000);
      isDown = false;
      await driven.advance(60_000);
      const [batch] = written;
      expect(written).to.have.length(1);
      expect(batch).to.deep.equal(name === 'of another shard' ? ['header', 'b', 'c'] : ['header', 'c']);
      expect([driven.failed, driven.open.length]).to.deep.equal([undefined, 0]);
    });

  /** Collects texts in one holding, and takes those of a lost lease out of them. */
  const collecting = defineNode<Texts, string, readonly string[]>({
    init: () => ({ held: createHolding(), texts: [] }),
    handleMessage: ({ held, texts }, message) => ({
      state: { held, texts: [...texts, { text: message.value, lease: message.lease }] },
      keep: [{ message, in: held }],
    }),
    handleFlush: ({ held, texts }) => ({
      state: { held: createHolding(), texts: [] },
      outputs: [{ value: texts.map(({ text }) => text), of: [held] }],
    }),
    handleLost: ({ held, texts }, { lease }) => ({ held, texts: texts.filter((each) => each.lease !== lease) }),
  });
  interface Texts {
    readonly held: Holding;
    readonly texts: readonly { readonly text: string; readonly lease: unknown }[];
  }

  for (const [when, steps] of [
    ['before the loss', ['a', 'footer', 'revoke']],
    ['after it', ['a', 'revoke', 'footer']],
  ] as const)
    it(`is sent on from a holding that was emptied by a loss: it came ${when}`, async () => {
      const out: (readonly string[])[] = [];
      const footer = defineNode<unknown, string, string>({
        handleMessage: (_, message): NodeResult<unknown, string> =>
          message.value === 'footer'
            ? { outputs: [{ value: 'footer', of: [] }], drop: [message] }
            : { outputs: [{ value: message.value, of: [message] }] },
      });
      const driven = drivePipe(
        pipe<string>()
          .node(footer)
          .node(collecting)
          .to((texts) => void out.push(texts)),
      );
      for (const step of steps)
        await (step === 'revoke' ? driven.revoke('A') : driven.items(itemsOf(step === 'a' ? 'A' : 'B', step)));
      await driven.flush();
      expect(out).to.deep.equal([['footer']]);
      expect(driven.counts['foldedAfterLoss'] ?? 0).to.equal(0);
    });
});

describe('a NodeFailure after a loss', () => {
  interface State {
    readonly held: Holding;
    readonly values: readonly string[];
  }
  type Message = PipeMessage<string>;

  /** Keeps all in one holding, until `end` fails with all of it. It says these values. */
  const failing = (
    values: (state: State) => readonly string[],
    handleLost?: (state: State) => State,
  ): NodeDefinition<State, string, string> =>
    defineNode<State, string, string>({
      init: () => ({ held: createHolding(), values: [] }),
      ...(handleLost === undefined ? {} : { handleLost }),
      handleMessage: (state, message: Message) => {
        const { held } = state;
        if (message.value !== 'end')
          return { state: { held, values: [...state.values, message.value] }, keep: [{ message, in: held }] };
        const empty = { held: createHolding(), values: [] };
        throw new NodeFailure(new Error('no'), { of: [held, message], state: empty, values: values(state) });
      },
    });

  /** What is parked, and the text of the last failure. */
  async function parkedBy(node: NodeDefinition<State, string, string>, before: readonly string[]) {
    const errors: string[] = [];
    const { parked, policy } = keeper();
    const onFailure: OnFailure = (error) => (errors.push((error as Error).message), policy);
    const nodes = pipe<string>({ format: json })
      .map((text) => text)
      .node(node);
    const driven = drivePipe(nodes.end(), { onFailure });
    await driven.items(itemsOf('A', 'lost'));
    if (before.length > 0) await driven.items(itemsOf('B', ...before));
    await driven.revoke('A');
    await driven.items(itemsOf('B', ...(before.length > 0 ? [] : ['b', 'c']), 'end'));
    return { parked, errors, open: driven.open.map(({ value }) => value) };
  }

  const refusal = (got: number, expected = 3): string =>
    `The values of a NodeFailure must be an array with one value for each message in \`of\`: expected at least ${expected}, got ${got}.`;
  const keepsAll = undefined;
  const dropsAll = (state: State): State => ({ ...state, values: [] });

  for (const [how, before, handleLost] of [
    ['that were there before it', ['b', 'c'], keepsAll],
    ['that came after it, in a state without handleLost', [], keepsAll],
    ['that came after it, in a holding that it has emptied', [], dropsAll],
  ] as const) {
    it(`must have values for all messages ${how}`, async () => {
      for (const values of [[], ['end'], ['b', 'end']]) {
        const { parked, errors } = await parkedBy(
          failing(() => values, handleLost),
          before,
        );
        expect(errors).to.deep.equal([refusal(values.length)]);
        expect(parked).to.deep.equal(['"end"']);
      }
    });

    it(`is parked with the values of all messages ${how}`, async () => {
      const node = failing(({ values }) => [...values, 'end'], handleLost);
      const { parked, open } = await parkedBy(node, before);
      expect(parked).to.deep.equal([handleLost === dropsAll ? '"b""c""end"' : '"lost""b""c""end"']);
      expect(open).to.deep.equal([]);
    });
  }

  it('may still say the values of holdings that its state has given up', async () => {
    interface PerLease {
      readonly held: ReadonlyMap<unknown, Holding>;
      readonly values: readonly string[];
    }
    const { parked, policy } = keeper();
    const node = defineNode<PerLease, string, string>({
      init: () => ({ held: new Map(), values: [] }),
      handleMessage: ({ held, values }, message) => {
        const all = [...values, message.value];
        const own = held.get(message.lease) ?? createHolding();
        if (message.value !== 'end')
          return {
            state: { held: new Map([...held, [message.lease, own]]), values: all },
            keep: [{ message, in: own }],
          };
        const empty = { held: new Map(), values: [] };
        throw new NodeFailure(new Error('no'), { of: [...held.values(), message], state: empty, values: all });
      },
      handleLost: ({ held, values }, { lease }) => ({
        held: new Map([...held].filter(([each]) => each !== lease)),
        values,
      }),
    });
    const driven = drivePipe(pipe<string>({ format: json }).node(node).end(), { onFailure: policy });
    await driven.items([...itemsOf('A', 'lost'), ...itemsOf('B', 'b')]);
    await driven.revoke('A');
    await driven.items(itemsOf('B', 'end'));
    expect(parked).to.deep.equal(['"lost""b""end"']);
    expect([driven.open.length, driven.failed]).to.deep.equal([0, undefined]);
  });

  for (const isGone of [false, true])
    it(`${isGone ? 'may say no values of a holding that is gone' : 'says at least one value of several leases'}`, async () => {
      const errors: string[] = [];
      const { parked, policy } = keeper();
      const onFailure: OnFailure = (error) => (errors.push((error as Error).message), policy);
      const node = defineNode<Holding, readonly string[], string>({
        init: () => createHolding(),
        handleMessage: (held, message) => ({ keep: [{ message, in: held }] }),
        handleFlush: (held) => {
          if (held.messages === 0) return {};
          throw new NodeFailure(new Error('no'), { of: [held], state: createHolding(), values: [] });
        },
      });
      const pairs = pipe<string>({ format: json }).aggregate({ count: 2 });
      const driven = drivePipe(pairs.node(node).end(), { onFailure });
      await driven.items([...itemsOf('A', 'a'), ...itemsOf('B', 'b')]);
      await driven.revoke('A');
      if (isGone) await driven.revoke('B');
      await driven.flush();
      expect(errors).to.deep.equal([isGone ? 'no' : refusal(0, 1)]);
      expect(parked).to.deep.equal([]);
      // A holding cannot be parked without values.
      expect([driven.failed === undefined, driven.settled.length]).to.deep.equal([isGone, 0]);
    });
});

describe('a value of several leases of which one is lost', () => {
  const pairs = pipe<string>().aggregate({ count: 2 });
  const ends = {
    'is written by a batchSink': pairs.to(batchSink({ size: 5, intervalMs: 5_000 }, async () => {})),
    'is sent on by an aggregate': pairs.aggregate({ count: 5, intervalMs: 5_000 }).end(),
    'is hidden by a node': pairs
      .node(
        defineNode<Holding, readonly string[], string>({
          init: () => createHolding(),
          handleMessage: (held, message) => ({ keep: [{ message, in: held }] }),
          handleFlush: (held) => ({ outputs: [{ value: 'all', of: [held], hidden: true }] }),
        }),
      )
      .end(),
  };
  for (const [what, end] of Object.entries(ends))
    for (const lost of [0, 1, 2])
      it(`is counted once if it ${what}: ${lost} lost`, async () => {
        const driven = drivePipe(end);
        await driven.items([...itemsOf('A', 'a'), ...itemsOf('B', 'b')]);
        for (const shard of ['A', 'B'].slice(0, lost)) await driven.revoke(shard);
        await driven.flush();
        expect(driven.counts['foldedAfterLoss'] ?? 0).to.equal(lost === 1 ? 1 : 0);
        expect(driven.settled.length).to.equal(2 - lost);
      });
});
