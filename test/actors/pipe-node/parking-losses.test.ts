// What a node parks when something of it was lost, and when values share memory.
import assert from 'node:assert/strict';
import type { Park } from '../../../src/api/failure-policy.js';
import type { MessageFormat } from '../../../src/api/message-format.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import type { AnyNode, Holding, NodeDefinition, PipeMessage } from '../../../src/api/pipe.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { park } from '../../../src/options/park-policy.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { json } from '../../../src/pipes/json.js';
import { unfold } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { nodeChain } from '../../support/node-chain.js';

type Kept = readonly PipeMessage<string>[];
type Node = NodeDefinition<Kept, string, string>;

const keeper = (): { readonly kept: ParkedItem[]; readonly policy: Park } => {
  const kept: ParkedItem[] = [];
  return { kept, policy: park((item) => Promise.resolve(void kept.push(item))) };
};
const keeps = (state: Kept, message: PipeMessage<string>) => ({ keep: [message], state: [...state, message] });

/** Keeps everything, and its flush fails. */
const unflushable = {
  init: () => [],
  handleMessage: keeps,
  handleFlush: () => {
    throw new Error('no');
  },
} satisfies Node as unknown as AnyNode;

/** The same, but its holding keeps everything. With `values` it says what has failed, and begins again. */
function unflushableHolding(values?: readonly string[]): AnyNode {
  return {
    init: () => createHolding(),
    handleMessage: (held, message) => ({ keep: [{ message, in: held }] }),
    handleFlush: (held) => {
      if (held.messages === 0) return {};
      const error = new Error('no');
      throw values === undefined ? error : new NodeFailure(error, { of: [held], state: createHolding(), values });
    },
  } satisfies NodeDefinition<Holding, string, string> as unknown as AnyNode;
}

/** Writes each value, of one letter, into the same memory. */
function inOneBuffer(): MessageFormat {
  const memory = Buffer.alloc(1);
  return {
    serialize: (value) => {
      memory.write(value as string);
      return memory;
    },
    deserialize: (bytes) => bytes.toString(),
  };
}

/** Fails at the third message, with all three. */
const failsAtC = (values?: readonly string[]): AnyNode =>
  ({
    init: () => [],
    handleMessage: (state, message) => {
      if (message.value !== 'c') return keeps(state, message);
      throw new NodeFailure(new Error('no'), { of: [...state, message], state: [], values });
    },
  }) satisfies Node as unknown as AnyNode;

describe('a node parks what is left', () => {
  it('and nothing of a lease that has ended', async () => {
    const to = keeper();
    const chain = await nodeChain([unflushable], { format: json, onFailure: to.policy });
    await chain.feedOf(1, 'lost');
    await chain.feedOf(2, 'live');
    await chain.lose(1);
    assert.ok(await chain.flush());
    assert.deepEqual(
      to.kept.map(({ shardId }) => shardId),
      [chain.tenures[2]!.shardId],
    );
    assert.deepEqual(chain.settled(), ['2:2']);
  });

  for (const [how, node] of [
    ['kept as itself', unflushable],
    ['kept in a holding', unflushableHolding()],
    ['kept in a holding, with its value', unflushableHolding(['lost'])],
  ] as const)
    it(`and calls no sink if nothing is: ${how}`, async () => {
      const to = keeper();
      const chain = await nodeChain([node], { format: json, onFailure: to.policy });
      await chain.feedOf(1, 'lost');
      await chain.lose(1);
      assert.ok(await chain.flush());
      assert.deepEqual(to.kept, []);
      assert.equal(chain.status()[0]!.oldest, undefined);
      assert.deepEqual(
        chain.reports.filter(({ type }) => type === 'nodeEnds'),
        [],
      );
    });

  it('and takes no value for a message that its state has taken out of a holding of several leases', async () => {
    type Taken = readonly (readonly [value: string, lease: unknown])[];
    const to = keeper();
    const held = createHolding();
    const node = {
      init: () => [],
      handleLost: (state, { lease }) => state.filter(([, each]) => each !== lease),
      handleMessage: (state, message) => {
        if (message.value !== 'c')
          return { state: [...state, [message.value, message.lease]], keep: [{ message, in: held }] };
        const values = [...state.map(([value]) => value), 'c'];
        throw new NodeFailure(new Error('no'), { of: [held, message], state: [], values });
      },
    } satisfies NodeDefinition<Taken, string, string> as unknown as AnyNode;
    const chain = await nodeChain([node], { format: json, onFailure: to.policy });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    await chain.feedOf(2, 'c');
    assert.deepEqual(
      to.kept.map(({ data }) => data.toString()),
      ['"b""c"'],
    );
    assert.deepEqual(chain.settled(), ['2:2', '2:3']);
  });

  it('and does not bring back what its state has lost, when the sink refuses and the policy skips', async () => {
    const answers = gate();
    const states: string[][] = [];
    const node = {
      init: () => [],
      handleLost: (state, { messages }) => state.filter((each) => !messages.includes(each)),
      handleMessage: (state, message) => {
        states.push(state.map(({ value }) => value));
        if (message.value !== 'last') return keeps(state, message);
        const bad = state.find(({ value }) => value === 'bad');
        if (bad === undefined) return { outputs: [{ value: 'all', of: [...state, message] }], state: [] };
        throw new NodeFailure(new Error('no'), { of: [bad], state: state.filter((each) => each !== bad) });
      },
    } satisfies Node as unknown as AnyNode;
    const sink = (): Promise<void> => answers.opened.then(() => Promise.reject(new Error('down')));
    const chain = await nodeChain([node], { format: json, onFailure: park(sink, { then: 'skip' }) });
    await chain.feedOf(1, 'bad');
    await chain.feedOf(2, 'other');
    await chain.feedOf(1, 'last');
    await chain.lose(2);
    answers.open();
    await chain.harness.settle();
    assert.deepEqual(states, [[], ['bad'], ['bad', 'other'], ['bad'], []]);
    assert.deepEqual(chain.settled(), ['1:1', '1:3']);
  });

  it('once, if the call is repeated because its state has lost something meanwhile', async () => {
    for (const isWhole of [false, true]) {
      const answers = gate();
      const kept: string[] = [];
      const node = {
        init: () => [],
        handleLost: (state, { messages }) => state.filter((each) => !messages.includes(each)),
        handleMessage: (state, message) => {
          if (message.value !== 'last') return keeps(state, message);
          const of = state.filter(({ value }) => value.startsWith('bad'));
          if (of.length === 0) return { outputs: [{ value: 'all', of: [...state, message] }], state: [] };
          const values = isWhole ? of.map(({ value }) => value) : undefined;
          throw new NodeFailure(new Error('no'), { of, state: state.filter((each) => !of.includes(each)), values });
        },
      } satisfies Node as unknown as AnyNode;
      const onFailure = park(async ({ data }) => {
        await answers.opened;
        kept.push(data.toString());
      });
      const parts = unfold((text: string) => text.split(',')) as unknown as AnyNode;
      const chain = await nodeChain([parts, node], { format: json, onFailure });
      await chain.feedOf(1, 'bad1,bad2');
      await chain.feedOf(2, 'other');
      await chain.feedOf(1, 'last');
      await chain.lose(2);
      answers.open();
      await chain.harness.settle();
      assert.deepEqual(kept, isWhole ? ['"bad1""bad2"'] : ['"bad1"', '"bad2"']);
      assert.deepEqual(chain.settled(), ['1:1', '1:3']);
    }
  });

  it('as it was, if the format uses the same memory for each value', async () => {
    for (const values of [['a', 'b', 'c'], undefined]) {
      const data: string[] = [];
      const passes = {
        handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message] }] }),
      } satisfies Node as unknown as AnyNode;
      const nodes = [passes, failsAtC(values)];
      const onFailure = park(async (item) => {
        await Promise.resolve();
        data.push(item.data.toString());
      });
      const chain = await nodeChain(nodes, { format: inOneBuffer(), onFailure });
      await chain.feed('a', 'b', 'c');
      assert.deepEqual(data, values === undefined ? ['a', 'b', 'c'] : ['abc']);
    }
  });
});
