// The policy `park` in a reducer, one message at a time and without a runtime: what a sink keeps is settled, nothing else is.
import { expect } from 'chai';
import { NonRetryableError, type FailurePolicy } from '../../../src/api/failure-policy.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import type { FoldingReducer } from '../../../src/api/reducer.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { counted, emitted, ofType, sent, started } from '../../support/direct.js';

type PlainThen = 'retry' | 'crash' | 'skip' | 'stopShard';

/** A reducer that fails at the ordinals in `bad`, and a sink that refuses what is in `refused`. */
function parking({
  then,
  policy,
  refuses,
  ...definition
}: Partial<FoldingReducer<State, number>> & { then?: PlainThen; policy?: 'first retry'; refuses?: Error } = {}) {
  const bad = new Set([0]);
  const refused = new Set<number>();
  const calls: number[] = [];
  const parked: ParkedItem[] = [];
  const sink = async (item: ParkedItem): Promise<void> => {
    parked.push(item);
    if (refuses !== undefined) throw refuses;
    if (refused.has(item.data[0]!)) throw new Error('disk full');
  };
  const toPark = park(sink, { then });
  const onFailure: FailurePolicy = policy === undefined ? toPark : retry({ attempts: 2, then: toPark });
  const harness = direct(
    {
      reduce: (state, { value }) => {
        calls.push(value);
        if (bad.has(value)) throw new Error('no');
        return [...state, value];
      },
      ...definition,
    },
    { batchSize: 4, onFailure, random: { next: () => 1 } },
  );
  const { stage, end, tell } = harness;
  return {
    ...harness,
    ...{ bad, refused, calls, parked },
    settled: (effects: Effects): unknown =>
      sent(effects, stage).flatMap((message: any) => message.dispositions?.flatMap((each: any) => each.ordinals) ?? []),
    /** Ends the calls of the reducer that these effects start, but no call of a sink. */
    fold: async (effects: Effects): Promise<Effects> => {
      const all = [...effects];
      let last = effects;
      while (started(last).some((name) => name === 'reduce' || name === 'flush')) {
        last = await end(ofType(last, 'run').filter(({ name }) => !name.startsWith('park')));
        all.push(...last);
      }
      return all;
    },
    due: (number: number) => tell({ type: 'parkingDue', number }),
    overdue: (number: number, isLast: boolean) => tell({ type: 'parkingOverdue', number, isLast }),
  };
}

const waitingIn = (effects: Effects, stage: any): unknown[] =>
  sent(effects, stage).flatMap((message: any) => (message.type === 'punctuated' ? [message.waiting] : []));

describe('a reducer whose policy is park', () => {
  it('settles a failed item when the sink has kept it, and not before; its key waits, and other keys go on', async () => {
    const { itemsOf, fold, finishRun, settled, calls } = parking();
    const failed = await fold(itemsOf([['a', 0]]));
    const meanwhile = await fold(
      itemsOf([
        ['a', 1],
        ['b', 2],
      ]),
    );
    expect([calls, settled(failed), settled(meanwhile)]).to.deep.equal([[0, 2], [], [2]]);
    const kept = await finishRun(failed, 'park#1');
    expect([settled(kept), emitted(kept), counted(kept)]).to.deep.equal([[0], ['itemParked'], { parkedItems: 1 }]);
    await fold(kept);
    expect(calls).to.deep.equal([0, 2, 1]);
  });

  it('passes all that a replay needs', async () => {
    const { itemsOf, fold, finishRun, parked, clock, tell } = parking({ policy: 'first retry' });
    await fold(itemsOf([['a', 0]]));
    clock.move(500);
    await finishRun(await fold(tell({ type: 'attemptDue' })), 'park#1');
    const [{ error, data, ...item }] = parked as [ParkedItem];
    expect([(error as Error).message, [...data]]).to.deep.equal(['no', [0]]);
    expect(item).to.deep.equal({
      idempotencyKey: 'orders@1/shardId-1/0/-/0',
      ...{ itemIndex: 0, key: 'a', source: 'orders', stream: undefined, shardId: 'shardId-1', sequenceNumber: '0' },
      ...{ subSequenceNumber: undefined, partitionKey: 'k', explicitHashKey: undefined, arrivedAt: undefined },
      ...{ application: 'orders-app', at: 'reduce', attempts: 2 },
      ...{ failedAt: 1_700_000_000_000, parkedAt: 1_700_000_000_500 },
    });
  });

  it('calls a sink that has failed again after a pause that grows, and not the reducer', async () => {
    const { itemsOf, fold, finishRun, settled, calls, refused, due } = parking();
    refused.add(0);
    let effects = await fold(itemsOf([['a', 0]]));
    const pauses: number[] = [];
    const events: string[][] = [];
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const refusal = await finishRun(effects, 'park#1');
      pauses.push(...ofType(refusal, 'after').map(({ ms }) => ms));
      events.push(emitted(refusal));
      expect(settled(refusal)).to.deep.equal([]);
      effects = due(1);
    }
    expect(pauses).to.deep.equal([200, 400, 800, 1_600]);
    expect(events).to.deep.equal([['parkingFailed'], ['parkingFailed'], [], ['parkingFailed']]);
    refused.clear();
    expect(settled(await finishRun(effects, 'park#1'))).to.deep.equal([0]);
    expect(calls).to.deep.equal([0]);
  });

  for (const then of ['crash', 'skip', 'stopShard'] as const) {
    it(`ends with ${then} if the sink fails and the policy says so, and the error names both`, async () => {
      const { itemsOf, fold, finishRun, settled, refused, tenures } = parking({ then });
      refused.add(0);
      const ended = await finishRun(await fold(itemsOf([['a', 0]])), 'park#1');
      const [error] = ofType(ended, 'fail').map((each) => each.error);
      expect([error !== undefined, settled(ended), tenures[1]!.stopError !== undefined]).to.deep.equal([
        then === 'crash',
        then === 'skip' ? [0] : [],
        then === 'stopShard',
      ]);
      const message = (error ?? tenures[1]!.stopError)?.message ?? 'no (not parked: disk full)';
      expect(message).to.include('no (not parked: disk full)');
    });
  }

  it('does not call a sink again that can never keep the item', async () => {
    const { itemsOf, fold, finishRun } = parking({ refuses: new NonRetryableError('too large') });
    const ended = await finishRun(await fold(itemsOf([['a', 0]])), 'park#1');
    expect(ofType(ended, 'fail').map(({ error }) => error.message)[0]).to.include('no (not parked: too large)');
  });

  it('does not believe a sink that returns no promise: the write is probably not awaited', async () => {
    const forgetful = park((() => undefined) as never);
    const { items, end, finishRun } = direct(
      {
        reduce: () => {
          throw new Error('no');
        },
      },
      { onFailure: forgetful },
    );
    const [error] = ofType(await finishRun(await end(items([0])), 'park#1'), 'fail').map((each) => each.error);
    expect(error!.message).to.include('the sink of park must return a promise');
  });

  it('names the error of the sink beside that of the item, in the status', async () => {
    const { itemsOf, fold, finishRun, refused, status } = parking();
    refused.add(0);
    await finishRun(await fold(itemsOf([['a', 0]])), 'park#1');
    expect(status().waiting.map(({ error }) => error)).to.deep.equal(['no (not parked: disk full)']);
  });

  it('aborts the signal of a call that is overdue, waits for it once more, and then crashes', async () => {
    const { itemsOf, fold, overdue } = parking();
    await fold(itemsOf([['a', 0]]));
    const aborted = overdue(1, false);
    expect(ofType(aborted, 'abort').map(({ name }) => name)).to.deep.equal(['park#1']);
    expect(overdue(1, false)).to.deep.equal([]);
    const [crash] = ofType(overdue(1, true), 'fail');
    expect(crash!.error.message).to.include('has not settled');
  });

  it('does not crash for a call that never settles if the lease has ended, and its place is free', async () => {
    const { itemsOf, fold, overdue, settled, tenures } = parking();
    await fold(itemsOf([['a', 0]]));
    overdue(1, false);
    tenures[1]!.ended = true;
    const ended = overdue(1, true);
    expect([ofType(ended, 'fail'), settled(ended)]).to.deep.equal([[], []]);
  });

  it('does not end a pause by a repeated answer', async () => {
    const { itemsOf, fold, finishRun, refused, tell } = parking();
    refused.add(0);
    await finishRun(await fold(itemsOf([['a', 0]])), 'park#1');
    expect(tell({ type: 'parkingEnded', number: 1, parked: [], error: new Error('again') })).to.deep.equal([]);
  });

  it('settles what a call keeps after its deadline', async () => {
    const { itemsOf, fold, overdue, finishRun, settled } = parking();
    const failed = await fold(itemsOf([['a', 0]]));
    overdue(1, false);
    expect(settled(await finishRun(failed, 'park#1'))).to.deep.equal([0]);
    expect(ofType(overdue(1, true), 'fail')).to.deep.equal([]);
  });

  it('has at most 16 calls of sinks under way, and calls the next when one ends', async () => {
    const { itemsOf, fold, finishRun, bad } = parking();
    const many = Array.from({ length: 20 }, (_, n) => n);
    for (const n of many) bad.add(n);
    const effects = await fold(itemsOf(many.map((n) => [`k${n}`, n])));
    const parks = (some: Effects): string[] => started(some).filter((name) => name.startsWith('park'));
    expect(parks(effects)).to.have.length(16);
    expect(parks(await finishRun(effects, 'park#3'))).to.deep.equal(['park#17']);
  });

  it('settles nothing whose lease ended while the sink was called, and the key is free', async () => {
    const { itemsOf, items, fold, finishRun, settled, revoked, tenures, calls, bad } = parking();
    const failed = await fold(itemsOf([['k', 0]]));
    tenures[1]!.ended = true;
    const lost = revoked(1);
    expect(started(lost)).to.deep.equal([]);
    expect(ofType(lost, 'abort').map(({ name }) => name)).to.deep.equal(['park#1']);
    bad.clear();
    await fold(items([7], 2));
    expect(calls).to.deep.equal([0, 7]);
    expect(settled(await finishRun(failed, 'park#1'))).to.deep.equal([]);
  });
});

it('settles nothing that a sink keeps after the lease has ended', async () => {
  const { itemsOf, fold, finishRun, settled, tenures } = parking();
  const failed = await fold(itemsOf([['k', 0]]));
  tenures[1]!.ended = true;
  const kept = await finishRun(failed, 'park#1');
  expect([settled(kept), emitted(kept)]).to.deep.equal([[], ['itemParked']]);
});

it('gives a paused item up whose lease has ended, and calls the sink for no other owner', async () => {
  const { itemsOf, items, fold, finishRun, settled, tenures, refused, due, calls, bad } = parking();
  refused.add(0);
  await finishRun(await fold(itemsOf([['k', 0]])), 'park#1');
  tenures[1]!.ended = true;
  const ended = due(1);
  expect([started(ended), settled(ended)]).to.deep.equal([[], []]);
  bad.clear();
  await fold(items([7], 2));
  expect(calls).to.deep.equal([0, 7]);
});

describe('a drain of a reducer whose policy is park', () => {
  it('is answered when the call under way has ended', async () => {
    const { itemsOf, fold, finishRun, punctuation, stage } = parking();
    const failed = await fold(itemsOf([['a', 0]]));
    expect(waitingIn(punctuation('drain'), stage)).to.deep.equal([]);
    expect(waitingIn(await finishRun(failed, 'park#1'), stage)).to.deep.equal([[]]);
  });

  it('calls the sink once more at once, and its answer names what is not parked even then', async () => {
    const { itemsOf, fold, finishRun, punctuation, stage, refused } = parking();
    refused.add(0);
    await finishRun(await fold(itemsOf([['a', 0]])), 'park#1');
    const asked = punctuation('drain');
    expect(started(asked)).to.deep.equal(['park#1']);
    const answer = await finishRun(asked, 'park#1');
    expect(waitingIn(answer, stage)).to.deep.equal([[0]]);
  });

  it('of another worker waits for the call about a flush, behind which its items are', async () => {
    const flush = (): never => {
      throw new Error('down');
    };
    const { items, fold, finishRun, punctuation, stage, bad, settled } = parking({ flush });
    bad.clear();
    const failed = await fold(items([0, 1, 2, 3]));
    items([5], 2);
    expect(waitingIn(punctuation('drain', 5, 2), stage)).to.deep.equal([]);
    const kept = await finishRun(failed, 'park#1');
    expect([settled(kept), waitingIn(kept, stage)]).to.deep.equal([[0, 1, 2, 3], []]);
    expect(started(kept)).to.deep.equal(['reduce']);
  });

  it('does the same for a flush', async () => {
    const flush = (): never => {
      throw new Error('down');
    };
    const { items, fold, finishRun, punctuation, stage, refused, bad } = parking({ flush });
    bad.clear();
    refused.add(1);
    await finishRun(await fold(items([0, 1, 2, 3])), 'park#1');
    items([4]);
    const asked = punctuation('drain');
    expect(waitingIn(asked, stage)).to.deep.equal([]);
    const answer = await finishRun(asked, 'park#1');
    expect(waitingIn(answer, stage)).to.deep.equal([[1, 4]]);
  });
});

it('parks a flush as a whole, calls its sink again only for what it has not kept, and begins with a new state', async () => {
  const flushed: State[] = [];
  const flush = (state: State): void => {
    flushed.push(state);
    if (flushed.length === 1) throw new Error('down');
  };
  const { items, fold, finishRun, settled, refused, bad, parked, due } = parking({ flush });
  bad.clear();
  refused.add(2);
  const failed = await fold(items([0, 1, 2, 3]));
  expect(settled(failed)).to.deep.equal([]);
  await fold(items([4, 5, 6, 7]));
  expect(flushed).to.deep.equal([[0, 1, 2, 3]]);
  const first = await finishRun(failed, 'park#1');
  expect(settled(first)).to.deep.equal([0, 1, 3]);
  refused.clear();
  const second = await finishRun(due(1), 'park#1');
  expect(settled(second)).to.deep.equal([2]);
  expect(parked.map(({ data }) => data[0])).to.deep.equal([0, 1, 2, 3, 2]);
  expect(settled(await fold(second))).to.deep.equal([2, 4, 5, 6, 7]);
  expect(flushed[1]).to.deep.equal([4, 5, 6, 7]);
});

it('skips what a sink has refused of a flush, if the policy says so', async () => {
  const flush = (): never => {
    throw new Error('down');
  };
  const { items, fold, finishRun, settled, bad, refused } = parking({ flush, then: 'skip' });
  bad.clear();
  refused.add(1);
  const kept = await finishRun(await fold(items([0, 1, 2, 3])), 'park#1');
  expect(settled(kept)).to.have.members([0, 1, 2, 3]);
  expect(counted(kept)).to.include({ parkedItems: 3, skippedItems: 1 });
});

it('calls the sink for no more of a flush when its signal has aborted, and keeps what the sink has not got', async () => {
  const called: number[] = [];
  const calls = new AbortController();
  const sink = (item: ParkedItem): Promise<void> => {
    called.push(item.data[0]!);
    if (called.length === 32) calls.abort(new Error('too late'));
    return Promise.resolve();
  };
  const on = direct({ flush: () => expect.fail('down') }, { batchSize: 34, onFailure: park(sink) });
  const failed = await on.end(await on.end(on.items(Array.from({ length: 34 }, (_, n) => n))));
  const [run] = ofType(failed, 'run');
  const effects = on.tell(run!.done((await run!.start(calls.signal)) as never));
  expect(called).to.have.length(32);
  expect(counted(effects)).to.include({ parkedItems: 32, failedParkings: 1 });
  expect(on.status().waiting[0]).to.include({ sequenceNumber: '32', error: 'down (not parked: too late)' });
});

it('takes no notice of the end of a pause that is over', async () => {
  const { itemsOf, fold, due, refused, finishRun } = parking();
  refused.add(0);
  const failed = await fold(itemsOf([['a', 0]]));
  expect(started(due(1)), 'while the sink is called').to.deep.equal([]);
  await finishRun(failed, 'park#1');
  expect(started(due(1))).to.deep.equal(['park#1']);
  expect(started(due(1)), 'again').to.deep.equal([]);
  expect(started(due(9)), 'of no parking').to.deep.equal([]);
});
