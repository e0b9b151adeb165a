// What a reducer's `receive` returns under `retry`, one message at a time and without a runtime: credit, the answers to drains, turns
// between attempts and new items, and policies that answer by a promise.
import { expect } from 'chai';
import type { Ref } from '../../../actors/protocol/actor.js';
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import type { FailurePolicy, OnFailure } from '../../../src/api/failure-policy.js';
import type { FoldingReducer } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { direct, itemOf, type Effects, type State } from '../../support/direct-reducer.js';
import { address, answers, emitted, ofType, sent, started } from '../../support/direct.js';

/** A reducer for which the values in `bad` fail, and the values of its calls. */
function failing(
  bad: Set<number>,
  onFailure: OnFailure = retry({ minMs: 100 }),
  more: Partial<FoldingReducer<readonly number[], number>> = {},
) {
  const calls: number[] = [];
  const reduce = (state: readonly number[], { value }: { readonly value: number }): readonly number[] => {
    calls.push(value);
    if (bad.has(value)) throw new Error(`no ${value}`);
    return [...state, value];
  };
  const harness = direct({ reduce, ...more }, { batchSize: 1, onFailure });
  const drain = async (effects: Effects): Promise<Effects> => {
    let last = effects;
    while (started(last).length > 0) last = await harness.end(last);
    return last;
  };
  return { ...harness, calls, drain };
}

const timers = (effects: Effects): number[] => ofType(effects, 'after').map(({ ms }) => ms);
const waitingIn = (effects: Effects, stage: Ref<StageMessage>): unknown[] =>
  sent(effects, stage).flatMap((message: any) => (message.type === 'punctuated' ? [message.waiting] : []));

describe('a reducer under retry, message by message', () => {
  it('returns the credit of a held item once, at once', async () => {
    const { items, clock, stage, end, tell } = failing(new Set([0]));
    const credit = (effects: Effects): number =>
      sent(effects, stage).reduce((sum, message: any) => sum + (message.credit ?? 0), 0);
    expect(credit(await end(items([0])))).to.equal(1);
    expect(credit(items([1]))).to.equal(1);
    clock.move(100);
    const again = tell({ type: 'attemptDue' });
    expect(started(again)).to.deep.equal(['reduce']);
    expect(credit(await end(again))).to.equal(0);
  });

  it('sets one timer for the next attempt, and none when nothing waits', async () => {
    const { items, end, revoked } = failing(new Set([0]));
    expect(timers(await end(items([0])))).to.deep.equal([100]);
    expect(ofType(revoked(1), 'cancel').map(({ key }) => key)).to.deep.equal(['attempt']);
  });

  it('takes turns between attempts that are due and new items', async () => {
    const bad = new Set([0, 10]);
    const { itemsOf, calls, clock, drain, end } = failing(bad);
    await end(itemsOf([['a', 0]]));
    await end(itemsOf([['b', 10]]));
    clock.move(1_000);
    await drain(
      itemsOf([
        ['x', 1],
        ['y', 2],
        ['z', 3],
      ]),
    );
    expect(calls).to.deep.equal([0, 10, 0, 1, 10, 2, 3]);
  });

  it('tries what waits once more before it answers a drain, and names what still waits', async () => {
    const bad = new Set([0, 5]);
    const { itemsOf, calls, drain, punctuation, stage, end } = failing(bad);
    await end(itemsOf([['a', 0]]));
    itemsOf([['a', 1]]);
    await end(itemsOf([['b', 5]]));
    bad.delete(5);
    calls.length = 0;
    const answer = await drain(punctuation('drain'));
    expect(calls).to.deep.equal([0, 5]);
    expect(waitingIn(answer, stage)).to.deep.equal([[0, 1]]);
  });

  it('answers a drain of another worker without the records of this one', async () => {
    const { items, drain, punctuation, stage, end } = failing(new Set([0]));
    await end(items([0]));
    expect(waitingIn(await drain(punctuation('drain', 5, 2)), stage)).to.deep.equal([[]]);
  });

  it('tries a waiting flush once more for a drain behind it, and answers with all that waits', async () => {
    let flushes = 0;
    const flush = (): void => {
      flushes += 1;
      throw new Error('down');
    };
    const { items, drain, punctuation, stage, end } = failing(new Set(), retry(), { flush });
    await drain(await end(items([0])));
    items([1]);
    expect(flushes).to.equal(1);
    const answer = await drain(punctuation('drain'));
    expect(flushes).to.equal(2);
    expect(waitingIn(answer, stage)).to.deep.equal([[0, 1]]);
  });

  it('gives the credit back of what is queued behind a waiting flush, so that a drain can arrive', async () => {
    const flush = (): void => {
      throw new Error('down');
    };
    const { items, drain, stage, end } = failing(new Set(), retry(), { flush });
    const call = items([0]);
    items([1]);
    const failed = await drain(await end(call));
    const credit = (effects: Effects): number[] => sent(effects, stage).map((message: any) => message.credit);
    expect(credit(failed)).to.deep.equal([1]);
    expect(credit(items([2]))).to.deep.equal([1]);
  });
});

describe('a policy that answers by a promise', () => {
  function undecided() {
    let answer: (policy: FailurePolicy) => void = () => {};
    const harness = failing(new Set([0]), () => new Promise((resolve) => (answer = resolve)));
    return { ...harness, answer: (policy: FailurePolicy) => answer(policy) };
  }

  it('holds the key until it has answered, and other keys go on', async () => {
    const { itemsOf, calls, drain, end, answer, finishRun } = undecided();
    const asked = await end(itemsOf([['a', 0]]));
    itemsOf([['a', 1]]);
    await drain(itemsOf([['b', 7]]));
    expect(calls).to.deep.equal([0, 7]);
    answer('skip');
    await drain(await finishRun(asked, 'onFailure#1'));
    expect(calls).to.deep.equal([0, 7, 1]);
  });

  it('is `crash` if it has not answered in time', async () => {
    const { itemsOf, end, tell } = undecided();
    const asked = await end(itemsOf([['a', 0]]));
    const [deadline] = ofType(asked, 'after').filter(({ key }) => key === 'onFailure#1');
    expect(deadline?.ms).to.equal(1_000);
    const [failed] = ofType(tell(deadline!.message), 'fail');
    expect(failed?.error.message).to.include('onFailure did not answer within 1000 ms');
  });

  it('is ignored if the lease has ended', async () => {
    const { itemsOf, end, answer, finishRun, tenures, revoked, stage } = undecided();
    const asked = await end(itemsOf([['a', 0]]));
    tenures[1]!.ended = true;
    revoked(1);
    answer('crash');
    const effects = await finishRun(asked, 'onFailure#1');
    expect(ofType(effects, 'fail')).to.deep.equal([]);
    expect(emitted(effects)).to.deep.equal([]);
    expect(JSON.stringify(sent(effects, stage))).to.include('"ended":true');
  });
});

describe('a flush whose policy answers by a promise', () => {
  async function undecided(...results: readonly boolean[]) {
    let answer: (policy: FailurePolicy) => void = () => {};
    const flushed: (readonly number[])[] = [];
    const flush = (state: readonly number[]): readonly number[] => {
      flushed.push(state);
      if (results[flushed.length - 1] !== true) throw new Error('down');
      return [];
    };
    const harness = failing(new Set(), () => new Promise((resolve) => (answer = resolve)), { flush });
    const asked = await harness.end(await harness.end(harness.items([0])));
    const decide = async (policy: FailurePolicy): Promise<Effects> => {
      answer(policy);
      return harness.drain(await harness.finishRun(asked, 'onFailure#1'));
    };
    return { ...harness, flushed, decide };
  }

  it('folds nothing until then, and starts from a new state after `skip`', async () => {
    const { items, calls, flushed, decide } = await undecided(false, true);
    items([1]);
    expect(calls).to.deep.equal([0]);
    await decide('skip');
    expect(calls).to.deep.equal([0, 1]);
    expect(flushed).to.deep.equal([[0], [1]]);
  });

  it('is repeated with the same state after `retry`', async () => {
    const { items, flushed, clock, drain, tell, decide } = await undecided(false, true, true);
    items([1]);
    expect(timers(await decide(retry({ minMs: 100 })))).to.deep.equal([100]);
    clock.move(100);
    await drain(tell({ type: 'attemptDue' }));
    expect(flushed.slice(0, 2)).to.deep.equal([[0], [0]]);
  });

  it('crashes or stops the shard as the answer says', async () => {
    expect(ofType(await (await undecided(false)).decide('crash'), 'fail')).to.have.length(1);
    const { decide, tenures } = await undecided(false);
    await decide('stopShard');
    expect(tenures[1]).to.have.property('stopError');
  });

  it('is dropped without a word if the lease has ended in the meantime', async () => {
    const { items, flushed, tenures, revoked, decide, stage } = await undecided(false, true);
    tenures[1]!.ended = true;
    const ended = revoked(1);
    const effects = [...ended, ...(await decide('crash'))];
    expect(ofType(effects, 'fail')).to.deep.equal([]);
    expect(JSON.stringify(sent(effects, stage))).to.include('"ended":true');
    items([5], 2);
    expect(flushed).to.deep.equal([[0]]);
  });
});

it('a reducer ignores an answer to a question that it has not asked', () => {
  expect(failing(new Set()).tell({ type: 'decided', number: 9 })).to.deep.equal([]);
});

it('two states whose flushes fail together wait for one pause, and are repeated together', async () => {
  let flushes = 0;
  const flush = (): never => {
    flushes += 1;
    throw new Error('down');
  };
  const onFailure = retry({ minMs: 100 });
  const { items, end, clock, tell } = direct({ flush, stateBy: 'shard' }, { batchSize: 2, onFailure });
  await end(items([0]));
  const failed = await end(await end(items([0], 2)));
  expect(flushes).to.equal(2);
  expect(timers(failed)).to.deep.equal([100]);
  clock.move(100);
  await end(tell({ type: 'attemptDue' }));
  expect(flushes).to.equal(4);
});

it('of two flushes that wait, the one whose lease has ended is dropped, and the other one is repeated', async () => {
  const flushed: State[] = [];
  const flush = (state: State): never => {
    flushed.push(state);
    throw new Error('down');
  };
  const { items, end, clock, tell, tenures, revoked, stage } = direct(
    { flush, stateBy: 'shard' },
    { batchSize: 2, onFailure: retry({ minMs: 100 }) },
  );
  await end(items([0]));
  await end(await end(items([7], 2)));
  flushed.length = 0;
  tenures[1]!.ended = true;
  expect(JSON.stringify(sent(revoked(1), stage))).to.include('"ended":true');
  clock.move(100);
  await end(tell({ type: 'attemptDue' }));
  expect(flushed).to.deep.equal([[7]]);
});

it('a flush that waits ends when its last lease is lost: the reducer goes on at once, without a flush and from a new state', async () => {
  const flushed: State[] = [];
  const flush = (state: State): never => {
    flushed.push(state);
    throw new Error('down');
  };
  const { items, end, tenures, revoked } = direct({ flush }, { batchSize: 1, onFailure: retry({ minMs: 100 }) });
  await end(await end(items([0])));
  expect(started(items([7], 2))).to.deep.equal([]);
  tenures[1]!.ended = true;
  const next = revoked(1);
  expect(started(next)).to.deep.equal(['reduce']);
  await end(await end(next));
  expect(flushed).to.deep.equal([[0], [7]]);
});

it('an attempt in an outage whose lease has ended says nothing about the outage: the next key follows at once', async () => {
  const bad = new Set(Array.from({ length: 10 }, (_, n) => n));
  const { itemsOf, calls, clock, drain, end, tell, tenures, status } = failing(bad, retry({ minMs: 100 }));
  for (const n of bad) await end(itemsOf([[`key ${n}`, n]]));
  calls.length = 0;
  clock.move(60_000);
  const attempt = tell({ type: 'attemptDue' });
  tenures[1]!.ended = true;
  await drain(await end(attempt));
  expect(calls).to.deep.equal([]);
  expect(status().waiting).to.deep.equal([]);
});

describe('the status of a reducer in an outage', () => {
  async function inOutage() {
    const bad = new Set(Array.from({ length: 12 }, (_, n) => n));
    const reducer = failing(bad, retry({ minMs: 100 }));
    for (let n = 0; n < 9; n += 1) await reducer.end(reducer.itemsOf([[`key ${n}`, n]]));
    expect(reducer.status()).to.not.have.property('outage');
    await reducer.end(reducer.itemsOf([['key 9', 9]]));
    return { ...reducer, bad };
  }

  it('names at once the key that has failed last, then the key that is tried, and since when; a success ends it', async () => {
    const { bad, clock, end, itemsOf, status, tell } = await inOutage();
    expect(status().outage).to.deep.equal({ key: 'key 9', failures: 0, forMs: 0, error: 'no 9' });
    itemsOf([['key 10', 10]]);
    clock.move(5_000);
    const attempt = tell({ type: 'attemptDue' });
    const tried = { key: 'key 10', failures: 0, forMs: 5_000, error: 'no 9' };
    expect(status().outage).to.deep.equal(tried);
    await end(attempt);
    expect(status().outage).to.deep.equal({ ...tried, failures: 1, error: 'no 10' });
    bad.clear();
    clock.move(60_000);
    await end(tell({ type: 'attemptDue' }));
    expect(status()).to.not.have.property('outage');
  });

  it('has no outage while nothing waits: without leases nothing is tried', async () => {
    const { revoked, status } = await inOutage();
    revoked(1);
    expect(status()).to.not.have.property('outage');
  });
});

describe('for how long records have waited for an acknowledgement alone', () => {
  const flush = (): readonly number[] => [];

  function asking({ tell, self }: ReturnType<typeof failing>) {
    return (shardWorker: number): number | undefined => {
      const replyTo = address<number>(self);
      return answers(tell({ type: 'waitsForAck', shardWorker, heldForMs: Infinity, next: [], replyTo }), replyTo)[0];
    };
  }

  it('is 0 while a call or a flush of them runs, while they are queued, folded, or not here', async () => {
    const folding = failing(new Set(), 'crash', { flush });
    const heldFor = asking(folding);
    const call = folding.items([0], 2);
    folding.clock.move(5);
    expect(heldFor(2), 'running').to.equal(0);
    folding.items([0], 1);
    expect(heldFor(1), 'queued').to.equal(0);
    expect(heldFor(0), 'not here').to.equal(0);
    await folding.end(call);
    expect(heldFor(2), 'flushed').to.equal(0);

    const batching = direct({ flush }, { batchSize: 10 });
    await batching.end(batching.items([0]));
    batching.clock.move(5);
    expect(asking(batching as unknown as ReturnType<typeof failing>)(1), 'folded').to.equal(0);
  });

  it('counts from the call, or from the last thing that was settled', async () => {
    const { items, end, clock, ...rest } = failing(new Set(), 'crash', { acknowledge: 'manual' } as object);
    await end(items([0]));
    clock.move(40);
    expect(asking({ items, end, clock, ...rest })(1)).to.equal(40);
  });
});

describe('what the status of a reducer says of what waits', () => {
  it('names the failed item, and the records behind it', async () => {
    const { itemsOf, end, status, clock } = failing(new Set([0]));
    await end(itemsOf([['a', 0]]));
    itemsOf([['a', 1]]);
    clock.move(50);
    const { waiting, holding, doing } = status();
    expect(doing).to.equal('idle');
    expect(waiting).to.have.length(1);
    expect(waiting[0]).to.include({
      key: 'a',
      sequenceNumber: '0',
      at: 'reduce',
      attempts: 1,
      forMs: 50,
      error: 'no 0',
    });
    expect(holding).to.deep.equal([{ shardWorker: 1, ordinal: 0, state: 'waiting', forMs: 50 }]);
  });

  it('names the failed flush, and what is queued behind it', async () => {
    const flush = (): never => {
      throw new Error('down');
    };
    const { items, drain, end, status } = failing(new Set(), retry(), { flush });
    await drain(await end(items([0])));
    items([1], 2);
    const { waiting, holding } = status();
    expect(waiting.map(({ at, error }) => [at, error])).to.deep.equal([['flush', 'down']]);
    expect(holding.map(({ shardWorker, state }) => [shardWorker, state])).to.deep.equal([
      [1, 'waiting'],
      [2, 'waiting'],
    ]);
  });
});

it('tries items of one record again in their order, whichever has failed first', async () => {
  const calls: (readonly number[])[] = [];
  const on = direct(
    {
      process: (items, { fail }) => {
        calls.push(items.map((item) => (item as DeliveredItem).index));
        if (calls.length === 1) for (const { token } of items.toReversed()) fail(token, new Error('no'));
      },
    },
    { onFailure: retry({ minMs: 100, maxMs: 100 }) },
  );
  await on.end(on.deliver([0, 1].map((index) => itemOf(7, on.tenures[1]!, on.stage, index))));
  on.clock.move(100);
  await on.drain(on.tell({ type: 'attemptDue' }));
  expect(calls).to.deep.equal([[0, 1], [0], [1]]);
});

it('reports a message to a raw behaviour that is tried again, with the oldest item that waits for its ack', async () => {
  const behaviour = (count: number, { type }: { readonly type: string }): number =>
    type === 'flush' ? expect.fail('down') : count;
  const on = direct({}, { definition: { init: () => 0, behaviour } as never, onFailure: retry() });
  const alone = await on.end(on.punctuation('flush', 4));
  expect(emitted(alone), 'about no item').to.deep.equal([]);
  const other = direct({}, { definition: { init: () => 0, behaviour } as never, onFailure: retry() });
  await other.end(other.items([3]));
  const [event] = ofType(await other.end(other.punctuation('flush')), 'emit').map(({ event: each }) => each);
  expect(event).to.deep.include({ name: 'itemRetrying' });
  expect(event?.data).to.include({ sequenceNumber: '3', key: 'k', at: 'flush', items: 0, attempt: 1 });
});
