// User code may give a message or a holding members of its own, may change what it has returned, and may throw anything. What kinact does
// with messages does not depend on it: a call fails as a whole or not at all, and nothing is lost.
import { expect } from 'chai';
import { isFlushMark } from '../../../actors/protocol/pipe-messages.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import { json, park, type OnFailure } from '../../../src/index.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import type { Holding, NodeDefinition, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { drivePipe, type PipeDriver } from '../../../src/testing/index.js';

type Message = PipeMessage<string>;
type Result = NodeResult<any, string>;

const passOn = (message: Message): Result => ({ outputs: [{ value: message.value, of: [message] }] });

/** Throws once in the whole test. */
function throwsOnce(): PropertyDescriptor {
  let isFirst = true;
  return {
    configurable: true,
    get: () => {
      if (!isFirst) return 1;
      isFirst = false;
      throw new Error('once');
    },
  };
}

/** Two items go through one node. Returns what has come out of it, once every retry and flush is over. */
async function outOf(node: NodeDefinition<any, string, string>, onFailure?: OnFailure) {
  const out: string[] = [];
  const driven = drivePipe(
    pipe<string>()
      .node(defineNode(node))
      .to((value) => void out.push(value)),
    onFailure === undefined ? {} : { onFailure },
  );
  await driven.items(['a', 'b'].map((value) => ({ key: 'k', value })));
  await driven.advance(120_000);
  await driven.flush();
  return { driven, out };
}

function expectAllDone({ settled, open, failed, status }: PipeDriver): void {
  expect([settled.length, open.length, failed?.message]).to.deep.equal([2, 0, undefined]);
  expect(status().map(({ queuedBytes }) => queuedBytes)).to.deep.equal([0, 0]);
}

describe('a message with members of its own', () => {
  for (const [how, size] of [
    ['throws once', throwsOnce],
    ['is no number', () => ({ value: Number.NaN })],
  ] as const) {
    let own: PropertyDescriptor;
    beforeEach(() => void (own = size()));
    const disguise = (message: Message): Message => Object.defineProperty(message, 'sizeBytes', own);
    const nodes: Record<string, readonly [NodeDefinition<any, string, string>, readonly string[]]> = {
      'passed on': [{ handleMessage: (_, message) => passOn(disguise(message)) }, ['a', 'b']],
      'passed on with one that was kept': [
        {
          init: () => [],
          handleMessage: (kept: readonly Message[], message) =>
            kept.length === 0
              ? { state: [message], keep: [message] }
              : { state: [], outputs: [{ value: 'pair', of: [...kept, disguise(message)] }] },
        },
        ['pair'],
      ],
      'kept in a holding': [
        {
          init: () => createHolding(),
          handleMessage: (held: Holding, message) => ({ keep: [{ message: disguise(message), in: held }] }),
          handleFlush: (held: Holding) => ({ outputs: [{ value: 'all', of: [held] }] }),
        },
        ['all'],
      ],
    };
    for (const [what, [node, expected]] of Object.entries(nodes))
      it(`is done like any other if its size ${how}: ${what}`, async () => {
        const { driven, out } = await outOf(node);
        expectAllDone(driven);
        expect(out).to.deep.equal(expected);
      });
  }

  it('is no mark of a flush, and no pair of a message and a holding', async () => {
    const message = new SentMessage('a', undefined, undefined, 1);
    expect(isFlushMark(Object.assign(message, { type: 'flushMark' }))).to.equal(false);
    const { driven } = await outOf({
      init: () => [],
      handleMessage: (kept: readonly Message[], each) => ({
        state: [...kept, each],
        keep: [Object.assign(each, { in: createHolding(), message: 'other' })],
      }),
      handleFlush: (kept: readonly Message[]) => ({ state: [], drop: kept }),
    });
    expectAllDone(driven);
  });

  it('is parked with the value that it came with', async () => {
    const data: string[] = [];
    const chain = pipe<string>({ format: json }).map((value) => value.toUpperCase());
    const node = defineNode<unknown, string, string>({
      handleMessage: (_, message) => {
        Object.defineProperty(message, 'value', { value: 'forged' });
        throw new Error('no');
      },
    });
    const onFailure = park(async (item) => void data.push(item.data.toString()));
    const driven = drivePipe(chain.node(node).end(), { onFailure });
    await driven.items([{ key: 'k', value: 'a' }]);
    expect([data, driven.settled.length]).to.deep.equal([['"A"'], 1]);
  });

  it('fails with the value that it came with', async () => {
    const values: unknown[] = [];
    const onFailure: OnFailure = (_, { value }) => (values.push(value), 'skip');
    const { driven } = await outOf(
      {
        handleMessage: (_, message) => {
          Object.defineProperty(message, 'value', { get: () => expect.fail('read') });
          throw new Error('no');
        },
      },
      onFailure,
    );
    expectAllDone(driven);
    expect(values).to.deep.equal(['a', 'b']);
  });
});

describe('a holding with members of its own', () => {
  const holds = (
    member: 'messages' | 'sizeBytes',
    of: PropertyDescriptor,
  ): NodeDefinition<{ held: Holding; count: number }, string, string> => ({
    init: () => ({ held: createHolding(), count: 0 }),
    handleMessage: ({ held, count }, message) => {
      if (count === 0) return { state: { held, count: 1 }, keep: [{ message, in: held }] };
      Object.defineProperty(held, member, of);
      return { state: { held: createHolding(), count: 0 }, outputs: [{ value: 'both', of: [message, held] }] };
    },
  });
  for (const member of ['messages', 'sizeBytes'] as const)
    it(`is passed on like any other if ${member} throws once`, async () => {
      const { driven, out } = await outOf(holds(member, throwsOnce()));
      expectAllDone(driven);
      expect(out).to.deep.equal(['both']);
    });

  it('does not hinder another message if `messages` throws once', async () => {
    const once = throwsOnce();
    const { driven, out } = await outOf({
      init: () => createHolding(),
      handleMessage: (held: Holding, message) => {
        if (held.messages === 0) return { keep: [{ message, in: held }] };
        Object.defineProperty(held, 'messages', once);
        return { state: held, ...passOn(message) };
      },
      handleFlush: (held: Holding) => ({ outputs: [{ value: 'all', of: [held] }] }),
    });
    expectAllDone(driven);
    expect(out).to.deep.equal(['b', 'all']);
  });

  it('is not forgotten while it holds something', async () => {
    const { driven, out } = await outOf({
      init: () => createHolding(),
      handleMessage: (held: Holding, message) => ({
        keep: [{ message, in: Object.defineProperty(held, 'messages', { configurable: true, value: 0 }) }],
      }),
      handleFlush: (held: Holding) => ({ outputs: [{ value: 'all', of: [held] }] }),
    });
    expectAllDone(driven);
    expect(out).to.deep.equal(['all']);
  });
});

describe('a head of a route that is another one at its second read', () => {
  for (const [how, second] of [
    ['throws', () => expect.fail('second read')],
    ['is no text', () => undefined],
  ] as const)
    it(`is read once: the second ${how}`, async () => {
      const { driven, out } = await outOf(
        {
          handleMessage: (_, message) => {
            let reads = 0;
            const route = {
              get add(): string {
                reads += 1;
                return reads === 1 ? 'r' : (second() as never);
              },
            };
            return { outputs: [{ value: message.value, of: [message], route }] };
          },
        },
        'skip',
      );
      expectAllDone(driven);
      expect(out).to.deep.equal(['a', 'b']);
    });
});

/** Two messages are in a holding when the third one fails with them. Resolves to what is parked. */
async function parkedOf(failure: (all: Message[], held: Holding) => NodeFailure, before: () => void = () => {}) {
  const data: string[] = [];
  const errors: string[] = [];
  const sink = park(async (item) => void data.push(item.data.toString()));
  const all: Message[] = [];
  const held = createHolding();
  const node = defineNode<unknown, string, string>({
    handleMessage: (_, message) => {
      all.push(message);
      if (all.length < 3) return { keep: [{ message, in: held }] };
      throw failure(all, held);
    },
  });
  const onFailure: OnFailure = (error) => {
    errors.push((error as Error).message);
    before();
    return all.length > 3 ? 'crash' : sink;
  };
  const driven = drivePipe(pipe<string>({ format: json }).node(node).end(), { onFailure });
  await driven.items(['a', 'b', 'c'].map((value) => ({ key: 'k', value })));
  return { data, errors, settled: driven.settled.length, failed: driven.failed?.message };
}

describe('what a NodeFailure says is parked', () => {
  const state = undefined;
  const of = (all: Message[], held: Holding) => [held, all[2]!];
  const valuesOf = (all: readonly Message[]): string[] => all.map(({ value }) => value);

  it('with the values as they were when the policy was asked', async () => {
    let values: string[] = [];
    const parked = await parkedOf(
      (all, held) => new NodeFailure(new Error('no'), { of: of(all, held), state, values: (values = valuesOf(all)) }),
      () => values.splice(0),
    );
    expect(parked).to.deep.equal({ data: ['"a""b""c"'], errors: ['no'], settled: 3, failed: undefined });
  });

  it('whatever methods the array of its values has', async () => {
    const parked = await parkedOf(
      (all, held) =>
        new NodeFailure(new Error('no'), {
          ...{ of: of(all, held), state },
          values: Object.assign(valuesOf(all), { map: () => [], slice: () => [] }),
        }),
    );
    expect(parked.data).to.deep.equal(['"a""b""c"']);
  });

  for (const count of [1, 2, 4])
    it(`with a value for each message, or not at all: ${count} of 3`, async () => {
      const parked = await parkedOf(
        (all, held) =>
          new NodeFailure(new Error('no'), {
            ...{ of: of(all, held), state },
            values: [...valuesOf(all), 'more'].slice(0, count),
          }),
      );
      expect(parked.errors).to.deep.equal([
        `The values of a NodeFailure must be an array with one value for each message in \`of\`: expected 3, got ${count}.`,
      ]);
      expect(parked.settled, 'the message of the call alone').to.equal(1);
    });

  it('not without values, if a holding only looks empty', async () => {
    const parked = await parkedOf((all, held) => {
      Object.defineProperty(held, 'messages', { value: 0 });
      return new NodeFailure(new Error('no'), { of: of(all, held), state });
    });
    expect([parked.data, parked.settled]).to.deep.equal([[], 0]);
    expect(parked.failed).to.include('it cannot be parked, because only its state has the values');
  });
});

describe('whatever a callback throws', () => {
  const revoked = (): object => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const throwing = (name: string, on: object): object =>
    Object.defineProperty(on, name, { get: () => expect.fail(`${name} is read`) });
  const failure = (message: Message): NodeFailure => new NodeFailure(new Error('no'), { of: [message], state: 0 });
  const thrown: Record<string, (message: Message) => unknown> = {
    nothing: () => undefined,
    'a revoked proxy': revoked,
    'a NodeFailure of a revoked proxy': (message) => new NodeFailure(revoked(), { of: [message], state: 0 }),
    'an error of a revoked proxy': () => new Error('no', { cause: revoked() }),
    'an error with a name that is none': () => Object.assign(new Error('no'), { name: Object.create(null) as object }),
    'an object without text': () => throwing('toString', throwing(Symbol.toStringTag as never, {})),
  };
  for (const name of ['of', 'state', 'values', 'cause'])
    thrown[`a NodeFailure whose \`${name}\` throws`] = (message) => throwing(name, failure(message));
  for (const name of ['message', 'cause', 'stack', 'name', 'code'])
    thrown[`an error whose \`${name}\` throws`] = () => throwing(name, new Error('no'));

  for (const [name, make] of Object.entries(thrown))
    it(`is skipped if the policy says so: ${name}`, async () => {
      const { driven } = await outOf(
        {
          handleMessage: (_, message) => {
            throw make(message);
          },
        },
        'skip',
      );
      expectAllDone(driven);
      expect(driven.counts['skippedItems']).to.equal(2);
    });
});
