// A reducer with `concurrency`: several calls of `process` are under way at once, and no key is in two of them.
import { expect } from 'chai';
import fc from 'fast-check';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import { retry } from '../../../src/options/retry-policy.js';
import { creditIn, punctuated, settledIn } from '../../support/direct-process.js';
import { openCalls } from '../../support/open-calls.js';
import type { Effects } from '../../support/direct-reducer.js';
import { address, answers, emitted, ofType, started } from '../../support/direct.js';

type Pairs = readonly (readonly [key: string, ordinal: number])[];
const each = (text: string): Pairs => text.split('').map((key, n) => [key, n]);

describe('a reducer with `concurrency`', () => {
  it('makes this many calls at once, and the next when one has ended', async () => {
    const { begin, itemsOf, open, values, settled } = openCalls({ concurrency: 2 });
    begin(itemsOf(each('abcd')));
    expect(values()).to.equal('0 1');
    await open[1]!.end();
    expect(values()).to.equal('0 2');
    expect(settled).to.deep.equal([1]);
    await open[0]!.end();
    expect(values()).to.equal('2 3');
  });

  it('gives every effect a name of its own', () => {
    const { begin, itemsOf } = openCalls({ concurrency: 3 });
    const names = started(begin(itemsOf(each('abc'))));
    expect(new Set(names).size).to.equal(3);
    for (const name of names) expect(name).to.match(/^process#\d+$/);
  });

  it('has no key in two calls: later items of a key wait, and other keys pass them', async () => {
    const { begin, itemsOf, open, values, settled } = openCalls({ concurrency: 3 });
    begin(itemsOf(each('aaabcd')));
    expect(values()).to.equal('0 3 4');
    await open[0]!.end();
    expect(values()).to.equal('3 4 1');
    await open[2]!.end();
    expect(values()).to.equal('3 4 2');
    await open[2]!.end();
    expect(values()).to.equal('3 4 5');
    expect(settled).to.deep.equal([0, 1, 2]);
  });

  it('puts no key twice into a call with several items', async () => {
    const { begin, itemsOf, open, values, tell } = openCalls({ concurrency: 2 }, { batchSize: 2 });
    begin(itemsOf(each('aabbc')));
    begin(tell({ type: 'flushDue' }));
    expect(values()).to.equal('02 4');
    await open[0]!.end();
    expect(values()).to.equal('4 13');
  });

  it('returns the credit of what waits behind a key', () => {
    const { begin, itemsOf, stage } = openCalls({ concurrency: 2 });
    expect(creditIn(begin(itemsOf(each('aaaa'))), stage)).to.equal(4);
  });

  it('holds the key of an item that has failed, and the items behind it', async () => {
    const { begin, itemsOf, open, values, settled, wait, status } = openCalls({ concurrency: 2 });
    begin(itemsOf(each('aabb')));
    await open[0]!.end(new Error('no'));
    expect(values()).to.equal('2');
    expect(status().waiting.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['0']);
    await open[0]!.end();
    begin(itemsOf([['a', 7]]));
    expect(values()).to.equal('3');
    wait(200);
    expect(values()).to.equal('3 0');
    await open[1]!.end();
    expect(values()).to.equal('3 1');
    await open[1]!.end();
    expect(values()).to.equal('3 7');
    expect(settled).to.deep.equal([2, 0, 1]);
  });

  it('answers a drain when every call of the worker has ended, and everything behind a key is done', async () => {
    const { begin, itemsOf, items, open, punctuation, stage, all } = openCalls({ concurrency: 3 });
    begin(itemsOf(each('aab')));
    begin(items([20], 2));
    begin(punctuation('drain'));
    const answered = (): unknown[] => punctuated(all, stage);
    await open.find((call) => call.items[0]!.value === 2)!.end();
    await open.find((call) => call.items[0]!.value === 0)!.end();
    expect(answered()).to.deep.equal([]);
    await open.find((call) => call.items[0]!.value === 1)!.end();
    expect(answered(), 'the call of worker 2 still runs').to.deep.equal([[]]);
    expect(open.length).to.equal(1);
  });

  it('answers a drain of the next worker only once the calls of an ended tenure have ended (I48)', async () => {
    const { begin, itemsOf, open, punctuation, stage, tenures, all } = openCalls({ concurrency: 3 });
    begin(itemsOf(each('ab')));
    tenures[1]!.ended = true;
    begin(punctuation('drain', 5, 2));
    await open[0]!.end();
    expect(punctuated(all, stage), 'a call of worker 1 still runs').to.deep.equal([]);
    await open[0]!.end();
    expect(punctuated(all, stage)).to.deep.equal([[]]);
  });

  it('hands out what is behind a punctuation meanwhile', async () => {
    const { begin, itemsOf, items, values, punctuation } = openCalls({ concurrency: 3 });
    begin(itemsOf(each('ab')));
    begin(punctuation('drain'));
    begin(items([20], 2));
    expect(values()).to.equal('0 1 20');
  });

  it('hands out at once what is gathered, if a drain waits for it', () => {
    const { begin, itemsOf, values, punctuation } = openCalls({ concurrency: 2 }, { batchSize: 4 });
    begin(itemsOf(each('ab')));
    expect(values()).to.equal('');
    begin(punctuation('drain'));
    expect(values()).to.equal('01');
  });

  it('hands out a batch at once when an item waits behind one of its keys', async () => {
    const { begin, itemsOf, open, values } = openCalls({ concurrency: 2 }, { batchSize: 50 });
    begin(itemsOf(each('ab')));
    expect(values()).to.equal('');
    begin(itemsOf([['a', 2]]));
    expect(values()).to.equal('01');
    begin(itemsOf([['c', 3]]));
    expect(values()).to.equal('01');
    // It waits behind the call, not behind an item of the batch that is being gathered.
    begin(itemsOf([['a', 4]]));
    expect(values()).to.equal('01');
    await open[0]!.end();
    expect(values()).to.equal('32');
  });

  it('calls a key with a backlog again and again, without the time of a batch in between', async () => {
    const { begin, itemsOf, open, values } = openCalls({ concurrency: 2 }, { batchSize: 50 });
    begin(itemsOf(each('aaaa')));
    expect(values()).to.equal('0');
    await open[0]!.end();
    expect(values()).to.equal('1');
    await open[0]!.end();
    expect(values()).to.equal('2');
    await open[0]!.end();
    // Nothing waits behind the last one: it may wait for others.
    expect(values()).to.equal('');
  });

  it('names what still waits in the answer to a drain, after one more attempt', async () => {
    const { begin, itemsOf, open, punctuation, stage, all } = openCalls({ concurrency: 2 });
    begin(itemsOf(each('aab')));
    await open[0]!.end(new Error('no'));
    begin(punctuation('drain'));
    await open[0]!.end();
    expect(punctuated(all, stage)).to.deep.equal([]);
    await open[0]!.end(new Error('no'));
    expect(punctuated(all, stage)).to.deep.equal([[0, 1]]);
  });

  it('drops at `revoked` what waits of the worker, and the lanes go on', async () => {
    const { begin, itemsOf, items, open, values, revoked, tenures, status } = openCalls({ concurrency: 1 });
    begin(itemsOf(each('kkab')));
    begin(items([21], 2));
    tenures[1]!.ended = true;
    begin(revoked(1));
    expect(values()).to.equal('0');
    await open[0]!.end();
    expect(values()).to.equal('21');
    await open[0]!.end();
    expect(status()).to.deep.include({ queued: 0, holding: [] });
  });

  it('answers no drain while an item of the worker waits behind a call of another worker', async () => {
    const { begin, items, open, punctuation, stage, all } = openCalls({ concurrency: 2 });
    begin(items([20], 2));
    begin(items([0], 1));
    begin(punctuation('drain', 5, 1));
    expect(punctuated(all, stage)).to.deep.equal([]);
    await open[0]!.end();
    await open[0]!.end();
    expect(punctuated(all, stage)).to.deep.equal([[]]);
  });

  it('answers no drain before what waits was tried once more, even if other calls take all slots', async () => {
    const { begin, itemsOf, items, open, punctuation, stage, all, values } = openCalls({ concurrency: 1 });
    begin(itemsOf([['a', 0]]));
    await open[0]!.end(new Error('no'));
    begin(items([20], 2));
    begin(punctuation('drain', 5, 1));
    expect(punctuated(all, stage)).to.deep.equal([]);
    await open[0]!.end();
    expect(values()).to.equal('0');
    await open[0]!.end(new Error('no'));
    expect(punctuated(all, stage)).to.deep.equal([[0]]);
  });

  it('answers no drain while another call of the worker runs beside a batch that waits', async () => {
    const { begin, itemsOf, open, punctuation, stage, all } = openCalls({ concurrency: 3 }, { batchSize: 2 });
    begin(itemsOf(each('abcdef')));
    begin(itemsOf([['g', 6]]));
    await open[0]!.end(new Error('no'));
    begin(punctuation('drain'));
    const first = open.find(({ items }) => items[0]!.value === 0)!;
    await first.end(new Error('no'));
    expect(open.length).to.equal(2);
    expect(punctuated(all, stage)).to.deep.equal([]);
    await open[0]!.end();
    await open[0]!.end();
    expect(punctuated(all, stage)).to.deep.equal([[0, 1, 6]]);
  });

  it('goes on with a key when its item is dropped before the call', async () => {
    const { begin, itemsOf, items, tenures, open, values } = openCalls({ concurrency: 1 });
    begin(itemsOf([['x', 9]]));
    begin(items([0], 1));
    begin(items([20], 2));
    tenures[1]!.ended = true;
    await open[0]!.end();
    await open[0]!.end();
    expect(values()).to.equal('20');
  });

  it('goes on with a key when its item is dropped at `revoked`', async () => {
    const { begin, items, itemsOf, tenures, revoked, tell, open, values } = openCalls(
      { concurrency: 1 },
      { batchSize: 2 },
    );
    begin(itemsOf([['b', 1]]));
    begin(tell({ type: 'flushDue' }));
    begin(items([0], 1));
    begin(items([20], 2));
    expect(values()).to.equal('1');
    tenures[1]!.ended = true;
    begin(revoked(1));
    await open[0]!.end();
    begin(tell({ type: 'flushDue' }));
    expect(values()).to.equal('20');
  });

  it('goes on with a key when its item is given up with a failed batch', async () => {
    const { begin, items, itemsOf, tenures, tell, open, values } = openCalls({ concurrency: 1 }, { batchSize: 2 });
    begin(items([0], 1));
    begin(itemsOf([['b', 1]]));
    begin(items([20], 2));
    tenures[1]!.ended = true;
    await open[0]!.end(new Error('no'));
    begin(tell({ type: 'flushDue' }));
    expect(values()).to.equal('20');
  });

  it('sets the timer of the next attempt while other calls run, and none while no slot is free', async () => {
    const { begin, itemsOf, open } = openCalls({ concurrency: 2 });
    const attempts = (effects: Effects): number[] =>
      ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'attempt' ? [ms] : []));
    begin(itemsOf(each('ab')));
    expect(attempts(await open[0]!.end(new Error('no')))).to.deep.equal([200]);
    begin(itemsOf([['c', 7]]));
    const full = openCalls({ concurrency: 1 });
    full.begin(full.itemsOf(each('ab')));
    expect(attempts(await full.open[0]!.end(new Error('no')))).to.deep.equal([]);
  });

  it('makes one attempt at a time in an outage, and no call beside one with the same key', async () => {
    const { begin, itemsOf, open, values, all, wait } = openCalls({ concurrency: 9 });
    begin(itemsOf(each('abcdefghi')));
    for (let n = 0; n < 8; n += 1) await open[0]!.end(new Error('down'));
    expect(emitted(all)).to.include('outageStarted');
    expect(values()).to.equal('8');
    begin(itemsOf([['i', 9], ['j', 10]])); // prettier-ignore
    wait(30_000);
    wait(30_000);
    expect(open.length, 'one attempt').to.equal(2);
    expect(open.every(({ items }) => items[0]!.value !== 9)).to.equal(true);
    await open[0]!.end();
    expect(emitted(all)).to.include('outageEnded');
  });

  it('asks no policy about a batch that fails in an outage: its items wait', async () => {
    const asked: number[] = [];
    const { begin, itemsOf, open, wait, all, status } = openCalls(
      { concurrency: 2 },
      { batchSize: 8, onFailure: (_, { items }) => (asked.push(items), retry({ minMs: 100 })) },
    );
    begin(itemsOf(each('abcdefghijklmnop')));
    const other = open[1]!;
    for (let n = 0; n < 30 && !emitted(all).includes('outageStarted'); n += 1) {
      wait(30_000);
      await open.find((call) => call !== other)!.end(new Error('down'));
    }
    asked.length = 0;
    await other.end(new Error('down'));
    expect(asked).to.deep.equal([]);
    expect(open).to.deep.equal([]);
    expect(status().holding).to.containSubset([{ shardWorker: 1, ordinal: 0, state: 'waiting' }]);
  });

  it('tells where items are, and how many wait', () => {
    const { begin, itemsOf, tell, self, status } = openCalls({ concurrency: 2 });
    begin(itemsOf(each('aabc')));
    const locate = (ordinal: number): Whereabouts['state'] | undefined => {
      const replyTo = address<Whereabouts>(self);
      return answers(tell({ type: 'locate', shardWorker: 1, ordinal, replyTo, next: [], queued: false }), replyTo)[0]
        ?.state;
    };
    expect([0, 1, 2, 3].map(locate)).to.deep.equal(['running', 'queued', 'running', 'queued']);
    expect(status()).to.deep.include({ doing: 'process', queued: 2 });
  });

  it('aborts the signals of all calls when it stops', () => {
    const { begin, itemsOf, open, stop } = openCalls({ concurrency: 2 });
    begin(itemsOf(each('ab')));
    stop();
    expect(open.map(({ context }) => context.signal.aborted)).to.deep.equal([true, true]);
  });

  it('lets other batches go on while one is bisected', async () => {
    const { begin, itemsOf, open, values, wait, settled } = openCalls({ concurrency: 2 }, { batchSize: 2 });
    const end = (first: number, error?: Error) => open.find(({ items }) => items[0]!.value === first)!.end(error);
    begin(itemsOf(each('abcdefgh')));
    expect(values()).to.equal('01 23');
    await end(0, new Error('no'));
    await end(2);
    expect(values(), 'the whole waits, and nothing new begins').to.equal('');
    wait(200);
    expect(values()).to.equal('01 45');
    await end(0, new Error('no'));
    wait(400);
    await end(0, new Error('no'));
    expect(values()).to.equal('45 0');
    await end(4);
    expect(values()).to.equal('0 67');
    await end(0, new Error('no'));
    await end(1);
    await end(6);
    expect(settled).to.deep.equal([2, 3, 4, 5, 1, 6, 7]);
  });

  it('settles every item once and in order of its key, in any order of calls and failures', async () => {
    const shapes = fc.record({
      keys: fc.array(fc.constantFrom(...'abcdefghijkl'), { minLength: 1, maxLength: 40 }),
      concurrency: fc.integer({ min: 1, max: 6 }),
      batchSize: fc.integer({ min: 1, max: 4 }),
      // What happens at each step: which open call ends, and whether it fails.
      steps: fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 60 }),
      policy: fc.constantFrom(retry({ minMs: 100 }), retry({ minMs: 100, attempts: 3, then: 'skip' })),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ keys, concurrency, batchSize, steps, policy }) => {
        const harness = openCalls({ concurrency }, { batchSize, onFailure: policy });
        const { begin, itemsOf, open, settled, wait, tell, status, all, stage } = harness;
        let left = keys.map((key, n) => [key, n] as const);
        const check = (): void => {
          const inCalls = open.flatMap(({ items }) => items.map(({ key }) => key));
          expect(new Set(inCalls).size, `keys in calls: ${inCalls.join()}`).to.equal(inCalls.length);
          expect(open.length).to.be.at.most(concurrency);
        };
        const go = async (index: number, isFailed: boolean): Promise<void> => {
          if (left.length > 0) begin(itemsOf(left.slice(0, 7)));
          left = left.slice(7);
          begin(tell({ type: 'flushDue' }));
          check();
          await open[index % Math.max(1, open.length)]?.end(isFailed ? new Error('no') : undefined);
          check();
          wait(1_000);
          check();
        };
        for (const [index, luck] of steps) await go(index, luck < 6);
        for (let n = 0; n < 400 && settled.length < keys.length; n += 1) {
          wait(30_000);
          await go(n, false);
        }
        expect(settled.toSorted((a, b) => a - b)).to.deep.equal([...keys.keys()]);
        for (const key of new Set(keys)) {
          const seen = settled.filter((n) => keys[n] === key);
          expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
        }
        expect(creditIn(all, stage)).to.equal(keys.length);
        expect(settledIn(all, stage).length).to.equal(keys.length);
        expect(status()).to.deep.include({ doing: 'idle', queued: 0, holding: [], waiting: [] });
      }),
      { numRuns: 400 },
    );
  });
});
