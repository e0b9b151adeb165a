// A reducer under a rate limit: it hands out as many items as there are tokens, waits for the rest with one timer, and keeps the order.
import { expect } from 'chai';
import type { ReducerOptions } from '../../actors/reducer/reducer.js';
import type { ReducerMessage } from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import { createRateLimit, setRate } from '../../src/core/rate-limit.js';
import { direct, type Effects, type State } from '../support/direct-reducer.js';
import { ofType, started } from '../support/direct.js';

const timers = (effects: Effects) => ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'attempt' ? [ms] : []));
const attemptDue = { type: 'attemptDue' } as const;

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
    tenures[1]!.dead = true;
    await end(call);
    expect(limit.bucket?.tokens).to.equal(2);
    tenures[1]!.dead = false;
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
    tenures[1]!.dead = true;
    await end(call);
    expect(limit.bucket?.tokens).to.equal(2);

    tenures[1]!.dead = false;
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
});
