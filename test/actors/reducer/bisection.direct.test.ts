// A batch that fails: tried three times as a whole, then halved down to the items that fail alone. An outage ends the halving.
import { expect } from 'chai';
import fc from 'fast-check';
import type { FailedItem } from '../../../src/api/failed-item.js';
import { NonRetryableError, type FailurePolicy } from '../../../src/api/failure-policy.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { retry } from '../../../src/options/retry-policy.js';
import { failingProcess, processing, punctuated, settledIn, creditIn } from '../../support/direct-process.js';
import type { Effects } from '../../support/direct-reducer.js';
import { emitted, finish, ofType, started } from '../../support/direct.js';
import { openCalls } from '../../support/open-calls.js';

/** Items of 8 keys: key and value are the number. */
const eight = (from = 0): [string, number][] => Array.from({ length: 8 }, (_, n) => [`k${from + n}`, from + n]);
const asText = (calls: readonly (readonly number[])[]): string => calls.map((call) => call.join('')).join(' ');
const data = (effects: Effects, name: string): any[] =>
  ofType(effects, 'emit').flatMap(({ event }) => (event.name === name ? [event.data] : []));

describe('a batch that fails', () => {
  it('is tried three times as a whole, and then halved down to the item that fails alone', async () => {
    const { itemsOf, drain, wait, calls, settled } = failingProcess(new Set([5]));
    await drain(itemsOf(eight()));
    // One word is one call of `process`, and each digit in it an item that the call got.
    expect(asText(calls)).to.equal('01234567');
    await wait(199);
    expect(calls.length).to.equal(1);
    await wait(1);
    expect(calls.length).to.equal(2);
    await wait(400);
    expect(asText(calls.slice(2))).to.equal('01234567 0123 4567 45 4 5 67');
    expect(settled).to.deep.equal([0, 1, 2, 3, 4, 6, 7]);
  });

  it('reports the batch, then the item, and what has succeeded', async () => {
    const { itemsOf, drain, wait } = failingProcess(new Set([5]));
    const first = await drain(itemsOf(eight()));
    const place = { source: 'orders', shardId: 'shardId-1', at: 'process' };
    expect(data(first, 'itemRetrying')).to.containSubset([{ ...place, sequenceNumber: '0', items: 8, attempt: 1 }]);
    await wait(200);
    const last = await wait(400);
    expect(data(last, 'itemRetrying')).to.containSubset([{ ...place, sequenceNumber: '5', items: 1, attempt: 4 }]);
    expect(data(last, 'itemRecovered')).to.containSubset([{ ...place, sequenceNumber: '0', items: 7, forMs: 600 }]);
  });

  it('reports a batch that succeeds as a whole', async () => {
    const bad = new Set([5]);
    const { itemsOf, drain, wait } = failingProcess(bad);
    await drain(itemsOf(eight()));
    bad.clear();
    expect(data(await wait(200), 'itemRecovered')).to.containSubset([{ items: 8, attempts: 2, forMs: 200 }]);
  });

  it('halves both halves if both fail, in order', async () => {
    const { itemsOf, drain, wait, calls, settled } = failingProcess(new Set([1, 6]));
    await drain(itemsOf(eight()));
    await wait(200);
    await wait(400);
    expect(asText(calls.slice(3))).to.equal('0123 01 0 1 23 4567 45 67 6 7');
    expect(settled).to.deep.equal([0, 2, 3, 4, 5, 7]);
  });

  it('lets the later items of a failing key wait behind it, and the other keys go on', async () => {
    const bad = new Set([1]);
    const { itemsOf, drain, wait, calls, settled, status } = failingProcess(bad);
    const keys = ['a', 'b', 'a', 'b', 'c', 'b', 'a', 'd'];
    await drain(itemsOf(keys.map((key, n) => [key, n])));
    await wait(200);
    await wait(400);
    expect(asText(calls.slice(3))).to.equal('0123 01 0 1 2 467');
    await drain(itemsOf([['b', 8]]));
    bad.clear();
    calls.length = 0;
    await wait(30_000);
    await wait(30_000);
    expect(asText(calls)).to.equal('1 358');
    expect(settled.filter((n) => keys[n] === 'b' || n === 8)).to.deep.equal([1, 3, 5, 8]);
    expect(status().waiting).to.deep.equal([]);
  });

  it('holds what comes meanwhile while the whole waits, and returns its credit', async () => {
    const { itemsOf, drain, calls, stage, status } = failingProcess(new Set([5]));
    await drain(itemsOf(eight()));
    expect(creditIn(itemsOf(eight(8)), stage)).to.equal(8);
    expect(calls.length).to.equal(1);
    expect(status().waiting).to.containSubset([{ at: 'process', attempts: 1, key: 'k0', error: 'no 5' }]);
    expect(status().holding).to.containSubset([{ ordinal: 0, state: 'waiting' }]);
  });

  it('counts the attempts of an item: one for each whole try, and one for the bisection', async () => {
    const attempts: number[][] = [];
    const { itemsOf, end, clock, tell } = processing(
      (items) => {
        attempts.push(items.map(({ attempt }) => attempt));
        if (items.some(({ value }) => value === 0)) throw new Error('no');
      },
      { batchSize: 2, onFailure: retry({ minMs: 100 }) },
    );
    await end(itemsOf([['a', 0], ['b', 1]])); // prettier-ignore
    for (let n = 0; n < 2; n += 1) {
      clock.move(1_000);
      let last = tell({ type: 'attemptDue' });
      while (started(last).length > 0) last = await end(last);
    }
    expect(attempts).to.deep.equal([[1, 1], [2, 2], [3, 3], [4], [4]]);
  });

  it('is tried once more before a drain is answered, and named in the answer', async () => {
    const { itemsOf, drain, calls, punctuation, stage } = failingProcess(new Set([5]));
    await drain(itemsOf(eight()));
    itemsOf([['k9', 9]]);
    const answer = await drain(punctuation('drain'));
    expect(calls.length).to.equal(2);
    expect(punctuated(answer, stage)).to.deep.equal([[0, 1, 2, 3, 4, 5, 6, 7, 9]]);
    expect(punctuated(await drain(punctuation('drain', 6, 2)), stage), 'another worker').to.deep.equal([[]]);
  });

  it('is tried once more for a drain, although an earlier batch was tried for it', async () => {
    const bad = new Set([1, 9]);
    const { itemsOf, drain, calls, punctuation, stage } = failingProcess(bad);
    await drain(itemsOf(eight()));
    await drain(itemsOf(eight(8)));
    bad.delete(1);
    const answer = await drain(punctuation('drain'));
    expect(asText(calls)).to.equal('01234567 01234567 89101112131415 89101112131415');
    expect(punctuated(answer, stage)).to.deep.equal([[8, 9, 10, 11, 12, 13, 14, 15]]);
  });

  it('is tried once more at once if a drain waits for its first call', async () => {
    const { itemsOf, end, drain, calls, punctuation, stage } = failingProcess(new Set([5]));
    const call = itemsOf(eight());
    punctuation('drain');
    const answer = await drain(await end(call));
    expect(asText(calls)).to.equal('01234567 01234567');
    expect(punctuated(answer, stage)).to.deep.equal([[0, 1, 2, 3, 4, 5, 6, 7]]);
  });

  it('gives the credit back of all that is queued behind it', async () => {
    const { itemsOf, drain, stage } = failingProcess(new Set([5]));
    const all = await drain(itemsOf([...eight(), ...eight(8), ...eight(16)]));
    expect(creditIn(all, stage)).to.equal(24);
  });

  it('loses no item if a rate limit has split it before its first call fails', async () => {
    const limit = createRateLimit(4, 1_000);
    const { itemsOf, drain, wait, settled, calls } = failingProcess(new Set([1]), { limit });
    await drain(itemsOf(eight()));
    expect(asText(calls), 'as many as there are tokens').to.equal('0123');
    for (let n = 0; n < 20; n += 1) await wait(30_000);
    expect(settled.toSorted()).to.deep.equal([0, 2, 3, 4, 5, 6, 7]);
  });

  it('ends without a policy when its leases have ended', async () => {
    const asked: FailedItem[] = [];
    const { itemsOf, drain, calls, tenures, revoked, items } = failingProcess(new Set([5]), {
      onFailure: (_, failed) => (asked.push(failed), retry({ minMs: 100 })),
    });
    await drain(itemsOf(eight()));
    tenures[1]!.ended = true;
    await drain(revoked(1));
    await drain(items([20, 21, 22, 23, 24, 25, 26, 27], 2));
    expect(asked.length).to.equal(1);
    expect(asText(calls)).to.equal('01234567 2021222324252627');
  });

  it('runs into no second call of items that a half has settled', async () => {
    const { itemsOf, drain, wait, calls } = failingProcess(new Set([7]));
    await drain(itemsOf(eight()));
    await wait(200);
    await wait(400);
    expect(asText(calls.slice(3))).to.equal('0123 4567 45 67 6 7');
  });
});

describe('the policy for a batch that fails', () => {
  /** The calls after the first, and what the policy was asked. */
  async function under(policy: (failed: FailedItem) => FailurePolicy | Promise<FailurePolicy>, error?: Error) {
    const asked: [number, number, string][] = [];
    const harness = processing(
      (items) => {
        if (items.some(({ value }) => value === 1)) throw error ?? new Error('no');
      },
      {
        batchSize: 4,
        onFailure: (_, failed, attempt) => {
          asked.push([failed.items, attempt, failed.sequenceNumber]);
          return policy(failed);
        },
      },
    );
    const all = [...harness.itemsOf(eight().slice(0, 4))];
    const runs = ofType(all, 'run');
    for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
      const effects = harness.tell(await finish([run]));
      all.push(...effects);
      runs.push(...ofType(effects, 'run'));
    }
    return { ...harness, asked, all, calls: asText(harness.calls), settled: settledIn(all, harness.stage) };
  }

  it('`skip` ends only the item that fails alone', async () => {
    const { calls, asked, all, settled } = await under(() => 'skip');
    expect(calls).to.equal('0123 01 0 1 23');
    expect(asked).to.deep.equal([[4, 1, '0'], [1, 2, '1']]); // prettier-ignore
    expect(data(all, 'recordSkipped').map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['1']);
    expect(settled).to.deep.equal([0, 1, 2, 3]);
  });

  it('`stopShard` names the item that fails alone', async () => {
    const { calls, tenures } = await under(() => 'stopShard');
    expect(calls).to.equal('0123 01 0 1');
    expect(tenures[1]!.stopError?.message).to.include('process failed for record 1 ');
  });

  it('`crash` applies at once', async () => {
    const { calls, all } = await under(() => 'crash');
    expect(calls).to.equal('0123');
    expect(ofType(all, 'fail').length).to.equal(1);
  });

  it('`then` of `retry` applies to the single item', async () => {
    const { calls, all, settled } = await under(() => retry({ attempts: 1 }));
    expect(calls).to.equal('0123 01 0 1');
    expect(settled).to.deep.equal([0]);
    expect(ofType(all, 'fail')[0]?.error.message).to.include('process failed for record 1 ');
  });

  it('a NonRetryableError halves at once', async () => {
    const skipping = retry({ minMs: 100, then: 'skip' });
    const { calls, settled } = await under(() => skipping, new NonRetryableError('never'));
    expect(calls).to.equal('0123 01 0 1 23');
    expect(settled).to.deep.equal([0, 1, 2, 3]);
  });

  it('may come by a promise, for the batch and for the item', async () => {
    const { calls, asked, settled } = await under(() => Promise.resolve<FailurePolicy>('skip'));
    expect(calls).to.equal('0123 01 0 1 23');
    expect(asked.map(([items]) => items)).to.deep.equal([4, 1]);
    expect(settled).to.have.members([0, 1, 2, 3]);
  });
});

describe('a policy that answers for a batch by a promise', () => {
  async function undecided() {
    let answer = (_: FailurePolicy): void => {};
    const harness = failingProcess(new Set([1]), {
      batchSize: 2,
      onFailure: () => new Promise<FailurePolicy>((resolve) => (answer = resolve)),
    });
    const asked = await harness.end(harness.itemsOf([['a', 0], ['b', 1]])); // prettier-ignore
    return { ...harness, asked, answer: (policy: FailurePolicy) => answer(policy) };
  }

  it('repeats the batch once for each answer', async () => {
    const { asked, answer, finishRun, clock, tell, calls, end } = await undecided();
    answer(retry({ minMs: 100 }));
    await finishRun(asked, 'onFailure#1');
    clock.move(1_000);
    const again = tell({ type: 'attemptDue' });
    expect(started(again)).to.deep.equal(['process']);
    expect(started(await end(again))).to.deep.equal(['onFailure#2']);
    expect(asText(calls)).to.equal('01 01');
  });

  it('is ignored if all leases have ended, and the reducer goes on', async () => {
    const { asked, answer, finishRun, tenures, revoked, items, calls, drain } = await undecided();
    tenures[1]!.ended = true;
    revoked(1);
    answer(retry({ minMs: 100 }));
    await finishRun(asked, 'onFailure#1');
    await drain(items([20, 21], 2));
    expect(asText(calls)).to.equal('01 2021');
  });
});

describe('an outage during a bisection', () => {
  const all = new Set(Array.from({ length: 100 }, (_, n) => n));

  async function out() {
    const bad = new Set(all);
    const harness = failingProcess(bad, { batchSize: 32 });
    const sixteen = [...eight(), ...eight(8)];
    await harness.drain(harness.itemsOf([...sixteen, ...eight(16), ...eight(24)]));
    await harness.wait(200);
    const effects = await harness.wait(400);
    return { ...harness, bad, effects };
  }

  it('begins when eight single items have failed and none has succeeded, and ends the bisection', async () => {
    const { calls, effects, status } = await out();
    const singles = calls.filter((call) => call.length === 1).map(([n]) => n);
    expect(singles).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(emitted(effects).filter((name) => name === 'outageStarted')).to.have.length(1);
    expect(Math.max(...calls.at(-1)!)).to.equal(7);
    expect(status().doing).to.equal('idle');
  });

  it('makes one attempt at a time, with the pauses of the policy', async () => {
    const { calls, wait, itemsOf, drain } = await out();
    calls.length = 0;
    await drain(itemsOf(eight(40)));
    expect(calls).to.deep.equal([]);
    for (let n = 0; n < 10; n += 1) await wait(30_000);
    expect(calls.map((call) => call.length)).to.deep.equal(Array.from({ length: 10 }, () => 1));
  });

  it('ends with the first success: everything is delivered once, in batches again', async () => {
    const { calls, wait, bad, settled, itemsOf, drain } = await out();
    await drain(itemsOf(eight(40)));
    bad.clear();
    calls.length = 0;
    const effects = [...(await wait(30_000))];
    for (let n = 0; n < 10; n += 1) effects.push(...(await wait(30_000)));
    expect(emitted(effects)).to.include('outageEnded');
    expect(settled.toSorted((a, b) => a - b)).to.deep.equal([...Array(32).keys(), ...eight(40).map(([, n]) => n)]);
    expect(Math.max(...calls.map((call) => call.length))).to.be.greaterThan(8);
  });

  it('does not go on halving before a policy that answers by promises has answered for eight items', async () => {
    const harness = processing(() => Promise.reject(new Error('down')), {
      batchSize: 32,
      onFailure: (_, { items }) => (items > 1 ? 'skip' : new Promise(() => {})),
    });
    let last = harness.itemsOf([...eight(), ...eight(8), ...eight(16), ...eight(24)]);
    while (started(last).includes('process')) last = await harness.finishRun(last, 'process');
    expect(harness.calls.filter((call) => call.length === 1)).to.have.length(8);
  });
});

describe('a batch with drawn failing items', () => {
  it('leaves exactly those, keeps the order of each key, and settles every other item once', async () => {
    const shapes = fc.record({
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'), { minLength: 1, maxLength: 40 }),
      bad: fc.uniqueArray(fc.nat(39), { maxLength: 4 }),
      batchSize: fc.integer({ min: 1, max: 16 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ keys, bad, batchSize }) => {
        const failing = new Set(bad);
        const { itemsOf, drain, wait, settled, calls, status, punctuation } = failingProcess(failing, { batchSize });
        await drain(itemsOf(keys.map((key, n) => [key, n])));
        await drain(punctuation('flush'));
        for (let n = 0; n < 30; n += 1) await wait(30_000);

        const first = new Map<string, number>();
        for (const [n, key] of keys.entries()) if (failing.has(n) && !first.has(key)) first.set(key, n);
        const expected = [...keys.keys()].filter((n) => n < (first.get(keys[n]!) ?? Infinity));
        expect(settled.toSorted((a, b) => a - b)).to.deep.equal(expected);
        expect(
          status()
            .waiting.map(({ sequenceNumber }) => Number(sequenceNumber))
            .toSorted((a, b) => a - b),
        ).to.deep.equal([...first.values()].toSorted((a, b) => a - b));
        for (const key of new Set(keys)) {
          const seen = settled.filter((n) => keys[n] === key);
          expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
        }
        for (const call of calls) expect(call.length).to.be.at.most(batchSize);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is left of a call', () => {
  it('is called alone if its neighbour was named and the call threw, before a policy decides about it', async () => {
    const asked: string[] = [];
    const onFailure = (_: unknown, { value, items }: FailedItem, attempt: number): FailurePolicy => {
      asked.push(`${String(value)} of ${items}, attempt ${attempt}`);
      return 'skip';
    };
    const { begin, itemsOf, open, values, settled } = openCalls({}, { batchSize: 2, onFailure });
    begin(itemsOf(eight().slice(0, 2)));
    const [call] = open;
    call!.context.fail(call!.items[0]!.token, new Error('bad'));
    await call!.end(new Error('and then everything'));
    expect(asked).to.deep.equal(['0 of 1, attempt 1']);
    expect(values()).to.equal('1');
    expect(open[0]!.items[0]!.attempt).to.equal(2);
    await open[0]!.end();
    expect(asked.length).to.equal(1);
    expect(settled).to.deep.equal([0, 1]);
  });

  it('is another attempt if it had failed with its call when an outage had begun', async () => {
    const { begin, itemsOf, open, wait } = openCalls({ concurrency: 5 }, { batchSize: 2 });
    begin(itemsOf([...eight(), ['i', 8], ['j', 9]]));
    const last = open[4]!;
    for (const call of open.slice(0, 4)) {
      for (const { token } of call.items) call.context.fail(token, new Error('down'));
      await call.end();
    }
    await last.end(new Error('down'));
    const attempts = new Map<number, number>();
    for (let left = 40; left > 0; left -= 1) {
      wait(30_000);
      for (const { value, attempt } of open.flatMap(({ items }) => items))
        if (!attempts.has(value)) attempts.set(value, attempt);
      await open[0]?.end(new Error('down'));
    }
    expect([attempts.get(8), attempts.get(9)].every((attempt) => attempt !== undefined && attempt > 1)).to.equal(true);
  });
});
