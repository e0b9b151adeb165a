// A reducer under a rate limit: it hands out as many items as there are tokens, waits for the rest with one timer, and keeps the order.
import { expect } from 'chai';
import type { ReducerOptions } from '../../../actors/reducer/reducer.js';
import type { ReducerMessage } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { createRateLimit, setRate } from '../../../src/core/rate-limit.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { failingProcess, punctuated } from '../../support/direct-process.js';
import { ofType, started } from '../../support/direct.js';

const timers = (effects: Effects) => ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'attempt' ? [ms] : []));
const attemptDue = { type: 'attemptDue' } as const;
const clockNow = 1_000;
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** A reducer under a limit of `perSecond`, and the values that it has reduced. */
function limited(perSecond: number, options: Parameters<typeof direct>[1] = {}) {
  const limit = createRateLimit(perSecond, 1_000);
  const seen: number[] = [];
  const fails = { on: (_: number) => false };
  const reduce = (state: State, { value }: { readonly value: number }): State => {
    seen.push(value);
    if (fails.on(value)) throw new Error('no');
    return state;
  };
  return { ...direct({ reduce }, { batchSize: 100, limit, ...options }), limit, seen, fails };
}

describe('a reducer under a rate limit', () => {
  it('hands out as many items as there are tokens, and sets one timer for the rest', async () => {
    const { items, end, tell, clock, seen, status } = limited(3);
    const after = await end(items([0, 1, 2, 3, 4]));
    expect(seen).to.deep.equal([0, 1, 2]);
    expect(timers(after)).to.deep.equal([334]);
    expect(timers(items([5]))).to.deep.equal([]);
    expect(status().limited).to.equal(true);
    clock.move(334);
    await end(tell(attemptDue));
    expect(seen).to.deep.equal([0, 1, 2, 3]);
  });

  it('counts each attempt with an item that has failed', async () => {
    const { items, end, tell, clock, seen, fails } = limited(1, {
      onFailure: retry({ minMs: 10, maxMs: 10 }),
    });
    fails.on = () => true;
    await end(items([0]));
    clock.move(500);
    expect(started(tell(attemptDue))).to.deep.equal([]);
    clock.move(500);
    await end(tell(attemptDue));
    expect(seen).to.deep.equal([0, 0]);
  });

  it('does not wait for tokens to answer a drain behind an item that has failed', async () => {
    const { items, end, tell, punctuation, stage, fails } = limited(1, {
      onFailure: retry({ minMs: 60_000, maxMs: 60_000 }),
    });
    fails.on = () => true;
    await end(items([0]));
    const answered = ofType(punctuation('drain'), 'send').filter(({ to }) => to.id === stage.id);
    expect(answered.map(({ message }) => (message as { type: string }).type)).to.include('punctuated');
    expect(tell).to.be.a('function');
  });

  it('gives tokens back for items that it does not hand out', async () => {
    const { items, revoked, tenures, limit, end } = limited(2);
    const call = items([0, 1]);
    tenures[1]!.ended = true;
    await end(call);
    expect(limit.bucket?.tokens).to.equal(2);
    tenures[1]!.ended = false;
    await end(items([2, 3]));
    items([4]);
    expect(limit.reserved).to.equal(1);
    revoked(1);
    expect(limit.reserved, 'the item that waited is dropped').to.equal(0);
  });

  it('gives tokens back for items that a raw behaviour does not get, and lets heartbeats pass what waits', async () => {
    const limit = createRateLimit(2, 1_000);
    const got: string[] = [];
    const behaviour = (state: State, message: ReducerMessage<unknown>): State => {
      got.push(message.type);
      return state;
    };
    const definition = { init: () => [], behaviour } as ReducerOptions['definition'];
    const { items, tell, tenures, end } = direct({}, { definition, limit });
    const call = items([0, 1]);
    tenures[1]!.ended = true;
    await end(call);
    expect(limit.bucket?.tokens).to.equal(2);

    tenures[1]!.ended = false;
    const next = items([2, 3]);
    items([4]);
    tell({ type: 'heartbeat' });
    await end(await end(next));
    expect(got).to.deep.equal(['items', 'heartbeat']);
  });

  it('gives its reservation back when it stops', async () => {
    const { items, stop, limit, end } = limited(1);
    await end(items([0, 1]));
    expect([limit.reserved, limit.watchers.size]).to.deep.equal([1, 1]);
    stop();
    expect([limit.reserved, limit.watchers.size, limit.bucket?.tokens]).to.deep.equal([0, 0, 0]);
  });

  it('is told of a change, and goes on at once if the limit is removed', async () => {
    const { items, tell, told, limit, seen, end } = limited(0.001);
    await end(items([0, 1, 2]));
    expect(seen).to.deep.equal([0]);
    setRate(limit, undefined, 1_000);
    expect(told).to.deep.equal([{ type: 'limitChanged' }]);
    await end(tell(told[0]!));
    expect(seen).to.deep.equal([0, 1, 2]);
  });

  it('does not count what it folds as limited while it may', async () => {
    const { items, end, status } = limited(1_000);
    await end(items([0, 1, 2]));
    expect(status()).to.include({ limited: false, queued: 0 });
  });

  it('takes no tokens for the items that a `collectsOnly` reducer did not reduce, because reduce threw before them', async () => {
    const limit = createRateLimit(100, 1_000);
    const seen: number[] = [];
    const down = { flush: true, reduce: false };
    const { itemsOf, drain, tell, clock } = direct(
      {
        collectsOnly: true,
        reduce: (state, { value }) => {
          seen.push(value);
          if (down.reduce && value === 0) throw new Error('no');
          return state;
        },
        flush: () => {
          if (down.flush) throw new Error('no');
        },
      },
      { limit, batchSize: 3, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    limit.bucket = { capacity: 1_000, perSecond: 1e-9, tokens: 100, updatedAt: 1_000 };
    await drain(itemsOf([0, 1, 2].map((n) => [`k${n}`, n] as const)));
    Object.assign(down, { flush: false, reduce: true });
    clock.move(100);
    await drain(tell(attemptDue));
    expect(Math.round(100 - limit.bucket.tokens)).to.equal(seen.length);
  });
});

describe('a batch under a rate limit', () => {
  const six = upTo(6).map((n) => [`k${n}`, n] as const);

  it('tries the part that the limit cut off three times as a whole, like any batch', async () => {
    const limit = createRateLimit(3, 1_000);
    const { itemsOf, drain, wait, calls, settled } = failingProcess(new Set([4]), {
      ...{ batchSize: 6, limit, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    });
    await drain(itemsOf(six));
    limit.bucket = { capacity: 1_000, perSecond: 1e-9, tokens: 1_000, updatedAt: clockNow };
    await wait(1_000);
    for (let n = 0; n < 12; n += 1) await wait(100);
    expect(calls.filter((each) => each.join() === '3,4,5')).to.have.length(3);
    expect(settled.toSorted()).to.deep.equal([0, 1, 2, 3, 5]);
  });

  it('is tried once more for a drain as fast as the limit allows, and the drain is answered then', async () => {
    const limit = createRateLimit(6, 1_000);
    const { itemsOf, drain, tell, clock, punctuation, calls, stage } = failingProcess(new Set([0, 5]), {
      ...{ batchSize: 6, limit, onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    });
    await drain(itemsOf(six));
    expect(punctuated(await drain(punctuation('drain')), stage)).to.deep.equal([]);
    expect(calls, 'there are no tokens').to.have.length(1);
    let answers: unknown[] = [];
    let seconds = 0;
    for (; answers.length === 0 && seconds < 20; seconds += 1) {
      clock.move(1_000);
      answers = punctuated(await drain(tell(attemptDue)), stage);
    }
    const handed = calls.flat().length;
    expect(handed).to.be.within(12, 6 + 6 * seconds);
    expect(answers).to.have.length(1);
  });

  it('is dropped with its reservation if the stop does not wait for its tokens', async () => {
    const limit = createRateLimit(6, 1_000);
    const { itemsOf, drain, punctuation, tenures, revoked, status } = failingProcess(new Set([0]), {
      ...{ batchSize: 6, limit, onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    });
    await drain(itemsOf(six));
    await drain(punctuation('drain'));
    expect(limit.reserved).to.equal(1);
    tenures[1]!.ended = true;
    await drain(revoked(1));
    expect([limit.reserved, status().limited, status().holding]).to.deep.equal([0, false, []]);
  });
});
