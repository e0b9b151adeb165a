// ctx.emit of reducers that acknowledge by hand, and of raw behaviours: an item is settled when it is acknowledged and its values are done.
import { expect } from 'chai';
import type { FoldingReducer, ReducerContext, ReducerMessage, ItemToken } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { emitting, type Emitting } from '../../support/direct-emitting.js';
import { counted } from '../../support/direct.js';

type State = readonly number[];
type Manual = Partial<FoldingReducer<State, number, unknown>>;

/** The context of the last call, and the tokens of all items. */
function byHand(definition: Manual, options: object = {}) {
  const tokens: ItemToken[] = [];
  const last: { context?: ReducerContext<unknown> } = {};
  const { reduce } = definition;
  const it = emitting(
    {
      acknowledge: 'manual',
      ...definition,
      reduce: (state, item, context) => {
        tokens.push(item.token);
        last.context = context;
        return reduce!(state, item, context);
      },
    },
    { batchSize: 2, ...options },
  );
  return {
    ...it,
    ...{ tokens, last },
    /** Returns what is settled by that. */
    ack: (place: number): number[] => {
      last.context!.ack(tokens[place]!);
      return it.settledIn(it.tell({ type: 'contextCalled' }));
    },
  };
}

describe('ctx.emit with manual acknowledgement', () => {
  it('settles an item when it is acknowledged and its values are done, whichever is first', async () => {
    const it = byHand({ reduce: (state, { value }, { emit }) => (emit(value), emit(value), state) });
    const messages = it.messagesIn(await it.run(it.items([0, 1])));
    expect(it.ack(0)).to.deep.equal([]);
    expect(it.done(messages.slice(0, 1))).to.deep.equal([]);
    expect(it.done(messages.slice(1, 2))).to.deep.equal([0]);
    expect(it.done(messages.slice(2))).to.deep.equal([]);
    expect(it.ack(1)).to.deep.equal([1]);
  });

  it('settles an item without values when it is acknowledged', async () => {
    const it = byHand({ reduce: (state) => state });
    await it.run(it.items([0]));
    expect(it.ack(0)).to.deep.equal([0]);
  });

  for (const [whose, shardWorker, settles] of [
    ['its lease', 1, []],
    ['another lease', 2, [0]],
  ] as const)
    it(`forgets what was acknowledged in a call if ${whose} is lost before it has ended: settles ${settles.join()}`, async () => {
      let resolve = (): void => {};
      const it = byHand({
        reduce: async (state, { token }, { ack }) => {
          ack(token);
          await new Promise<void>((done) => (resolve = done));
          return state;
        },
      });
      const call = it.end(it.items([0]));
      it.tell({ type: 'contextCalled' });
      it.tenures[shardWorker]!.ended = true;
      it.revoked(shardWorker);
      resolve();
      const effects = await call;
      expect([it.settledIn(effects), counted(effects)]).to.deep.equal([settles, {}]);
    });

  it('does not settle an item that is acknowledged in a call that emits for it afterwards', async () => {
    let resolve = (): void => {};
    const it = byHand({
      reduce: async (state, { token, value }, { ack, emit }) => {
        ack(token);
        await new Promise<void>((done) => (resolve = done));
        emit(value);
        return state;
      },
    });
    const call = it.end(it.items([0]));
    expect(it.settledIn(it.tell({ type: 'contextCalled' }))).to.deep.equal([]);
    resolve();
    const effects = await call;
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([[0], []]);
    expect(it.done(it.messagesIn(effects))).to.deep.equal([0]);
  });

  it('settles an item that is acknowledged in a call that fails then, and sends nothing on', async () => {
    let resolve = (): void => {};
    const it = byHand(
      {
        reduce: async (_, { token, value }, { ack, emit }) => {
          ack(token);
          emit(value);
          await new Promise<void>((done) => (resolve = done));
          throw new Error('no');
        },
      },
      { onFailure: 'skip' },
    );
    const call = it.end(it.items([0]));
    it.tell({ type: 'contextCalled' });
    resolve();
    const effects = await call;
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([[], [0]]);
  });

  it('stands in flush for what was not acknowledged before', async () => {
    const it = byHand({ reduce: (state) => state, flush: (_, { emit }) => (emit('sum'), []) }, { batchSize: 3 });
    await it.run(it.items([0, 1]));
    expect(it.ack(0)).to.deep.equal([0]);
    const messages = it.messagesIn(await it.run(it.items([2])));
    expect(messages.map(({ value }) => value)).to.deep.equal(['sum']);
    expect(it.ack(1)).to.deep.equal([]);
    expect(it.done(messages)).to.deep.equal([1]);
    expect(it.ack(2)).to.deep.equal([2]);
  });

  it('stands in flush for what the flush acknowledges itself', async () => {
    let resolve = (): void => {};
    const it = byHand({
      reduce: (state) => state,
      flush: async (_, { ack, emit }) => {
        for (const token of it.tokens) ack(token);
        await new Promise<void>((done) => (resolve = done));
        emit('sum');
        return [];
      },
    });
    const flush = it.end(await it.end(it.items([0, 1])));
    expect(it.settledIn(it.tell({ type: 'contextCalled' }))).to.deep.equal([]);
    resolve();
    const effects = await flush;
    expect(it.settledIn(effects)).to.deep.equal([]);
    expect(it.done(it.messagesIn(effects))).to.have.members([0, 1]);
  });

  it('emits again for an item that failed by hand later, and settles it with all values', async () => {
    const it = byHand(
      { reduce: (state, { value, attempt }, { emit }) => (emit(`${value}, attempt ${attempt}`), state) },
      { onFailure: retry({ minMs: 100 }) },
    );
    const first = it.messagesIn(await it.run(it.items([0])));
    it.last.context!.fail(it.tokens[0]!, new Error('no'));
    it.tell({ type: 'contextCalled' });
    it.clock.move(100);
    const second = it.messagesIn(await it.run(it.tell({ type: 'attemptDue' })));
    expect([...first, ...second].map(({ value }) => value)).to.deep.equal(['0, attempt 1', '0, attempt 2']);
    expect(it.ack(1)).to.deep.equal([]);
    expect(it.done(second)).to.deep.equal([]);
    expect(it.done(first)).to.deep.equal([0]);
  });
});

describe('ctx.emit of a raw behaviour', () => {
  type Act = (message: ReducerMessage<number>, context: ReducerContext<unknown>) => unknown;
  function raw(act: Act, options: object = {}) {
    const last: { context?: ReducerContext<unknown>; tokens: ItemToken[] } = { tokens: [] };
    const definition: Emitting = {
      init: () => 0,
      reduce: undefined,
      behaviour: async (count, message, context) => {
        last.context = context;
        if (message.type === 'items') last.tokens.push(...message.items.map(({ token }) => token));
        await act(message, context);
        return count;
      },
    };
    const it = emitting(definition, { batchSize: 2, ...options });
    const ack = (place: number): number[] => {
      last.context!.ack(last.tokens[place]!);
      return it.settledIn(it.tell({ type: 'contextCalled' }));
    };
    return { ...it, last, ack };
  }

  it('stands for the items of its message, and each is settled when it is acknowledged, too', async () => {
    const it = raw((message, { emit }) => message.type === 'items' && emit('all'));
    const effects = await it.run(it.items([0, 1]));
    expect([it.valuesIn(effects), it.settledIn(effects)]).to.deep.equal([['all'], []]);
    expect(it.ack(0)).to.deep.equal([]);
    expect(it.done(it.messagesIn(effects))).to.deep.equal([0]);
    expect(it.ack(1)).to.deep.equal([1]);
  });

  it('is settled with its values if the call itself acknowledges', async () => {
    const it = raw((message, { emit, ack }) => {
      if (message.type !== 'items') return;
      for (const { token } of message.items) ack(token);
      emit('all');
    });
    const effects = await it.run(it.items([0, 1]));
    expect(it.settledIn(effects)).to.deep.equal([]);
    expect(it.done(it.messagesIn(effects))).to.have.members([0, 1]);
  });

  it('is refused for a message without items, which says so', async () => {
    const refused: unknown[] = [];
    const it = raw((message, { emit }) => {
      try {
        emit(message.type);
      } catch (error) {
        refused.push(error);
      }
    });
    await it.run(it.tell({ type: 'heartbeat' }));
    await it.run(it.punctuation('flush'));
    expect(refused.map(String).join('\n'))
      .to.match(/message 'heartbeat', which has no items/)
      .and.match(/'flush'/);
  });

  it('sends nothing of a failed call on', async () => {
    const it = raw(
      (_, { emit }) => {
        emit('all');
        throw new Error('no');
      },
      { onFailure: 'skip' },
    );
    expect(it.valuesIn(await it.run(it.items([0])))).to.deep.equal([]);
  });
});
