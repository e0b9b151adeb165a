// What a reducer emits into the pipe behind it: which items a value stands for, when it goes on, and when an item is settled.
import { expect } from 'chai';
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { FoldingReducer, Item, ReducerContext } from '../../../src/api/reducer.js';
import { NonRetryableError, park } from '../../../src/index.js';
import { retry } from '../../../src/options/retry-policy.js';
import { isBundle, type References } from '../../../src/core/references.js';
import { emitting } from '../../support/direct-emitting.js';
import { counted, emitted } from '../../support/direct.js';

type State = readonly number[];
type Reduce = FoldingReducer<State, number, unknown>['reduce'];

/** Emits `n` values for item n: n/0, n/1, … */
const times =
  (count: (n: number) => number): Reduce =>
  (state, { value }, { emit }) => {
    for (let at = 0; at < count(value); at += 1) emit(`${value}/${at}`);
    return [...state, value];
  };

describe('ctx.emit in reduce', () => {
  it('sends values on when the call has returned, in order, with the bytes of the record shared out', async () => {
    const { items, run, valuesIn, messagesIn } = emitting({ reduce: times((n) => n) });
    const effects = await run(items([0, 1, 2]));
    expect(valuesIn(effects)).to.deep.equal(['1/0', '2/0', '2/1']);
    expect(messagesIn(effects).map(({ sizeBytes }) => sizeBytes)).to.deep.equal([2, 1, 1]);
  });

  it('settles an item without values at once, and one with values with the last of them', async () => {
    const { items, run, settledIn, messagesIn, done } = emitting({ reduce: times((n) => n) });
    const effects = await run(items([0, 2]));
    expect(settledIn(effects)).to.deep.equal([0]);
    const [first, second] = messagesIn(effects);
    expect(done([second!])).to.deep.equal([]);
    expect(done([first!])).to.deep.equal([2]);
  });

  it('sends an item on as itself if it has one value, and nothing else waits for it', async () => {
    const { items, run, messagesIn } = emitting({ reduce: times(() => 1) });
    const [message] = messagesIn(await run(items([7])));
    expect(message?.item?.sequenceNumber).to.equal('7');
  });

  it('divides an item that waits for its flush, whichever is first', async () => {
    for (const pipeFirst of [true, false]) {
      const { items, run, settledIn, messagesIn, done, tell } = emitting(
        { reduce: times(() => 2), flush: () => {} },
        { batchSize: 5 },
      );
      const messages = messagesIn(await run(items([3])));
      expect(messages).to.have.length(2);
      const flush = async (): Promise<number[]> => settledIn(await run(tell({ type: 'flushDue' })));
      if (pipeFirst) {
        expect(done(messages)).to.deep.equal([]);
        expect(await flush()).to.deep.equal([3]);
      } else {
        expect(await flush()).to.deep.equal([]);
        expect(done(messages.slice(1))).to.deep.equal([]);
        expect(done(messages.slice(0, 1))).to.deep.equal([3]);
      }
    }
  });

  it('drops what a failed call has emitted: the repetition emits again', async () => {
    let fails = true;
    const { items, run, valuesIn, tell, clock, settledIn } = emitting(
      {
        reduce: (state, { value }, { emit }) => {
          emit(value);
          if (fails) throw new Error('no');
          return state;
        },
      },
      { onFailure: retry({ minMs: 100 }) },
    );
    const failed = await run(items([1]));
    expect([valuesIn(failed), settledIn(failed)]).to.deep.equal([[], []]);
    fails = false;
    clock.move(100);
    expect(valuesIn(await run(tell({ type: 'attemptDue' })))).to.deep.equal([1]);
  });

  it('drops what was emitted for an item that is skipped', async () => {
    const { items, run, valuesIn, settledIn } = emitting(
      {
        reduce: (state, { value }, { emit }) => {
          emit(value);
          if (value === 1) throw new Error('no');
          return state;
        },
      },
      { onFailure: 'skip' },
    );
    const effects = await run(items([0, 1, 2]));
    expect(valuesIn(effects)).to.deep.equal([0, 2]);
    expect(settledIn(effects)).to.deep.equal([1]);
  });

  it('drops what was emitted for an item that fails by hand in its call', async () => {
    const { items, run, valuesIn } = emitting(
      {
        reduce: (state, { value, token }, { emit, fail }) => {
          emit(value);
          fail(token, new Error('no'));
          return state;
        },
      },
      { onFailure: 'skip' },
    );
    expect(valuesIn(await run(items([0])))).to.deep.equal([]);
  });

  it('drops what was emitted for an item that fails by hand after its call, before that is handled', async () => {
    const got: (() => void)[] = [];
    const it = emitting(
      {
        reduce: (state, { value, token }, { emit, fail }) => {
          emit(value);
          got.push(() => fail(token, new Error('no')));
          if (value === 1) got[0]!();
          return state;
        },
      },
      { onFailure: 'skip', batchSize: 2 },
    );
    const started = it.items([0, 1]);
    const running = it.run(started);
    it.tell({ type: 'contextCalled' });
    const effects = await running;
    expect(it.valuesIn(effects)).to.deep.equal([1]);
  });

  it('settles nothing of an item whose own share waits for a sink of park', async () => {
    const { items, run, messagesIn, done, tell, end } = emitting(
      {
        reduce: times(() => 1),
        flush: () => {
          throw new NonRetryableError('no');
        },
      },
      { batchSize: 5, onFailure: park(() => new Promise(() => {})) },
    );
    const effects = await run(items([4]));
    await end(tell({ type: 'flushDue' }));
    expect(done(messagesIn(effects))).to.deep.equal([]);
  });

  it('throws after the call has ended, in a call of a reducer that was stopped, and without a pipe', async () => {
    const contexts: ReducerContext<unknown>[] = [];
    const keep: Reduce = (state, _, context) => (contexts.push(context), state);
    const it = emitting({ reduce: keep });
    await it.run(it.items([0]));
    expect(() => contexts[0]!.emit(1)).to.throw(NonRetryableError, /after the call had ended \(reduce\)/);

    const hanging = emitting({ reduce: (state, item, context) => (keep(state, item, context), new Promise(() => {})) });
    void hanging.end(hanging.items([0]));
    contexts[1]!.emit(1);
    hanging.stop();
    expect(() => contexts[1]!.emit(1)).to.throw(NonRetryableError, /after its reducer was stopped/);

    const alone = emitting({ reduce: keep }, { pipe: undefined as never });
    await alone.run(alone.items([0]));
    expect(() => contexts[2]!.emit(1)).to.throw(NonRetryableError, /give createConsumer the option pipe/);
  });

  it('throws from a promise that outlives a call whose time is over', async () => {
    let late: (() => void) | undefined;
    const it = emitting(
      {
        timeoutMs: 100,
        reduce: async (_, __, { emit, signal }) => {
          late = () => emit('late');
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          throw new Error('too late');
        },
      },
      { onFailure: 'skip' },
    );
    const call = it.end(it.items([0]));
    it.clock.move(100);
    it.tell({ type: 'timeoutDue' });
    expect(it.valuesIn(await call)).to.deep.equal([]);
    expect(late).to.throw(/after the call had ended/);
  });

  it('emits nothing for an item whose tenure has ended, and counts it', async () => {
    const it = emitting({
      reduce: (state, item, { emit }) => {
        emit(1);
        (item as DeliveredItem).tenure.ended = true;
        return state;
      },
    });
    const effects = await it.run(it.items([0]));
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([[], []]);
    expect(counted(effects)).to.deep.equal({ foldedAfterLoss: 1 });
  });
});

const referencesOf = (message: SentMessage | undefined): References<never, never> =>
  SentMessage.referencesOf(message!) as never;

describe('ctx.emit in flush', () => {
  const flushing = (count: number, more: object = {}, reduce: Reduce = times(() => 0)) =>
    emitting(
      {
        reduce,
        flush: (state, { emit }) => {
          for (let at = 0; at < count; at += 1) emit(`${state.join('+')}/${at}`);
          return [];
        },
      },
      { batchSize: 3, ...more },
    );

  it('stands for all that the flush would acknowledge: one bundle, divided among the values', async () => {
    const { items, run, valuesIn, messagesIn, settledIn, done } = flushing(2);
    const effects = await run(items([0, 1, 2]));
    expect(valuesIn(effects)).to.deep.equal(['0+1+2/0', '0+1+2/1']);
    expect(settledIn(effects)).to.deep.equal([]);
    const [first, second] = messagesIn(effects);
    expect(done([first!])).to.deep.equal([]);
    expect(done([second!])).to.deep.equal([0, 1, 2]);
  });

  it('stands for one item as that item', async () => {
    const { items, run, messagesIn } = flushing(1, { batchSize: 1 });
    expect(messagesIn(await run(items([5])))[0]?.item?.sequenceNumber).to.equal('5');
  });

  it('holds ranges, and no list', async () => {
    const { items, run, messagesIn } = flushing(1);
    expect(isBundle(referencesOf(messagesIn(await run(items([0, 1, 2])))[0]))).to.equal(true);
  });

  it('settles an item that has emitted in reduce, too, with the last of both', async () => {
    const { items, run, messagesIn, done } = flushing(
      1,
      {},
      times((n) => (n === 1 ? 2 : 0)),
    );
    const all = messagesIn(await run(items([0, 1, 2])));
    expect(all.map(({ value }) => value)).to.deep.equal(['1/0', '1/1', '0+1+2/0']);
    expect(done([all[0]!])).to.deep.equal([]);
    expect(done([all[2]!])).to.deep.equal([0, 2]);
    expect(done([all[1]!])).to.deep.equal([1]);
  });

  it('drops the values of a failed flush, and of one that is skipped', async () => {
    let fails = 1;
    const it = emitting(
      {
        reduce: times(() => 1),
        flush: (_, { emit }) => {
          emit('sum');
          if (fails > 0) throw new Error('no');
          return [];
        },
      },
      { batchSize: 2, onFailure: (_, __, attempt) => (attempt === 2 ? 'skip' : retry({ minMs: 100 })) },
    );
    const failed = await it.run(it.items([0, 1]));
    expect(it.valuesIn(failed)).to.deep.equal(['0/0', '1/0']);
    it.clock.move(100);
    const skipped = await it.run(it.tell({ type: 'attemptDue' }));
    expect([it.valuesIn(skipped), it.settledIn(skipped)]).to.deep.equal([[], []]);
    expect(emitted(skipped)).to.include('recordSkipped');
    expect(it.done(it.messagesIn(failed)), 'what reduce has emitted goes on').to.deep.equal([0, 1]);
    fails = 0;
    expect(it.valuesIn(await it.run(it.items([2, 3])))).to.deep.equal(['2/0', '3/0', 'sum']);
  });

  it('leaves items out whose tenure has ended, and emits nothing if there are no others', async () => {
    const it = flushing(1, { batchSize: 9 });
    await it.run(it.items([0, 1]));
    await it.run(it.items([7], 2));
    it.tenures[1]!.ended = true;
    const effects = await it.run(it.tell({ type: 'flushDue' }));
    expect(it.valuesIn(effects)).to.deep.equal(['0+1+7/0']);
    expect(it.done(it.messagesIn(effects))).to.deep.equal([7]);
    await it.run(it.items([8], 2));
    it.tenures[2]!.ended = true;
    expect(it.valuesIn(await it.run(it.tell({ type: 'flushDue' })))).to.deep.equal([]);
  });

  it('has a bundle for each shard with stateBy shard', async () => {
    const it = emitting(
      {
        reduce: times(() => 0),
        stateBy: 'shard',
        flush: (state, { emit }) => {
          emit(state.join('+'));
          return [];
        },
      },
      { batchSize: 4 },
    );
    await it.run(it.items([0, 1], 1));
    const effects = await it.run(it.items([5, 6], 2));
    expect(it.valuesIn(effects)).to.deep.equal(['0+1', '5+6']);
    const [first, second] = it.messagesIn(effects);
    expect([it.done([second!]), it.done([first!])]).to.deep.equal([
      [5, 6],
      [0, 1],
    ]);
  });
});

describe('ctx.emit of a `collectsOnly` reducer', () => {
  const collectsOnly = (bad: ReadonlySet<number>, fails = { times: Infinity }) =>
    emitting(
      {
        collectsOnly: true,
        reduce: times(() => 1),
        flush: (state, { emit }) => {
          emit(`sum ${state.join('+')}`);
          if (state.some((n) => bad.has(n)) && fails.times > 0) {
            fails.times -= 1;
            throw new Error('no');
          }
        },
      },
      { batchSize: 4, onFailure: 'skip' },
    );

  it('sends what reduce has emitted with the flush', async () => {
    const it = collectsOnly(new Set());
    expect(it.valuesIn(await it.run(it.items([0, 1])))).to.deep.equal([]);
    const effects = await it.run(it.items([2, 3]));
    expect(it.valuesIn(effects)).to.deep.equal(['0/0', '1/0', '2/0', '3/0', 'sum 0+1+2+3']);
    const messages = it.messagesIn(effects);
    expect(it.done(messages.slice(0, 4))).to.deep.equal([]);
    expect(it.done(messages.slice(4))).to.have.members([0, 1, 2, 3]);
  });

  it('sends each part of a bisection on, and nothing of the item that fails', async () => {
    const it = collectsOnly(new Set([2]));
    const effects = await it.run(it.items([0, 1, 2, 3]));
    expect(it.valuesIn(effects)).to.deep.equal(['0/0', '1/0', 'sum 0+1', '3/0', 'sum 3']);
    expect(it.settledIn(effects)).to.deep.equal([2]);
    expect(it.done(it.messagesIn(effects))).to.have.members([0, 1, 3]);
  });
});

describe('ctx.emit in process', () => {
  type Process = (items: readonly Item<number>[], context: ReducerContext<unknown>) => unknown;
  const processing = (process: Process) => emitting({ process }, { batchSize: 2, onFailure: 'skip' });

  it('stands for the items of the call', async () => {
    const it = processing((items, { emit }) => emit(items.map(({ value }) => value)));
    const effects = await it.run(it.items([0, 1]));
    expect(it.valuesIn(effects)).to.deep.equal([[0, 1]]);
    expect(it.settledIn(effects)).to.deep.equal([]);
    expect(it.done(it.messagesIn(effects))).to.deep.equal([0, 1]);
  });

  it('does not stand for an item that fails by hand, and is dropped if all fail', async () => {
    const it = processing((items, { emit, fail }) => {
      emit('batch');
      for (const { value, token } of items) if (value !== 1) fail(token, new Error('no'));
    });
    const effects = await it.run(it.items([0, 1]));
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([['batch'], [0]]);
    expect(it.done(it.messagesIn(effects))).to.deep.equal([1]);
    const all = await it.run(it.items([2, 3]));
    expect([it.valuesIn(all), it.settledIn(all)]).to.deep.equal([[], [2, 3]]);
  });

  it('is dropped with a failed call, and goes on with each part of the bisection', async () => {
    const it = processing((items, { emit }) => {
      emit(items.map(({ value }) => value));
      if (items.some(({ value }) => value === 1)) throw new Error('no');
    });
    const effects = await it.run(it.items([0, 1]));
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([[[0]], [1]]);
  });

  it('is collected for each call of several, and goes on when that one has ended', async () => {
    const ends = new Map<string, () => void>();
    const single = emitting(
      {
        concurrency: 2,
        process: async ([item], { emit }) => {
          emit(`begin ${item!.key}`);
          await new Promise<void>((resolve) => ends.set(item!.key, resolve));
          emit(`end ${item!.key}`);
        },
      },
      { batchSize: 1 },
    );
    const effects = single.itemsOf([
      ['a', 0],
      ['b', 1],
    ]);
    const [first, second] = effects.flatMap((effect) => (effect.type === 'run' ? [effect.name] : []));
    const calls = [single.finishRun(effects, first!), single.finishRun(effects, second!)];
    ends.get('b')!();
    const b = await calls[1]!;
    expect(single.valuesIn(b)).to.deep.equal(['begin b', 'end b']);
    expect(single.done(single.messagesIn(b))).to.deep.equal([1]);
    ends.get('a')!();
    expect(single.valuesIn(await calls[0]!)).to.deep.equal(['begin a', 'end a']);
  });
});
