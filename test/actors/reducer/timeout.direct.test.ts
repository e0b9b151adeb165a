// `timeoutMs`: the signal of a call that takes too long aborts, the call is waited for, and only one that does not end then either
// fails the reducer.
import { expect } from 'chai';
import type { ReducerOptions } from '../../../actors/reducer/reducer.js';
import type { ReducerActorMessage } from '../../../actors/reducer/messages.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { ReducerContext } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { settledIn } from '../../support/direct-process.js';
import { direct, type Effects } from '../../support/direct-reducer.js';
import { openCalls } from '../../support/open-calls.js';
import { emitted, finish, ofType, started } from '../../support/direct.js';

const due: ReducerActorMessage = { type: 'timeoutDue' };
const timeouts = (effects: Effects): number[] =>
  ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'timeout' ? [ms] : []));

/** A reducer of this kind whose calls wait. Each call adds its context, and a function that ends it. */
function waiting(kind: 'reduce' | 'flush' | 'behaviour' | 'manual', options: Partial<ReducerOptions> = {}) {
  const calls: { readonly context: ReducerContext; readonly end: (error?: Error) => void }[] = [];
  const wait = (state: unknown, context: ReducerContext): Promise<never> =>
    new Promise((resolve, reject) => {
      calls.push({ context, end: (error) => (error === undefined ? resolve(state as never) : reject(error)) });
    });
  const definitions: Record<typeof kind, object> = {
    reduce: { reduce: (state: unknown, _: unknown, context: ReducerContext) => wait(state, context) },
    manual: {
      acknowledge: 'manual',
      reduce: (state: unknown, _: unknown, context: ReducerContext) => wait(state, context),
    },
    flush: { flush: (state: unknown, context: ReducerContext) => wait(state, context) },
    behaviour: {
      reduce: undefined,
      behaviour: (state: unknown, _: unknown, context: ReducerContext) => wait(state, context),
    },
  };
  const harness = direct({ ...definitions[kind], timeoutMs: 500 } as never, {
    ...{ batchSize: 1, onFailure: retry({ minMs: 100 }), random: { next: () => 0 } },
    ...options,
  });
  return { ...harness, calls };
}

/** Time passes with the event loop: the call has begun, or ended. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

for (const kind of ['reduce', 'flush', 'behaviour', 'manual'] as const) {
  describe(`the timeout of a call: ${kind}`, () => {
    async function begun() {
      const harness = waiting(kind);
      let effects = harness.items([7]);
      if (kind === 'flush') effects = [...(await harness.end(effects))];
      const ended = finish(effects);
      await settle();
      return { ...harness, effects, ended };
    }

    it('aborts the signal of the call, with an error that names the record, and waits for the call', async () => {
      const { clock, tell, calls, ended } = await begun();
      clock.move(499);
      tell(due);
      const { signal } = calls[0]!.context;
      expect(signal.aborted).to.equal(false);
      clock.move(1);
      expect(started(tell(due))).to.deep.equal([]);
      expect(signal.aborted).to.equal(true);
      expect(signal.reason.name).to.equal('TimeoutError');
      expect(signal.reason.message).to.match(
        / for record 7 of shardId-1 \(key "k"\) has taken longer than timeoutMs \(500\)$/,
      );
      calls[0]!.end();
      tell(await ended);
    });

    it('fails the reducer if the call does not end within answerDeadlineMs after that', async () => {
      const { clock, tell, items } = await begun();
      clock.move(500);
      expect(timeouts(tell(due))).to.deep.equal([500]);
      clock.move(999);
      expect(ofType(tell(due), 'fail')).to.deep.equal([]);
      expect(started(items([8])), 'no call beside it').to.deep.equal([]);
      clock.move(1);
      const [failed] = ofType(tell(due), 'fail');
      expect(failed?.error.message).to.include('for record 7 of shardId-1');
      expect(failed?.error.message).to.include('has not ended within 1000 ms after its signal was aborted');
      if (!isKinactError(failed?.error)) return expect.fail('a code');
      expect(failed.error.code).to.equal('PROCESSING_FAILED');
      expect(failed.error.data).to.include({ shardId: 'shardId-1', sequenceNumber: '7', key: 'k' });
    });

    it('is forgotten when the call has ended', async () => {
      const { clock, tell, calls, ended, stop } = await begun();
      calls[0]!.end();
      tell(await ended);
      clock.move(500);
      tell(due);
      clock.move(1_000);
      expect(ofType(tell(due), 'fail')).to.deep.equal([]);
      expect(calls[0]!.context.signal.aborted).to.equal(false);
      stop();
      const outlives = kind === 'behaviour' || kind === 'manual';
      expect(calls[0]!.context.signal.aborted, 'at a stop').to.equal(outlives);
    });

    it('gives the next call a signal of its own', async () => {
      const { clock, tell, calls, ended, items, stop } = await begun();
      items([8]);
      clock.move(500);
      tell(due);
      calls[0]!.end();
      let next = tell(await ended);
      if (kind === 'flush') next = tell(await finish(ofType(next, 'run')));
      void finish(ofType(next, 'run'));
      await settle();
      expect(calls).to.have.length(2);
      expect(calls[1]!.context.signal.aborted).to.equal(false);
      stop();
      expect(calls[1]!.context.signal.aborted, 'at a stop').to.equal(true);
    });
  });
}

describe('a call that ends after its timeout', () => {
  async function late(error?: Error) {
    const harness = waiting('reduce');
    const ended = finish(harness.items([7]));
    await settle();
    harness.clock.move(600);
    harness.tell(due);
    harness.calls[0]!.end(error);
    return { ...harness, effects: harness.tell(await ended) };
  }

  it('is a success if it returns', async () => {
    const { effects, stage } = await late();
    expect(settledIn(effects, stage)).to.deep.equal([7]);
  });

  it('is a failure if it throws, and is repeated', async () => {
    const { effects, clock, tell } = await late(new Error('too late'));
    expect(emitted(effects)).to.deep.equal(['itemRetrying']);
    clock.move(100);
    expect(started(tell({ type: 'attemptDue' }))).to.deep.equal(['reduce']);
  });

  for (const calls of [1, 2])
    it(`is a success if a call of \`process\` returns (concurrency: ${calls})`, async () => {
      const more = calls === 1 ? {} : { concurrency: calls };
      const { begin, itemsOf, open, clock, tell, settled } = openCalls({ ...more, timeoutMs: 500 }, { batchSize: 2 });
      begin(
        itemsOf([
          ['a', 0],
          ['b', 1],
        ]),
      );
      clock.move(600);
      tell(due);
      expect(open[0]!.context.signal.aborted).to.equal(true);
      const effects = await open[0]!.end();
      expect([settled, emitted(effects)]).to.deep.equal([[0, 1], []]);
    });

  it('leaves no timer that fails a later call', async () => {
    const { clock, tell } = await late();
    clock.move(2_000);
    expect(ofType(tell(due), 'fail')).to.deep.equal([]);
    expect(timeouts(tell(due))).to.deep.equal([]);
  });
});

describe('the timer of timeouts', () => {
  it('is one for all calls of a reducer', async () => {
    const { items, tell, clock } = direct({ timeoutMs: 500 } as never, { batchSize: 100 });
    const first = items([0, 1, 2, 3]);
    expect(timeouts(first)).to.deep.equal([500]);
    const message = await finish(first);
    expect(timeouts(tell(message))).to.deep.equal([]);
    clock.move(500);
    expect(timeouts(tell(due)), 'nothing runs').to.deep.equal([]);
    expect(timeouts(items([5]))).to.deep.equal([500]);
  });

  it('is not set without `timeoutMs`, and all calls share a context', async () => {
    const contexts = new Set<ReducerContext>();
    const { items, end } = direct({ reduce: (state, _, context) => (contexts.add(context), state) }, { batchSize: 2 });
    const call = items([0, 1]);
    expect(timeouts(call)).to.deep.equal([]);
    await end(call);
    expect(contexts.size).to.equal(1);
  });

  it('serves each of several calls of `process` in its time', async () => {
    const { begin, itemsOf, open, clock, tell } = openCalls({ concurrency: 2, timeoutMs: 500 });
    begin(itemsOf([['a', 0]]));
    clock.move(300);
    begin(itemsOf([['b', 1]]));
    clock.move(100);
    expect(timeouts(tell(due)), 'too early, for the first call').to.deep.equal([100]);
    clock.move(100);
    expect(timeouts(tell(due)), 'for the second call').to.deep.equal([300]);
    const aborted = (): boolean[] => open.map(({ context }) => context.signal.aborted);
    expect(aborted()).to.deep.equal([true, false]);
    await open[0]!.end(new Error('aborted'));
    clock.move(300);
    tell(due);
    expect(aborted()).to.deep.equal([true]);
  });

  it('fires in time for a call that begins while it waits for the end of an overdue one', async () => {
    const { begin, itemsOf, open, clock, tell } = openCalls({ concurrency: 2, timeoutMs: 500 });
    begin(itemsOf([['a', 0]]));
    clock.move(500);
    expect(timeouts(tell(due))).to.deep.equal([500]);
    begin(itemsOf([['b', 1]]));
    clock.move(500);
    tell(due);
    expect(open.map(({ context }) => context.signal.aborted)).to.deep.equal([true, true]);
  });

  it('keeps the signal of a manual call linked to the stop after the call has returned', async () => {
    const contexts: ReducerContext[] = [];
    const reduce = (state: readonly number[], _: unknown, context: ReducerContext) => (contexts.push(context), state);
    const { items, end, stop } = direct({ reduce, acknowledge: 'manual', timeoutMs: 500 } as never, { batchSize: 1 });
    await end(items([0]));
    const { signal } = contexts[0]!;
    stop();
    expect(signal.aborted).to.equal(true);
  });
});

it('has aborted the signal of a call that begins after the stop', async () => {
  const signals: AbortSignal[] = [];
  const on = direct({ process: (_, { signal }) => void signals.push(signal), timeoutMs: 500 });
  const effects = on.items([0, 1]);
  on.stop();
  await on.end(effects);
  expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true]);
});
