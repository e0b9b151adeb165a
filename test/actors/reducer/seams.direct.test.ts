// Where the parts of a reducer meet: bisection, held keys, parking, the rate limit, drains. One message at a time, without a runtime.
import { expect } from 'chai';
import { createLeftItems } from '../../../actors/protocol/left-items.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import type { RawReducer } from '../../../src/api/reducer.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { failingProcess, processing, punctuated, settledIn } from '../../support/direct-process.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { finish, ofType, started } from '../../support/direct.js';

const attemptDue = { type: 'attemptDue' } as const;
type Pair = readonly [key: string, ordinal: number];

/** Ends the calls that these effects start, and those that follow, in turn. A call of a name that is left alone stays open. */
async function run(
  tell: (message: any) => Effects,
  effects: Effects,
  isLeft = (_: string): boolean => false,
): Promise<Effects> {
  const all = [...effects];
  for (let place = 0; place < all.length; place += 1) {
    const each = all[place]!;
    if (each.type === 'run' && !isLeft(each.name)) all.push(...tell(await finish([each])));
  }
  return all;
}

/** Items with these ordinals, each with a key of its own. */
const apart = (ordinals: readonly number[]): Pair[] => ordinals.map((n) => [`k${n}`, n]);
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => n + from);

describe('a batch of process under a rate limit', () => {
  it('keeps the part for which there were no tokens when the call with the other part fails', async () => {
    const bad = new Set([1]);
    const limit = createRateLimit(4, 1_000);
    const { itemsOf, drain, wait, calls, settled } = failingProcess(bad, { batchSize: 6, limit });
    await drain(itemsOf(apart(upTo(6))));
    expect(calls).to.deep.equal([[0, 1, 2, 3]]);
    bad.clear();
    for (let second = 0; second < 8; second += 1) await wait(1_000);
    expect(settled.toSorted()).to.deep.equal(upTo(6));
  });

  it('keeps it when the call with the other part fails until it is bisected', async () => {
    const limit = createRateLimit(4, 1_000);
    const { itemsOf, drain, wait, settled } = failingProcess(new Set([1]), { batchSize: 6, limit });
    await drain(itemsOf(apart(upTo(6))));
    for (let second = 0; second < 12; second += 1) await wait(1_000);
    expect(settled.toSorted()).to.deep.equal([0, 2, 3, 4, 5]);
  });

  it('does not wait for tokens to answer a drain behind an item that has failed', async () => {
    const { itemsOf, drain, punctuation, stage } = failingProcess(new Set([0]), {
      batchSize: 1,
      limit: createRateLimit(1, 1_000),
    });
    await drain(itemsOf(apart([0])));
    expect(punctuated(await drain(punctuation('drain')), stage)).to.deep.equal([[0]]);
  });
});

describe('the order of a key in a reducer that isolates failures', () => {
  it('is kept by an item that was gathered before its key was held, and found that out after later ones', async () => {
    const fails = { first: true };
    const { itemsOf, end, drain, tell, clock, calls } = processing(
      (items, ctx) => {
        const [first] = items;
        if (first?.value === 0 && fails.first) ctx.fail(first.token, new Error('no'));
      },
      { batchSize: 2, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    const call = itemsOf([
      ['k', 0],
      ['a', 1],
    ]);
    itemsOf([['k', 2]]);
    await end(call);
    itemsOf([['k', 3]]);
    await drain(itemsOf([['b', 4]]));
    fails.first = false;
    clock.move(100);
    await drain(tell(attemptDue));
    clock.move(1_000);
    await drain(tell({ type: 'flushDue' }));
    expect(calls.flat().filter((n) => n !== 1 && n !== 4)).to.deep.equal([0, 0, 2, 3]);
  });

  it('is kept by a `collectsOnly` reducer if reduce fails at a later item of the key', async () => {
    const flushed: State[] = [];
    const down = { flush: true, reduce: false };
    const { itemsOf, drain, tell, clock } = direct(
      {
        collectsOnly: true,
        reduce: (state, { value }) => {
          if (value === 1 && down.reduce) throw new Error('no');
          return [...state, value];
        },
        flush: (state) => {
          if (down.flush) throw new Error('no');
          flushed.push(state);
        },
      },
      { batchSize: 2, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    await drain(
      itemsOf([
        ['k', 0],
        ['k', 1],
      ]),
    );
    Object.assign(down, { flush: false, reduce: true });
    clock.move(100);
    await drain(tell(attemptDue));
    down.reduce = false;
    for (let n = 0; n < 4; n += 1) {
      clock.move(1_000);
      await drain(tell(attemptDue));
      await drain(tell({ type: 'flushDue' }));
    }
    expect(flushed.flat()).to.deep.equal([0, 1]);
  });

  for (const failures of [0, 1])
    it(`is kept by a reducer with collectsOnly that has folded an item before the one that is tried again (${failures} flushes fail)`, async () => {
      const flushed: State[] = [];
      const left = { flushes: failures, reduces: 1 };
      const { itemsOf, drain, tell, clock } = direct(
        {
          collectsOnly: true,
          reduce: (state, { value }) => {
            if (value === 1 && left.reduces > 0) throw new Error(`no ${(left.reduces -= 1)}`);
            return [...state, value];
          },
          flush: (state) => {
            if (left.flushes > 0) throw new Error(`no ${(left.flushes -= 1)}`);
            flushed.push(state);
          },
        },
        { batchSize: 5, onFailure: retry({ minMs: 100, maxMs: 100 }) },
      );
      await drain(
        itemsOf([
          ['k', 0],
          ['k', 1],
        ]),
      );
      for (let n = 0; n < 4; n += 1) {
        clock.move(100);
        await drain(tell(attemptDue));
      }
      expect(flushed).to.deep.equal([[0], [1]]);
    });

  it('is kept by the later parts of a batch when a sink keeps the item that an earlier part left', async () => {
    const kept: ParkedItem[] = [];
    const { itemsOf, tell, calls, clock } = failingProcess(new Set([0]), {
      onFailure: park(async (item) => kept.push(item)),
    });
    const isSink = (name: string): boolean => name.startsWith('park#');
    const bad = ['k', 'a', 'k', 'b', 'k', 'c', 'd', 'e'].map((key, n) => [key, n] as const);
    let effects = itemsOf(bad);
    let parking: Effects = [];
    while (calls.at(-1)?.join() !== '3') {
      parking = [...parking, ...ofType(effects, 'run').filter(({ name }) => isSink(name))];
      const [next] = ofType(effects, 'run').filter(({ name }) => !isSink(name));
      const ended = await finish([next!]);
      if (calls.at(-1)?.join() === '3') {
        const answered = tell(await finish(parking));
        effects = [...answered, ...tell(ended)];
      } else effects = tell(ended);
    }
    await run(tell, effects);
    clock.move(1_000);
    await run(tell, tell({ type: 'flushDue' }));
    expect(calls.slice(calls.findIndex((each) => each.join() === '3')).flat()).to.include.members([2, 4]);
    const after = calls.slice(calls.findIndex((each) => each.join() === '3')).flat();
    expect(after.indexOf(2)).to.be.lessThan(after.indexOf(4));
    expect(kept).to.have.length(1);
  });
});

describe('the success that ends an outage', () => {
  it('does not hand out its own item again', async () => {
    const calls: number[] = [];
    const down = { sink: true };
    const definition: RawReducer<number, number> = {
      init: () => 0,
      behaviour: (state, message, { ack }) => {
        if (message.type !== 'items') return state;
        for (const { value, token } of message.items) {
          calls.push(value);
          if (down.sink) throw new Error('no');
          ack(token);
        }
        return state;
      },
    };
    const { itemsOf, tell, clock } = direct(
      {},
      {
        definition: definition as never,
        batchSize: 1,
        onFailure: retry({ minMs: 100, maxMs: 100 }),
      },
    );
    await run(tell, itemsOf(apart(upTo(10))));
    down.sink = false;
    await run(tell, itemsOf(apart([10])));
    for (let n = 0; n < 4; n += 1) {
      clock.move(1_000);
      await run(tell, tell(attemptDue));
    }
    expect(calls.filter((value) => value === 10)).to.deep.equal([10]);
  });
});

describe('items that a sink does not keep', () => {
  const refuse = park(() => {
    throw new Error('disk full');
  });

  it('hold their keys, and not the bisection of other batches', async () => {
    const { itemsOf, tell, stage } = failingProcess(new Set(upTo(8)), { batchSize: 16, onFailure: refuse });
    const effects = await run(tell, itemsOf(apart(upTo(16))));
    expect(settledIn(effects, stage).toSorted((a, b) => a - b)).to.deep.equal(upTo(8, 8));
  });

  it('do not stop the attempts of an outage', async () => {
    const down = { sink: true };
    const { itemsOf, tell, clock, stage } = direct(
      {
        reduce: (state, { value }) => {
          if (down.sink || value === 0) throw new Error('no');
          return state;
        },
      },
      {
        batchSize: 20,
        onFailure: (_, { data }) => (data?.[0] === 0 ? refuse : retry({ minMs: 100, maxMs: 100 })),
      },
    );
    await run(tell, itemsOf(apart(upTo(12))));
    down.sink = false;
    const settled: number[] = [];
    for (let n = 0; n < 30; n += 1) {
      clock.move(1_000);
      settled.push(...settledIn(await run(tell, tell(attemptDue)), stage));
    }
    expect(settled.toSorted((a, b) => a - b)).to.deep.equal(upTo(11, 1));
  });

  it('leave the calls of other leases free, although their calls never end', async () => {
    const kept: ParkedItem[] = [];
    const { items, itemsOf, end, tell, tenures, revoked } = direct(
      { reduce: () => expect.fail('no') },
      { batchSize: 1, onFailure: park(async (item) => kept.push(item)) },
    );
    const isSink = (name: string): boolean => name.startsWith('park#');
    await run(tell, itemsOf(apart(upTo(16))), isSink);
    tenures[1]!.ended = true;
    const dropped = revoked(1);
    const deadlines = ofType(dropped, 'after').filter(({ key }) => key.startsWith('park#'));
    const failed = await end(items([16], 2));
    expect(started(failed)).to.deep.equal([]);
    const free = deadlines.flatMap(({ message }) => tell(message as never));
    expect(started(free)).to.deep.equal(['park#17']);
  });
});

describe('a drain', () => {
  it('is asked for although a flush that fails holds the reducer, because a flush that was asked for before is answered', async () => {
    const { itemsOf, drain, punctuation, stage } = direct(
      { flush: () => expect.fail('no') },
      { batchSize: 2, onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    );
    await drain(itemsOf(apart([0, 1])));
    expect(punctuated(punctuation('flush'), stage)).to.have.length(1);
  });
});

describe('the report of a stop', () => {
  it('names the items of a batch that waits, and those behind it', async () => {
    const leftItems = createLeftItems();
    const { itemsOf, drain, revoked } = failingProcess(new Set([1]), { batchSize: 2, leftItems });
    await drain(itemsOf(apart(upTo(2))));
    itemsOf(apart([2, 3]));
    leftItems.isStopping = true;
    revoked(1);
    expect([...leftItems.noted.values()].map(({ key, error }) => [key, error])).to.deep.equal([
      ['k0', 'no 1'],
      ['k1', 'no 1'],
      ['k2', 'no 1'],
      ['k3', 'no 1'],
    ]);
  });
});

describe('an item that is failed by hand in a call that throws', () => {
  it('keeps the later items of its key behind it, also those of later parts', async () => {
    const kept: ParkedItem[] = [];
    const { itemsOf, tell, calls } = processing(
      (items, { fail }) => {
        if (items.length < 4) return;
        fail(items[0]!.token, new Error('by hand'));
        throw new NonRetryableError('never');
      },
      { batchSize: 4, onFailure: park(async (item) => kept.push(item)) },
    );
    const isSink = (name: string): boolean => name.startsWith('park#');
    const failed = tell(await finish(itemsOf(['k', 'k', 'a', 'k'].map((key, n) => [key, n] as const))));
    const [sink, part] = [true, false].map((is) => ofType(failed, 'run').filter(({ name }) => isSink(name) === is));
    const parked = tell(await finish(sink!));
    await run(tell, [...parked, ...tell(await finish(part!))]);
    await run(tell, tell({ type: 'flushDue' }));
    const after = calls.slice(1).flat();
    expect(after.toSorted()).to.deep.equal([1, 2, 3]);
    expect(after.indexOf(1)).to.be.lessThan(after.indexOf(3));
  });
});

describe('a drain that has waited for a sink', () => {
  it('is answered after the items that the answer of the sink lets go', async () => {
    const kept: ParkedItem[] = [];
    const { itemsOf, tell, punctuation, stage } = direct(
      {
        reduce: (state, { value }) => {
          if (value === 0) throw new Error('no');
          return state;
        },
      },
      { batchSize: 1, onFailure: park(async (item) => kept.push(item)) },
    );
    const parking = await run(
      tell,
      itemsOf([
        ['k', 0],
        ['k', 1],
      ]),
      (name) => name.startsWith('park#'),
    );
    expect(punctuated(punctuation('drain'), stage)).to.deep.equal([]);
    const released = tell(await finish(ofType(parking, 'run').filter(({ name }) => name.startsWith('park#'))));
    expect([started(released), punctuated(released, stage)]).to.deep.equal([['reduce'], []]);
    const ended = await run(tell, released);
    expect([settledIn(ended, stage), punctuated(ended, stage)]).to.deep.equal([[0, 1], [[]]]);
  });
});

describe('a drain of a raw behaviour', () => {
  it('is answered after the items that a sink has let go during its call', async () => {
    const kept: ParkedItem[] = [];
    const behaviour: RawReducer<number, number>['behaviour'] = (state, message, { ack }) => {
      if (message.type !== 'items') return state;
      for (const { value, token } of message.items) {
        if (value === 0) throw new Error('no');
        ack(token);
      }
      return state;
    };
    const { itemsOf, tell, punctuation, stage } = direct(
      {},
      {
        definition: { init: () => 0, behaviour } as never,
        batchSize: 1,
        onFailure: park(async (item) => kept.push(item)),
      },
    );
    const isSink = (name: string): boolean => name.startsWith('park#');
    const parking = await run(
      tell,
      itemsOf([
        ['k', 0],
        ['k', 1],
      ]),
      isSink,
    );
    const drain = punctuation('drain');
    expect(started(drain)).to.deep.equal(['drain']);
    tell(await finish(ofType(parking, 'run').filter(({ name }) => isSink(name))));
    const ended = tell(await finish(drain));
    expect([started(ended), punctuated(ended, stage)]).to.deep.equal([['items'], []]);
    expect(punctuated(await run(tell, ended), stage)).to.deep.equal([[]]);
  });
});

describe('a drain that waits for a sink', () => {
  it('is told to a raw behaviour once, however often it is looked at', async () => {
    const told: string[] = [];
    const behaviour: RawReducer<number, number>['behaviour'] = (state, message) => {
      told.push(message.type);
      return message.type === 'items' ? expect.fail('no') : state;
    };
    const { itemsOf, tell, punctuation, stage } = direct(
      {},
      { definition: { init: () => 0, behaviour } as never, onFailure: park(async () => {}) },
    );
    const isSink = (name: string): boolean => name.startsWith('park#');
    const parking = await run(tell, itemsOf(apart([0])), isSink);
    expect(punctuated(await run(tell, punctuation('drain')), stage)).to.deep.equal([]);
    const over = await run(tell, tell(await finish(ofType(parking, 'run').filter(({ name }) => isSink(name)))));
    expect(punctuated(over, stage)).to.deep.equal([[]]);
    expect(told).to.deep.equal(['items', 'drain']);
  });
});

describe('a drain behind a flush that waits', () => {
  it('is answered, and names what a slice of the fold has put back', async () => {
    const slow: { move: (ms: number) => void } = { move: () => {} };
    const { items, end, tell, punctuation, stage, clock } = direct(
      { reduce: (state, { value }) => (slow.move(25), [...state, value]), flush: () => expect.fail('no') },
      { batchSize: 3, onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    );
    slow.move = clock.move;
    const call = items([0, 1, 2]);
    const ended = await finish(call);
    tell({ type: 'flushDue' });
    const flushing = tell(ended);
    const again = started(flushing).includes('flush') ? flushing : await end(flushing);
    await end(again);
    const answered = await run(tell, punctuation('drain'));
    expect(punctuated(answered, stage)).to.deep.equal([[0, 1, 2]]);
  });
});

describe('the timer of a reducer', () => {
  it('fires for tokens that are due before the batch that waits', async () => {
    const limit = createRateLimit(2, 1_000);
    const { itemsOf, tell, clock } = direct(
      { process: ([first]) => (first?.value === 0 ? expect.fail('no') : undefined), concurrency: 2 },
      { batchSize: 2, limit, onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    );
    const timerIn = (effects: Effects): number[] =>
      ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'attempt' ? [ms] : []));
    const begun = itemsOf(apart(upTo(4)));
    expect([started(begun), timerIn(begun)]).to.deep.equal([['process#1'], [500]]);
    expect(timerIn((await run(tell, begun)).slice(begun.length)), 'the timer stays').to.deep.equal([]);
    clock.move(500);
    expect(started(tell(attemptDue))).to.deep.equal(['process#2']);
  });
});
