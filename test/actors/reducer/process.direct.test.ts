// What a reducer with `process` does, one message at a time and without a runtime: when a batch is handed out, what is settled, and
// what a call that fails, a lost lease and a punctuation lead to.
import { expect } from 'chai';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { FlushContext, Item } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { creditIn, failingProcess, processing, punctuated, settledIn, timers } from '../../support/direct-process.js';
import { address, answers, counted, emitted, ofType, sent, started } from '../../support/direct.js';

describe('a reducer with `process`', () => {
  it('hands a batch out when its size is reached, and settles it when the promise has resolved', async () => {
    let resolve = (): void => {};
    const { items, calls, stage, end } = processing(() => new Promise<void>((done) => (resolve = done)));
    expect(started(items([0, 1]))).to.deep.equal([]);
    const call = items([2]);
    expect(started(call)).to.deep.equal(['process']);
    expect(settledIn(call, stage)).to.deep.equal([]);
    const ended = end(call);
    resolve();
    expect(settledIn(await ended, stage)).to.deep.equal([0, 1, 2]);
    expect(calls).to.deep.equal([[0, 1, 2]]);
  });

  it('hands a batch out when its first item has waited for the interval', async () => {
    const { items, clock, tell, end, calls } = processing();
    expect(timers(items([0]))).to.deep.equal([['flush', 1_000]]);
    clock.move(400);
    expect(timers(items([1]))).to.deep.equal([]);
    clock.move(600);
    await end(tell({ type: 'flushDue' }));
    expect(calls).to.deep.equal([[0, 1]]);
  });

  it('counts the interval from the arrival of an item that waited for a call to end', async () => {
    const { items, clock, end, calls, drain } = processing();
    const call = items([0, 1, 2]);
    items([3]);
    clock.move(1_000);
    await drain(await end(call));
    expect(calls).to.deep.equal([[0, 1, 2], [3]]);
  });

  it('counts it so, too, for an item that did not fit into the next batch', async () => {
    const { items, clock, end, calls, drain } = processing();
    const call = items([0, 1, 2, 3, 4, 5, 6]);
    clock.move(1_000);
    await drain(await end(call));
    expect(calls).to.deep.equal([[0, 1, 2], [3, 4, 5], [6]]);
  });

  it('begins a new interval with the first item after a batch', async () => {
    const { items, clock, tell, end, calls } = processing();
    items([0]);
    clock.move(1_000);
    await end(tell({ type: 'flushDue' }));
    clock.move(5_000);
    const effects = items([1]);
    expect([started(effects), timers(effects)]).to.deep.equal([[], [['flush', 1_000]]]);
    clock.move(1_000);
    await end(tell({ type: 'flushDue' }));
    expect(calls).to.deep.equal([[0], [1]]);
  });

  it('makes one call at a time', async () => {
    const { items, end, calls, drain } = processing();
    const call = items([0, 1, 2, 3, 4, 5, 6]);
    expect(started(items([7]))).to.deep.equal([]);
    const next = await end(call);
    expect(started(next)).to.deep.equal(['process']);
    await drain(next);
    expect(calls).to.deep.equal([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it('returns the credit of an item when it joins a batch, and once', async () => {
    const { items, stage, end } = processing();
    expect(creditIn(items([0, 1]), stage)).to.equal(2);
    const call = items([2, 3, 4, 5, 6]);
    expect(creditIn(call, stage), 'the call and the next batch').to.equal(4);
    expect(creditIn(await end(call), stage)).to.equal(1);
  });

  for (const kind of ['flush', 'drain'] as const) {
    it(`hands out at once what there is at a ${kind}, and answers when the call has ended`, async () => {
      const { items, punctuation, stage, end, calls } = processing();
      items([0]);
      const call = punctuation(kind);
      expect(punctuated(call, stage)).to.deep.equal([]);
      const ended = await end(call);
      expect(calls).to.deep.equal([[0]]);
      const order = sent(ended, stage).map(({ type }) => type);
      expect(order).to.deep.equal(['disposed', 'punctuated']);
      expect(punctuated(ended, stage)).to.deep.equal([[]]);
    });
  }

  it('answers a punctuation at once when no item of the worker is in a call', () => {
    const { items, punctuation, stage } = processing();
    items([0, 1, 2]);
    expect(punctuated(punctuation('drain', 5, 2), stage)).to.deep.equal([[]]);
    expect(punctuated(punctuation('drain', 6, 1), stage)).to.deep.equal([]);
  });

  it('gives the call the fences of its items, the number of the reducer and its signal', async () => {
    const seen: FlushContext[] = [];
    const { items, end, stop } = processing((_, context) => void seen.push(context));
    items([0], 1);
    await end(items([1, 2], 2));
    expect(seen[0]?.reducer).to.equal(0);
    expect([...seen[0]!.fences]).to.deep.equal([
      ['orders/shardId-1', 1],
      ['orders/shardId-2', 2],
    ]);
    items([3, 4, 5]);
    stop();
    expect(seen[0]?.signal.aborted).to.equal(true);
  });

  it('survives an application that empties what it gets', async () => {
    const { items, end, stage } = processing((some) => void (some as Item<number>[]).splice(0));
    expect(settledIn(await end(items([0, 1, 2])), stage)).to.deep.equal([0, 1, 2]);
  });

  it('leaves out the items of ended tenures, and makes no call for them alone', async () => {
    const { items, end, calls, tenures, stage, clock } = processing();
    items([0], 2);
    const call = items([1, 2]);
    tenures[2]!.deadline = clock.now();
    const ended = await end(call);
    expect(calls).to.deep.equal([[1, 2]]);
    expect(settledIn(ended, stage)).to.deep.equal([1, 2]);
    await end(items([3, 4, 5], 2));
    expect(calls).to.deep.equal([[1, 2]]);
  });

  it('does not settle what was processed after the lease was lost', async () => {
    const { items, end, tenures, stage } = processing(() => void (tenures[1]!.ended = true));
    const ended = await end(items([0, 1, 2]));
    expect(settledIn(ended, stage)).to.deep.equal([]);
    expect(counted(ended)).to.include({ foldedAfterLoss: 3 });
  });

  it('drops at `revoked` what it has gathered, and keeps the others', async () => {
    const { items, revoked, end, calls, stage } = processing();
    items([0], 2);
    items([1], 1);
    const credit = creditIn(revoked(2), stage);
    expect(credit, 'returned when it joined the batch').to.equal(0);
    await end(items([2, 3], 1));
    expect(calls).to.deep.equal([[1, 2, 3]]);
  });

  it('gives an item that the call has failed to the policy, and settles the others', async () => {
    const asked: FailedItem[] = [];
    const onFailure = (_: unknown, failed: FailedItem) => (asked.push(failed), retry({ minMs: 100 }));
    const { itemsOf, clock, tell, end, stage, calls } = processing(
      (some, { fail }) => some.forEach(({ value, token }) => value === 1 && fail(token, new Error('bad'))),
      { onFailure },
    );
    const ended = await end(
      itemsOf([
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ]),
    );
    expect(settledIn(ended, stage)).to.deep.equal([0, 2]);
    expect(asked.map(({ at, items, key }) => ({ at, items, key }))).to.deep.equal([
      { at: 'process', items: 1, key: 'b' },
    ]);
    expect(emitted(ended)).to.deep.equal(['itemRetrying']);
    itemsOf([['b', 3]]);
    clock.move(100);
    await end(tell({ type: 'attemptDue' }));
    expect(calls.slice(1), 'alone, and before the later item of its key').to.deep.equal([[1]]);
  });

  it('reports the success of an attempt', async () => {
    const bad = new Set([1]);
    const { itemsOf, drain, wait } = failingProcess(bad, { batchSize: 1 });
    await drain(itemsOf([['a', 1]]));
    bad.clear();
    const recovered = ofType(await wait(200), 'emit').map(({ event }) => event);
    expect(recovered).to.containSubset([
      { name: 'itemRecovered', data: { at: 'process', key: 'a', attempts: 2, items: 1 } },
    ]);
  });

  it('takes turns between attempts that are due and new batches', async () => {
    const { itemsOf, drain, calls, clock } = failingProcess(new Set([10, 11]), { batchSize: 1 });
    await drain(itemsOf([['a', 10]]));
    await drain(itemsOf([['b', 11]]));
    calls.length = 0;
    clock.move(1_000);
    await drain(itemsOf([['x', 1], ['y', 2], ['z', 3]])); // prettier-ignore
    expect(calls.flat()).to.deep.equal([10, 1, 11, 2, 3]);
  });

  it('does not count the rest of a call that throws as failed alone, even if it is one item', async () => {
    const { itemsOf, end, calls, drain } = processing(
      (some, { fail }) => {
        if (some.length === 1) return;
        fail(some[0]!.token, new Error('bad'));
        throw new Error('and so the call');
      },
      { batchSize: 2, onFailure: 'skip' },
    );
    const failed = await end(itemsOf([['a', 0], ['b', 1]])); // prettier-ignore
    expect(counted(failed)).to.include({ skippedItems: 1 });
    await drain(failed);
    expect(calls).to.deep.equal([[0, 1], [1]]);
  });

  it('counts and reports `ctx.fail` after the call, and for an item of another call', async () => {
    let late = (): void => {};
    const { items, end, told, tell, stage } = processing((some, { fail }) => {
      late = () => fail(some[0]!.token, new Error('late'));
    });
    expect(settledIn(await end(items([0, 1, 2])), stage)).to.deep.equal([0, 1, 2]);
    late();
    const effects = tell(told[0]!);
    expect(counted(effects)).to.include({ strayAcknowledgements: 1 });
    expect(emitted(effects)).to.deep.equal(['warning']);
  });

  it('fails under `crash` with an error that names the record', async () => {
    const { items, end } = processing(() => Promise.reject(new Error('down')));
    const [failed] = ofType(await end(items([0, 1, 2])), 'fail');
    expect(failed?.error.message).to.equal('process failed for 3 items from record 0 of shardId-1: down');
  });

  it('tells where an item is, and what it does', async () => {
    const { items, tell, self, status } = processing();
    const locate = (ordinal: number): Whereabouts['state'] | undefined => {
      const replyTo = address<Whereabouts>(self);
      const effects = tell({ type: 'locate', shardWorker: 1, ordinal, replyTo, next: [], queued: false });
      return answers(effects, replyTo)[0]?.state;
    };
    items([0, 1, 2, 3]);
    expect([0, 3, 9].map(locate)).to.deep.equal(['running', 'queued', 'unknown']);
    expect(status()).to.deep.include({ doing: 'process', queued: 1 });
    expect(status().current).to.include({ sequenceNumber: '0', key: 'k' });
    expect(status().holding).to.deep.equal([{ shardWorker: 1, ordinal: 0, state: 'running', forMs: 0 }]);
  });

  it('says that nothing waits for an acknowledgement while a call runs or a batch is gathered', () => {
    const { items, tell, self, clock } = processing();
    items([0]);
    clock.move(5_000);
    const replyTo = address<number>(self);
    const effects = tell({ type: 'waitsForAck', shardWorker: 1, heldForMs: Infinity, next: [], replyTo });
    expect(answers(effects, replyTo)).to.deep.equal([0]);
  });
});
