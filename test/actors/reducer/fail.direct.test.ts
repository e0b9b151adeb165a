// `ctx.fail` under automatic acknowledgement, and calls of `ctx` that have no effect. One message at a time, without a runtime.
import { expect } from 'chai';
import type { FailurePolicy } from '../../../src/api/failure-policy.js';
import type { FoldingReducer, ReducerContext, ItemToken } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { counted, ofType, sent, started } from '../../support/direct.js';

type Calls = Partial<FoldingReducer<State, number>>;

/** A reducer that keeps the contexts and tokens that it gets, and acts by `act` before it returns. */
function keeping(
  act: (value: number, fail: (error: string) => void) => unknown = () => undefined,
  { onFailure = retry(), ...definition }: Calls & { readonly onFailure?: FailurePolicy } = {},
) {
  const got: { readonly ctx: ReducerContext; readonly token: ItemToken }[] = [];
  const harness = direct(
    {
      reduce: (state, { value, token }, ctx) => {
        got.push({ ctx, token });
        const pending = act(value, (error) => ctx.fail(token, new Error(error)));
        return pending instanceof Promise ? pending.then(() => [...state, value]) : [...state, value];
      },
      ...definition,
    },
    { batchSize: 4, onFailure },
  );
  const { stage, end, tell } = harness;
  return {
    ...harness,
    got,
    run: async (effects: Effects): Promise<Effects> => {
      const all = [...effects];
      for (let last = effects; started(last).length > 0;) {
        last = await end(last);
        all.push(...last);
      }
      return all;
    },
    called: () => tell({ type: 'contextCalled' }),
    settled: (effects: Effects): unknown =>
      sent(effects, stage).flatMap((message: any) => message.dispositions?.flatMap((each: any) => each.ordinals) ?? []),
    warnings: (effects: Effects): string[] =>
      ofType(effects, 'emit').flatMap(({ event }) => (event.name === 'warning' ? [event.data.message] : [])),
    errors: (effects: Effects): string[] => ofType(effects, 'fail').map(({ error }) => error.message),
  };
}

describe('ctx.fail within the call of its item, under automatic acknowledgement', () => {
  for (const kind of ['sync', 'async'] as const) {
    it(`counts instead of what the call returns (${kind})`, async () => {
      let isBad = true;
      const states: State[] = [];
      const { items, run, settled, clock, tell } = keeping(
        (value, fail) => {
          if (value === 1 && isBad) fail('no');
          return kind === 'async' ? Promise.resolve() : undefined;
        },
        { flush: (state) => void states.push(state) },
      );
      expect(settled(await run(items([0, 1])))).to.deep.equal([]);
      isBad = false;
      clock.move(1_000);
      expect(settled(await run(tell({ type: 'attemptDue' })))).to.deep.equal([]);
      expect(settled(await run(items([2, 3])))).to.deep.equal([0, 1, 2, 3]);
      expect(states).to.deep.equal([[0, 1, 2, 3]]);
    });
  }

  it('counts if the actor has heard of it before the call returns', async () => {
    let release: () => void = () => {};
    const { items, called, settled, end } = keeping((_value, fail) => {
      fail('no');
      return new Promise<void>((resolve) => (release = resolve));
    });
    const call = items([0]);
    const ending = end(call);
    await Promise.resolve();
    expect(called()).to.deep.equal([]);
    release();
    expect(settled(await ending)).to.deep.equal([]);
  });

  it('asks the policy with `at: ack`', async () => {
    const { items, run, errors } = keeping((_value, fail) => fail('no'), { onFailure: 'crash' });
    expect(errors(await run(items([0])))[0]).to.match(/^ack failed for record 0 .*no$/);
  });
});

describe('ctx.fail after the call of its item, under automatic acknowledgement', () => {
  it('fails the flush for good: a repetition would flush the item as if it had succeeded', async () => {
    let flushes = 0;
    const { items, run, got, called, punctuation, errors, settled } = keeping(undefined, {
      flush: () => void (flushes += 1),
    });
    await run(items([0, 1]));
    got[0]!.ctx.fail(got[0]!.token, new Error('late'));
    called();
    const flushed = await run(punctuation('flush'));
    expect([flushes, settled(flushed)]).to.deep.equal([0, []]);
    expect(errors(flushed)[0]).to.match(/flush failed for 2 items .*record 0 after its reduce had returned: late/);
  });

  it('fails a flush that is under way', async () => {
    let release: () => void = () => {};
    const { items, run, got, called, punctuation, errors, settled, end } = keeping(undefined, {
      flush: () => new Promise<void>((resolve) => (release = resolve)),
    });
    await run(items([0, 1]));
    const ending = end(punctuation('flush'));
    await Promise.resolve();
    got[1]!.ctx.fail(got[1]!.token, new Error('late'));
    called();
    release();
    const flushed = await ending;
    expect(settled(flushed)).to.deep.equal([]);
    expect(errors(flushed)[0]).to.include('record 1 after its reduce had returned: late');
  });

  it('fails a flush that waits for another attempt', async () => {
    let flushes = 0;
    const { items, run, got, called, errors, clock, tell, punctuation } = keeping(undefined, {
      flush: () => {
        flushes += 1;
        throw new Error('down');
      },
    });
    await run(items([0, 1]));
    expect(errors(await run(punctuation('flush')))).to.deep.equal([]);
    got[1]!.ctx.fail(got[1]!.token, new Error('late'));
    called();
    clock.move(60_000);
    const again = await run(tell({ type: 'attemptDue' }));
    expect(flushes).to.equal(1);
    expect(errors(again)[0]).to.include('record 1 after its reduce had returned: late');
  });

  it('has no effect once its flush has settled the item', async () => {
    const { items, run, got, called, warnings, punctuation } = keeping(undefined, { flush: () => {} });
    await run(items([0, 1]));
    await run(punctuation('flush'));
    got[0]!.ctx.fail(got[0]!.token, new Error('late'));
    expect(warnings(called())[0]).to.include('it is acknowledged already');
  });

  it('delivers the item again if it is not settled yet, without a flush', async () => {
    const { items, got, called, clock, tell, run, settled, status } = keeping();
    const effects = items([0, 1, 2]);
    const [job] = ofType(effects, 'run');
    const message = job!.done(job!.start(new AbortController().signal) as never);
    got[1]!.ctx.fail(got[1]!.token, new Error('late'));
    const heard = called();
    const done = tell(message);
    expect(status().holding.map(({ state }) => state)).to.deep.equal(['waiting']);
    expect([settled(heard), settled(done)]).to.deep.equal([[], [0, 2]]);
    clock.move(1_000);
    expect(settled(await run(tell({ type: 'attemptDue' })))).to.deep.equal([1]);
    expect(status().holding).to.deep.equal([]);
  });

  it('leaves nothing of the item in the state, if its lease is lost before it comes again', () => {
    const { items, got, called, tell, revoked, status, tenures } = keeping();
    const [job] = ofType(items([0]), 'run');
    const message = job!.done(job!.start(new AbortController().signal) as never);
    got[0]!.ctx.fail(got[0]!.token, new Error('late'));
    called();
    tell(message);
    tenures[1]!.ended = true;
    revoked(1);
    expect(status().holding).to.deep.equal([]);
  });

  it('has no effect once the item is settled, and one warning says so', async () => {
    const { items, run, got, called, warnings } = keeping();
    await run(items([0, 1]));
    for (const { ctx, token } of got) ctx.fail(token, new Error('late'));
    const heard = called();
    expect(warnings(heard)).to.deep.equal([
      "ctx.fail has no effect for record 0 (key 'k'): it is acknowledged already, or another reducer has it; call it before reduce returns, throw, or set acknowledge: 'manual'",
    ]);
    expect(counted(heard)).to.deep.equal({ strayAcknowledgements: 2 });
  });
});

describe('a call of ctx that has no effect', () => {
  const strays: readonly (readonly [string, (token: ItemToken, ctx: ReducerContext) => void, string])[] = [
    ['a copy of a token', (token, ctx) => ctx.ack({ idempotencyKey: token.idempotencyKey }), 'pass item.token itself'],
    [
      'a spread token',
      (token, ctx) => ctx.ack({ ...token }),
      'a copy of the token of record 0: a copy identifies no item',
    ],
    [
      'no token',
      (_token, ctx) => ctx.ack(7 as never),
      'ctx.ack has no effect for the number 7: pass item.token itself',
    ],
    ['undefined', (_token, ctx) => ctx.ack(undefined as never), 'for undefined: pass'],
    ['another object', (_token, ctx) => ctx.ack({} as never), 'ctx.ack has no effect for an object: pass item.token'],
    [
      'a second ack',
      (token, ctx) => (ctx.ack(token), ctx.ack(token)),
      "record 0 (key 'k'): it is acknowledged, or has",
    ],
    ['a fail after the ack', (token, ctx) => (ctx.ack(token), ctx.fail(token, new Error('x'))), 'call only one'],
  ];

  for (const [name, act, text] of strays) {
    it(`is a warning for ${name}, once`, async () => {
      const { items, run, got, called, warnings } = keeping(undefined, { acknowledge: 'manual' });
      await run(items([0, 1]));
      act(got[0]!.token, got[0]!.ctx);
      const first = warnings(called());
      expect(first).to.have.length(1);
      expect(first[0]).to.include(text);
      act(got[1]!.token, got[1]!.ctx);
      expect(warnings(called())).to.deep.equal([]);
    });
  }

  it('is a warning for ctx.ack under automatic acknowledgement', async () => {
    const { items, run, got, called, warnings } = keeping();
    await run(items([0]));
    got[0]!.ctx.ack(got[0]!.token);
    expect(warnings(called())[0]).to.include('this reducer acknowledges by itself; leave ctx.ack out');
  });

  it('is no warning if the lease was lost', async () => {
    const { items, run, got, called, warnings, revoked, tenures } = keeping(undefined, { acknowledge: 'manual' });
    await run(items([0]));
    tenures[1]!.ended = true;
    revoked(1);
    got[0]!.ctx.ack(got[0]!.token);
    const heard = called();
    expect([warnings(heard), counted(heard)]).to.deep.equal([[], { strayAcknowledgements: 1 }]);
  });
});
