// What hostile or careless code of a node does: what is checked is what is carried out, nothing is settled for another state, and nothing
// that throws leaves a message open for ever.
import { expect } from 'chai';
import { json, park, retry, type FailurePolicy } from '../../../src/index.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import type { Holding, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { routeDependent } from '../../../src/pipes/route-dependent.js';
import { tap } from '../../../src/pipes/single-nodes.js';
import { drivePipe } from '../../../src/testing/index.js';

type Act = (message: PipeMessage<number>, first: PipeMessage<number>, state: unknown) => unknown;

/** Message 1 is kept on its route; then `act` answers for message 2 on another one. Returns what is settled. */
async function settledBy(act: Act): Promise<readonly unknown[]> {
  let first: PipeMessage<number> | undefined;
  const node = defineNode<readonly unknown[], number, number>({
    init: () => [],
    handleMessage: (state, message) => {
      if (message.value !== 1) return act(message, first!, state) as NodeResult<readonly unknown[], number>;
      first = message;
      return { keep: [message], state: [message] };
    },
  });
  const chain = pipe<number>().demux((value) => `r${value}`);
  const driven = drivePipe(
    chain
      .node(node)
      .join()
      .to(() => {}),
    { onFailure: 'skip' },
  );
  await driven.items([{ key: 'k', value: 1, shardId: 's1' }]);
  await driven.items([{ key: 'k', value: 2, shardId: 's2' }]);
  return driven.settled.map(({ value }) => value);
}

/** An array that another value comes out of at its second use. */
function changing(message: PipeMessage<number>, first: PipeMessage<number>): readonly PipeMessage<number>[] {
  let uses = 0;
  const of = [message];
  of[Symbol.iterator] = function* () {
    uses += 1;
    yield uses > 2 ? first : message;
  } as never;
  return of;
}

function agreeing(...of: readonly PipeMessage<number>[]): readonly PipeMessage<number>[] {
  return Object.assign([...of], { every: () => true, some: () => true });
}

describe('a node that says one thing when it is checked, and another later', () => {
  const acts: Record<string, Act> = {
    'an array with an iterator of its own': (message, first) => ({
      outputs: [{ value: 1, of: changing(message, first) }],
    }),
    'a NodeFailure whose array agrees to everything': (message, first, state) => {
      throw new NodeFailure(new Error('x'), { of: agreeing(message, first), state });
    },
    'a list to drop with an iterator of its own': (message, first) => ({
      state: [],
      drop: Object.assign([message], {
        entries: () => [].values(),
        [Symbol.iterator]: () => [message, first].values(),
      }),
    }),
  };
  for (const reads of [1, 2, 3, 4, 5, 6])
    acts[`a getter, after ${reads} reads`] = (message, first) => {
      let read = 0;
      return {
        outputs: [
          {
            value: 1,
            get of() {
              read += 1;
              return read > reads ? [first] : [message];
            },
          },
        ],
        keep: [],
      };
    };
  for (const [name, act] of Object.entries(acts))
    it(`settles nothing of another state: ${name}`, async () => {
      expect(await settledBy(act)).to.deep.equal([2]);
    });

  for (const reads of [1, 2, 3, 4, 5, 6])
    it(`keeps nothing of another state in its holding: a getter, after ${reads} reads`, async () => {
      let first: PipeMessage<number> | undefined;
      const node = defineNode<Holding, number, number>({
        init: () => createHolding(),
        handleMessage: (held, message) => {
          if (message.value === 1) return ((first = message), { keep: [message] });
          let read = 0;
          const keep = {
            get message() {
              read += 1;
              return read > reads ? first! : message;
            },
            in: held,
          };
          return { keep: [keep] };
        },
        handleFlush: (held) => ({ drop: [held] }),
      });
      const chain = pipe<number>().demux((value) => `r${value}`);
      const driven = drivePipe(chain.node(node).join().end(), { onFailure: 'skip' });
      await driven.items([1, 2].map((value) => ({ key: 'k', value })));
      await driven.flush();
      expect(driven.settled.map(({ value }) => value)).to.deep.equal([2]);
    });

  for (const looks of [0, 1, 2, 3])
    it(`keeps nothing of another state in its holding: \`in\` is there after ${looks} looks, and reads change`, async () => {
      let first: PipeMessage<number> | undefined;
      const node = defineNode<Holding, number, number>({
        init: () => createHolding(),
        handleMessage: (held, message) => {
          if (message.value === 1) return ((first = message), { keep: [message] });
          let [looked, read] = [0, 0];
          const keep = new Proxy({} as { message: PipeMessage<number>; in: Holding }, {
            has: (_, name) => name === 'in' && (looked += 1) > looks,
            get: (_, name) => (name === 'in' ? held : (read += 1) > looks + 1 ? first : message),
          });
          return { keep: [keep] };
        },
        handleFlush: (held) => ({ drop: [held] }),
      });
      const chain = pipe<number>().demux((value) => `r${value}`);
      const driven = drivePipe(chain.node(node).join().end(), { onFailure: 'skip' });
      await driven.items([1, 2].map((value) => ({ key: 'k', value })));
      await driven.flush();
      expect(driven.settled.map(({ value }) => value)).to.deep.equal([2]);
      expect(driven.counts['skippedItems']).to.equal(undefined);
    });

  it('settles no holding of another state that is made to look empty', async () => {
    const holding = createHolding();
    const node = defineNode<unknown, number, number>({
      init: () => undefined,
      handleMessage: (_state, message) => {
        if (message.value === 1) return { keep: [{ message, in: holding }] };
        Object.defineProperty(holding, 'messages', { value: 0 });
        return { drop: [message, holding] };
      },
    });
    const chain = pipe<number>().demux((value) => `r${value}`);
    const driven = drivePipe(
      chain
        .node(node)
        .join()
        .to(() => {}),
      { onFailure: 'skip' },
    );
    await driven.items([{ key: 'k', value: 1 }]);
    await driven.items([{ key: 'k', value: 2 }]);
    expect(driven.settled.map(({ value }) => value)).to.deep.equal([2]);
  });
});

it('a result says what it inherits, too: `forget` ends the state', async () => {
  let states = 0;
  const node = defineNode<number, number, number>({
    init: () => (states += 1),
    handleMessage: (_state, message) => Object.create({ drop: [message], forget: true }) as NodeResult<number, number>,
  });
  const driven = drivePipe(pipe<number>().node(node).end());
  await driven.items([1, 2].map((value) => ({ key: 'k', value })));
  expect([states, driven.settled.length]).to.deep.equal([2, 2]);
});

describe('a member of a result that throws when it is read', () => {
  for (const outputs of [1, 2])
    for (const onFailure of ['skip', retry({ minMs: 10, maxMs: 20 })] as readonly FailurePolicy[])
      it(`fails the call before anything is taken: ${outputs} outputs, ${onFailure === 'skip' ? 'skip' : 'retry'}`, async () => {
        let calls = 0;
        const node = defineNode<unknown, number, number>({
          handleMessage: (_state, message) => {
            calls += 1;
            const isFirst = calls === 1;
            const lazy = {
              get value(): number {
                if (isFirst) throw new Error('lazy');
                return 7;
              },
              of: [message],
            };
            return { outputs: outputs === 1 ? [lazy] : [{ value: 1, of: [message] }, lazy] };
          },
        });
        const driven = drivePipe(
          pipe<number>()
            .node(node)
            .to(() => {}),
          { onFailure },
        );
        await driven.items([{ key: 'k', value: 7 }]);
        await driven.advance(60_000);
        expect([driven.settled.length, driven.open.length]).to.deep.equal([1, 0]);
      });
});

describe('a node that is built for each route', () => {
  const nodeOf = (more: object) =>
    defineNode<unknown, number, number>({
      init: () => [],
      handleMessage: (_state, message) => ({ drop: [message] }),
      ...more,
    });

  it('may not answer a lost lease with a promise', async () => {
    const keeps = nodeOf({
      handleMessage: (_state: unknown, message: PipeMessage<number>) => ({ keep: [message] }),
      handleLost: () => Promise.resolve([]),
    });
    const driven = drivePipe(
      pipe<number>()
        .demux(() => 'r')
        .routeDependent(() => keeps)
        .join()
        .to(() => {}),
    );
    await driven.items([{ key: 'k', value: 1, shardId: 's1' }]);
    await driven.revoke('s1');
    expect(String(driven.failed?.message)).to.include('must be synchronous, got a promise');
  });

  it('flushes in a copy that has states of its own', async () => {
    const inner = routeDependent<number, readonly number[]>(() => aggregate<number>({ count: 10, intervalMs: 5_000 }));
    type State = { readonly inner: unknown };
    const wrapped = defineNode<State, number, readonly number[]>({
      ...(inner as object),
      init: (context) => ({ inner: inner.init!(context) }),
      handleMessage: ({ inner: state }, message, context) => {
        const result = inner.handleMessage(state, message, context) as NodeResult<unknown, readonly number[]>;
        return { ...result, state: { inner: result.state ?? state } };
      },
      handleFlush: ({ inner: state }, context) => {
        const result = inner.handleFlush!(state, context) as NodeResult<unknown, readonly number[]>;
        return { ...result, state: { inner: result.state ?? state } };
      },
    });
    const out: unknown[] = [];
    const driven = drivePipe(
      pipe<number>()
        .demux(() => 'a')
        .node(wrapped)
        .to((value) => void out.push(value)),
    );
    await driven.items([{ key: 'k', value: 1 }]);
    await driven.flush();
    expect([out, driven.open.length]).to.deep.equal([[[1]], 0]);
  });

  it('ends when it is idle, even if it has asked for a timer that it does not handle', async () => {
    let ended = 0;
    const node = nodeOf({
      handleMessage: (_state: unknown, message: PipeMessage<number>) => ({ drop: [message], timerMs: 5_000 }),
      terminate: () => void (ended += 1),
    });
    const built = pipe<number>()
      .demux(() => 'r')
      .routeDependent(() => node, { routeIdleMs: 1_000 });
    const driven = drivePipe(built.join().to(() => {}));
    await driven.items([{ key: 'k', value: 1 }]);
    await driven.advance(60_000);
    expect(ended).to.equal(1);
  });
});

it('two nodes of one name park two shares of an item under two keys, also in two runs', async () => {
  const keys: string[] = [];
  for (const failing of [
    { node: 0, share: 1 },
    { node: 1, share: 2 },
  ]) {
    const seen = [0, 0];
    const step = (node: 0 | 1) =>
      tap<number>(
        () => {
          seen[node]! += 1;
          if (failing.node === node && failing.share === seen[node]) throw new Error('x');
        },
        { name: 'step' },
      );
    const chain = pipe<number>({ format: json }).unfold(() => [1, 1]);
    const onFailure = park(async ({ idempotencyKey }) => void keys.push(idempotencyKey));
    const driven = drivePipe(
      chain
        .node(step(0))
        .map((value) => value)
        .node(step(1))
        .end(),
      { onFailure },
    );
    await driven.items([{ key: 'k', value: 0 }]);
    await driven.advance(1_000);
  }
  expect(new Set(keys).size).to.equal(2);
});
