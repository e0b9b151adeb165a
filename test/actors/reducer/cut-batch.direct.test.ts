// A batch of `process` that the rate limit cuts: what is cut off comes after what has failed, in the order of the batch, and is then a
// batch of its own. Items whose lease has ended take no token, and leave the lane of their key.
import { expect } from 'chai';
import { retry } from '../../../src/options/retry-policy.js';
import { createRateLimit, type RateLimit } from '../../../src/core/rate-limit.js';
import { failingProcess, settledIn } from '../../support/direct-process.js';
import { direct, type Effects } from '../../support/direct-reducer.js';
import { openCalls } from '../../support/open-calls.js';
import { finish, ofType } from '../../support/direct.js';

const attemptDue = { type: 'attemptDue' } as const;

/** A batch of six items, of which these fail, and as many tokens as each step gives. Pauses are 100 ms. */
function cut(bad: readonly number[]) {
  const limit = createRateLimit(1, 1_000);
  const set = new Set(bad);
  const on = failingProcess(set, { batchSize: 6, limit, onFailure: retry({ minMs: 100, maxMs: 100 }) });
  const tokens = (count: number): void => {
    limit.bucket = { capacity: 1_000, perSecond: 1e-9, tokens: count, updatedAt: on.clock.now() };
    limit.reserved = 0;
    limit.changes += 1;
  };
  return {
    ...on,
    ...{ set, tokens },
    begin: (count: number): Promise<Effects> => {
      tokens(count);
      return on.drain(on.itemsOf([0, 1, 2, 3, 4, 5].map((n) => [`k${n}`, n] as const)));
    },
    /** So many tokens come, and 100 ms pass. */
    next: (count: number): Promise<Effects> => {
      tokens(count);
      return on.wait(100);
    },
    text: (): string => on.calls.map((each) => each.join('')).join(' '),
  };
}

describe('a batch that the rate limit cuts', () => {
  it('is bisected part by part: what was cut off is first tried three times as a whole', async () => {
    const { begin, next, text, settled } = cut([1, 4]);
    await begin(3);
    for (let n = 0; n < 12; n += 1) await next(n === 0 ? 3 : 100);
    const wholes = (part: string): number =>
      text()
        .split(' ')
        .filter((each) => each === part).length;
    expect([wholes('012'), wholes('345')]).to.deep.equal([3, 3]);
    expect(text().lastIndexOf('012')).to.be.lessThan(text().indexOf('345'));
    expect(settled.toSorted()).to.deep.equal([0, 2, 3, 5]);
  });

  it('keeps its order if what has failed is cut again', async () => {
    const { begin, next, text, set, settled } = cut([1]);
    await begin(2);
    set.clear();
    await next(1);
    for (let n = 0; n < 4; n += 1) await next(100);
    expect(text()).to.equal('01 0 12345');
    expect(settled).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });

  it('keeps its order if it is cut while it is bisected', async () => {
    const { begin, next, text } = cut([1]);
    await begin(100);
    await next(100);
    await next(7);
    for (let n = 0; n < 4; n += 1) await next(1);
    for (let n = 0; n < 4; n += 1) await next(100);
    expect(text()).to.match(/^012345 012345 012345 0 1 2 3 4 5/);
  });

  it('reports the recovery of each part, with the items of that part', async () => {
    const { begin, next, set } = cut([1, 4]);
    const recovered: unknown[] = [];
    const note = (effects: Effects): void => {
      for (const { event } of ofType(effects, 'emit'))
        if (event.name === 'itemRecovered') recovered.push([event.data.sequenceNumber, event.data.items]);
    };
    note(await begin(3));
    set.delete(1);
    note(await next(3));
    note(await next(100));
    set.clear();
    for (let n = 0; n < 3; n += 1) note(await next(100));
    expect(recovered).to.deep.equal([
      ['0', 3],
      ['3', 3],
    ]);
  });
});

describe('an item whose lease ends while it waits for a token, or before its call', () => {
  const emptied = (count: number): RateLimit => {
    const limit = createRateLimit(1, 1_000);
    limit.bucket = { capacity: 1_000, perSecond: 1e-9, tokens: count, updatedAt: 1_000 };
    return limit;
  };

  it('leaves the lane of its key to the items of other leases', async () => {
    const limit = emptied(1);
    const { begin, itemsOf, items, tenures, revoked, values, open, tell } = openCalls(
      { concurrency: 2 },
      { batchSize: 2, limit },
    );
    begin(
      itemsOf([
        ['a', 0],
        ['k', 1],
      ]),
    );
    expect(values()).to.equal('0');
    tenures[1]!.ended = true;
    await begin(revoked(1));
    await open[0]!.end();
    limit.bucket!.tokens = 10;
    begin(tell(attemptDue));
    begin(items([2, 3], 2));
    begin(tell({ type: 'flushDue' }));
    expect(values()).to.equal('2');
  });

  it('gives the token of its attempt back', async () => {
    const limit = emptied(10);
    const { itemsOf, drain, wait, tenures, calls } = failingProcess(new Set([0]), {
      ...{ batchSize: 1, limit, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    });
    await drain(itemsOf([['a', 0]]));
    tenures[1]!.ended = true;
    await wait(100);
    expect([calls.length, Math.round(limit.bucket!.tokens)]).to.deep.equal([1, 9]);
  });

  it('gives its token back in a `collectsOnly` reducer, too', async () => {
    const limit = emptied(10);
    const down = { sink: true };
    const on = direct(
      {
        collectsOnly: true,
        flush: () => {
          if (down.sink) throw new Error('no');
        },
      },
      { limit, batchSize: 3, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    await on.drain(on.items([0, 1], 1));
    await on.drain(on.items([2], 2));
    down.sink = false;
    on.clock.move(100);
    const again = on.tell(attemptDue);
    on.tenures[2]!.ended = true;
    expect(settledIn(on.tell(await finish(again)), on.stage)).to.deep.equal([0, 1]);
    expect(Math.round(limit.bucket!.tokens)).to.equal(10 - 3 - 2);
  });
});
