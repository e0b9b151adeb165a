// User code cannot forge references: what it reaches from a message, an item or a holding leads to nothing that changes what is settled.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { AnyNode, Holding, PipeMessage } from '../../../src/api/pipe.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { retry } from '../../../src/options/retry-policy.js';
import { nodeChain } from '../../support/node-chain.js';

/** Every object and function that can be reached from `from`, without the values of the application. */
function reached(from: object): Set<object> {
  const seen = new Set<object>([Object.prototype, Function.prototype, Buffer.prototype]);
  const left: object[] = [from];
  const all = new Set<object>();
  const look = (value: unknown): void => {
    const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
    if (!isObject || seen.has(value) || Buffer.isBuffer(value) || value instanceof AbortSignal) return;
    seen.add(value);
    all.add(value);
    left.push(value);
  };
  look(from);
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    if (each === Object || each === Function) continue;
    look(Object.getPrototypeOf(each));
    for (const name of namesOf(each)) {
      try {
        look((each as Record<PropertyKey, unknown>)[name]);
      } catch {
        // A getter of a prototype that is asked without an object.
      }
    }
  }
  return all;
}

/** The names of its members, and of those that it inherits. */
function namesOf(object: object): readonly PropertyKey[] {
  const prototype = Object.getPrototypeOf(object) as object | null;
  return [...Reflect.ownKeys(object), ...(prototype === null ? [] : namesOf(prototype))];
}

const passing = (look: (message: PipeMessage) => void): AnyNode => ({
  handleMessage: (_, message) => {
    look(message);
    return { drop: [message] };
  },
});

/** Tries everything that a program may try with an object. None of it may throw out of here. */
function tamper(target: object, names: readonly string[]): void {
  for (const name of [...names, ...Reflect.ownKeys(target).map(String)]) {
    Reflect.set(target, name, 99);
    Reflect.defineProperty(target, name, { value: 99 });
    Reflect.deleteProperty(target, name);
  }
}

const itemNames = ['ordinal', 'index', 'tenure', 'stage', 'record', 'attempt', 'token', 'idempotencyKey', 'fence'];

describe('references cannot be forged', () => {
  it('by what a message leads to: neither its class, nor its item, nor a lease says or takes any', async () => {
    const found: string[] = [];
    const chain = await nodeChain([
      passing((message) => {
        for (const each of reached(message))
          for (const name of ['referencesOf', 'setReferences', 'routeOf', 'tenure', 'stage', 'ordinal', 'ended'])
            if (name in each) found.push(name);
      }),
    ]);
    await chain.feed('a');
    assert.deepEqual(found, []);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('by what a holding leads to', async () => {
    const found: string[] = [];
    for (const each of reached(createHolding()))
      for (const name of ['take', 'add', 'peek', 'dropEnded']) if (name in each) found.push(name);
    assert.deepEqual(found, []);
  });

  it('by the constructor of a message that is kept', async () => {
    const kept: PipeMessage[] = [];
    const node: AnyNode = {
      handleMessage: (_, message) => {
        if (message.value === 'first') return (kept.push(message), { keep: [message] });
        const { setReferences, referencesOf } = message.constructor as unknown as Record<
          string,
          ((...of: unknown[]) => unknown) | undefined
        >;
        setReferences?.(message, referencesOf?.(kept[0]));
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node]);
    await chain.feed('first', 'second');
    assert.deepEqual(chain.settled(), ['1:2']);
  });

  it('by changes of the message, of its item, or of their prototypes', async () => {
    const chain = await nodeChain([
      passing((message) => {
        const { item, lease } = message;
        for (const each of [item, lease, message, Object.getPrototypeOf(message), Object.getPrototypeOf(item)])
          tamper(each as object, itemNames);
      }),
      passing(() => {}),
    ]);
    await chain.feed('a', 'b');
    await chain.lose(2);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('by changes of a holding, or of its prototype', async () => {
    const node: AnyNode = {
      init: () => createHolding(),
      handleMessage: (held: Holding, message) => ({ keep: [{ message, in: held }] }),
      handleFlush: (held: Holding) => {
        for (const each of [held, Object.getPrototypeOf(held)]) tamper(each as object, ['messages', 'sizeBytes']);
        return { drop: [held] };
      },
    };
    const chain = await nodeChain([node]);
    await chain.feed('a', 'b');
    await chain.flush();
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('and the item says what an item says, the same object each time', async () => {
    const items: PipeMessage['item'][] = [];
    const chain = await nodeChain([
      {
        handleMessage: (_, message) => {
          items.push(message.item, message.item);
          return { outputs: [{ value: 'other', of: [message] }] };
        },
      } as AnyNode,
      passing((message) => void items.push(message.item)),
    ]);
    await chain.feed('a');
    const [item] = items;
    assert.equal(new Set(items).size, 1);
    assert.deepEqual(
      [item?.key, item?.value, item?.shardId, item?.sequenceNumber, item?.source, item?.attempt, item?.replayed],
      ['k', 'a', 'shardId-1', '1', 'orders', 1, false],
    );
    assert.equal(item?.token.idempotencyKey, `${chain.tenures[1]?.idempotencyPrefix}/1/-/0`);
    assert.deepEqual([item?.fence, item?.subSequenceNumber], [chain.tenures[1]?.fence, undefined]);
    assert.equal(item?.signal, chain.tenures[1]?.signal);
  });
});

describe('the value of a message', () => {
  it('cannot be replaced: a call that is repeated gets the same one', async () => {
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    const node: AnyNode = {
      handleMessage: (_, message) => {
        seen.push(message.value);
        if (seen.length > 2) return { drop: [message] };
        try {
          (message as { value: unknown }).value = 'changed';
        } catch (error) {
          errors.push(error);
        }
        Reflect.set(message, 'sizeBytes', -100);
        throw new Error('again');
      },
    };
    const chain = await nodeChain([node], { onFailure: retry({ minMs: 10, maxMs: 10 }) });
    await chain.feed('a');
    await chain.harness.advance(100);
    assert.deepEqual(seen, ['a', 'a', 'a']);
    assert.equal(errors.every((error) => error instanceof TypeError) && errors.length === 2, true);
  });

  it('is shown where a message is printed', async () => {
    const texts: string[] = [];
    const chain = await nodeChain([passing((message) => void texts.push(inspect(message)))]);
    await chain.feed('a');
    assert.match(texts[0]!, /value: 'a'/);
    assert.doesNotMatch(texts[0]!, /tenure/);
  });
});
