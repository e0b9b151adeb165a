// `ctx.fail` and `ctx.ack` for an item whose own call has not ended, under manual acknowledgement and in a raw behaviour; and a flush
// that fails beside items that the application has acknowledged. One message at a time, without a runtime.
import { expect } from 'chai';
import type { ParkedItem } from '../../../src/api/parking.js';
import type { Item, RawReducer, ReducerContext } from '../../../src/api/reducer.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { creditIn, settledIn } from '../../support/direct-process.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { counted, emitted, finish, ofType } from '../../support/direct.js';

const attemptDue = { type: 'attemptDue' } as const;
const soon = retry({ minMs: 100, maxMs: 100 });
type Reduce = (state: State, item: Item<number>, context: ReducerContext) => State;

/** A reducer with manual acknowledgement. What its calls say arrives before they end. */
function manual(reduce: Reduce, options: Parameters<typeof direct>[1] = {}, flush?: () => unknown) {
  const harness = direct(
    { acknowledge: 'manual', reduce, ...(flush === undefined ? {} : { flush }) },
    { batchSize: 1, onFailure: soon, ...options },
  );
  const { tell, told } = harness;
  const call = async (effects: Effects): Promise<Effects> => {
    const ended = await finish(effects);
    const said = told.splice(0).flatMap((message) => tell(message));
    return [...said, ...tell(ended)];
  };
  return { ...harness, call };
}

describe('ctx.fail for an item whose call has not ended', () => {
  it('costs no credit, however often it comes', async () => {
    const left = { failures: 3 };
    const { items, call, tell, clock, stage } = manual((state, { token }, { ack, fail }) => {
      if (left.failures > 0) fail(token, new Error(`no ${(left.failures -= 1)}`));
      else ack(token);
      return state;
    });
    let credit = creditIn(await call(items([0])), stage);
    for (let n = 0; n < 3; n += 1) {
      clock.move(100);
      credit += creditIn(await call(tell(attemptDue)), stage);
    }
    expect(credit).to.equal(1);
  });

  it('costs no credit if it comes when the call of a raw behaviour has ended, and that is not handled yet', async () => {
    const kept: { context?: ReducerContext; item?: Item<number> } = {};
    const definition: RawReducer<number, number> = {
      init: () => 0,
      behaviour: (state, message, context) => {
        if (message.type === 'items') Object.assign(kept, { context, item: message.items[0] });
        return state;
      },
    };
    const { items, tell, clock, end, stage } = direct(
      {},
      { definition: definition as never, batchSize: 1, onFailure: soon },
    );
    const ended = await finish(items([0]));
    kept.context!.fail(kept.item!.token, new Error('late'));
    let credit = creditIn(tell(ended), stage);
    clock.move(100);
    credit += creditIn(await end(tell(attemptDue)), stage);
    expect(credit).to.equal(1);
  });

  it('is one failure, also if the call throws afterwards', async () => {
    const asked: unknown[] = [];
    const left = { failures: 1 };
    const seen: number[] = [];
    const { items, call, tell, clock, stage } = manual(
      (state, { value, token }, { ack, fail }) => {
        seen.push(value);
        if (left.failures === 0) {
          ack(token);
          return state;
        }
        left.failures -= 1;
        fail(token, new Error('by hand'));
        throw new Error('thrown');
      },
      { onFailure: (error) => (asked.push((error as Error).message), soon) },
    );
    await call(items([0]));
    expect(asked).to.deep.equal(['thrown']);
    clock.move(100);
    const again = await call(tell(attemptDue));
    clock.move(1_000);
    expect(ofType(tell(attemptDue), 'run'), 'after its success').to.deep.equal([]);
    expect([seen, asked.length, settledIn(again, stage)]).to.deep.equal([[0, 0], 1, [0]]);
  });

  for (const isHeard of [true, false])
    it(`leaves the item to another attempt, although a raw behaviour throws afterwards (heard before that: ${isHeard})`, async () => {
      const got: number[] = [];
      const definition: RawReducer<number, number> = {
        init: () => 0,
        behaviour: async (state, message, { ack, fail }) => {
          if (message.type !== 'items') return state;
          for (const { value, token } of message.items) {
            got.push(value);
            if (got.length > 1) ack(token);
            else fail(token, new Error('by hand'));
          }
          if (got.length === 1) throw new Error('thrown');
          return state;
        },
      };
      const { items, tell, told, clock, end } = direct(
        {},
        { definition: definition as never, batchSize: 1, onFailure: soon },
      );
      const call = items([0]);
      const ended = finish(call);
      if (isHeard) for (const message of told.splice(0)) tell(message);
      tell(await ended);
      clock.move(100);
      await end(tell(attemptDue));
      expect(got).to.deep.equal([0, 0]);
    });

  it('counts, and an acknowledgement after it does not', async () => {
    const gate: { end: () => void } = { end: () => {} };
    const kept: { context?: ReducerContext; item?: Item<number> } = {};
    const { items, tell, told, stage, clock } = manual(((state: State, item: Item<number>, context: ReducerContext) => {
      Object.assign(kept, { context, item });
      return new Promise((resolve) => (gate.end = () => resolve(state)));
    }) as never);
    const ended = finish(items([0]));
    const hear = (): Effects => told.splice(0).flatMap((message) => tell(message));
    kept.context!.fail(kept.item!.token, new Error('by hand'));
    hear();
    kept.context!.ack(kept.item!.token);
    expect(settledIn(hear(), stage)).to.deep.equal([]);
    gate.end();
    tell(await ended);
    clock.move(100);
    expect(ofType(tell(attemptDue), 'run')).to.have.length(1);
  });

  it('is a failed attempt of an outage, and the pause grows', async () => {
    const pauses: number[] = [];
    const { itemsOf, call, tell, clock } = manual(
      (state, { token }, { fail }) => (fail(token, new Error('down')), state),
      { onFailure: retry({ minMs: 100, maxMs: 10_000 }), random: { next: () => 1 }, batchSize: 1 },
    );
    let effects = itemsOf(Array.from({ length: 10 }, (_, n) => [`k${n}`, n] as const));
    while (ofType(effects, 'run').length > 0) effects = await call(ofType(effects, 'run'));
    for (let n = 0; n < 3; n += 1) {
      const at = ofType(effects, 'after')
        .flatMap(({ key, ms }) => (key === 'attempt' ? [ms] : []))
        .at(-1)!;
      pauses.push(at);
      clock.move(at);
      effects = await call(tell(attemptDue));
    }
    expect(pauses).to.deep.equal([200, 400, 800]);
  });
});

describe('ctx.ack within a call that throws', () => {
  it('settles the item once: it is not delivered again, and the policy is told', async () => {
    const seen: number[] = [];
    const { items, call, tell, clock, stage } = manual((_, { value, token }, { ack }) => {
      seen.push(value);
      ack(token);
      throw new Error('no');
    });
    const effects = await call(items([0]));
    clock.move(1_000);
    expect(ofType(tell(attemptDue), 'run')).to.deep.equal([]);
    expect([seen, settledIn(effects, stage)]).to.deep.equal([[0], [0]]);
    expect(emitted(effects)).to.include('warning');
  });

  it('lets the later items of its key go, if it was an attempt', async () => {
    const seen: number[] = [];
    const { itemsOf, call, tell, clock } = manual((_, { value, token }, { ack }) => {
      seen.push(value);
      if (seen.length > 1) ack(token);
      throw new Error('no');
    });
    await call(itemsOf([['k', 0]]));
    itemsOf([['k', 1]]);
    clock.move(100);
    const again = await call(tell(attemptDue));
    await call(ofType(again, 'run'));
    expect(seen).to.deep.equal([0, 0, 1]);
  });

  it('asks no policy if the lease of the item has ended meanwhile', async () => {
    const asked: unknown[] = [];
    const { items, call, clock, tenures } = manual(
      (_, { token }, { ack }) => {
        ack(token);
        clock.move(10);
        throw new Error('no');
      },
      { onFailure: (error) => (asked.push(error), soon) },
    );
    tenures[1]!.deadline = clock.now() + 10;
    await call(items([0]));
    expect(asked).to.deep.equal([]);
  });
});

describe('an item whose lease has ended before its call', () => {
  it('counts as handed out to nobody', async () => {
    const { items, call, tenures, revoked } = manual((state) => state);
    const begun = items([0]);
    tenures[1]!.ended = true;
    await call(begun);
    expect(counted(revoked(1))).to.deep.equal({});
  });
});

describe('a flush that fails under manual acknowledgement', () => {
  for (const [name, policy] of [
    ['skip', () => 'skip'],
    ['a promise of skip', () => () => Promise.resolve('skip')],
    ['park', (kept: ParkedItem[]) => park(async (item) => kept.push(item))],
  ] as const)
    it(`leaves to ${name} only what is not acknowledged`, async () => {
      const kept: ParkedItem[] = [];
      const { items, call, tell, stage, told } = manual(
        (state, { value, token }, { ack }) => {
          if (value === 0) ack(token);
          return [...state, value];
        },
        { batchSize: 2, onFailure: policy(kept) as never },
        () => expect.fail('no'),
      );
      const effects = [...(await call(items([0, 1])))];
      for (let last: Effects = effects; ofType(last, 'run').length > 0; effects.push(...last))
        last = [...tell(await finish(last)), ...told.splice(0).flatMap((message) => tell(message))];
      expect(settledIn(effects, stage)).to.deep.equal([0, 1]);
      expect(kept.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(name === 'park' ? ['1'] : []);
    });

  it('begins with a new state if all its items are acknowledged', async () => {
    const flushed: State[] = [];
    const { items, call, tell, told } = manual(
      (state, { value, token }, { ack }) => (ack(token), [...state, value]),
      { batchSize: 1, onFailure: 'skip' },
      ((state: State) => {
        flushed.push(state);
        throw new Error('no');
      }) as never,
    );
    for (const n of [0, 1]) {
      const folded = await call(items([n]));
      tell(await finish(ofType(folded, 'run')));
      told.splice(0).forEach((message) => tell(message));
    }
    expect(flushed).to.deep.equal([[0], [1]]);
  });
});
