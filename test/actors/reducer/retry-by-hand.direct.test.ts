// Retry under manual acknowledgement, one message at a time and without a runtime: calls overlap there, so several items of one key may
// fail together, and an attempt may return long before it succeeds.
import { expect } from 'chai';
import type { FailurePolicy } from '../../../src/api/failure-policy.js';
import type { ReducerContext, ItemToken } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { direct, type Effects } from '../../support/direct-reducer.js';
import { started } from '../../support/direct.js';

describe('items of one key that fail together, under a policy that answers by promises', () => {
  /** Under manual acknowledgement, items 0 and 1 of a key are handed out, and both fail by `ctx.fail`. */
  async function bothFail() {
    const answers: ((policy: FailurePolicy) => void)[] = [];
    const calls: number[] = [];
    const tokens: [ItemToken, ReducerContext][] = [];
    const harness = direct(
      {
        acknowledge: 'manual',
        reduce: (state, { value, token }, ctx) => (calls.push(value), tokens.push([token, ctx]), state),
      },
      { onFailure: () => new Promise((resolve) => answers.push(resolve)) },
    );
    await harness.end(harness.items([0, 1]));
    for (const [token, ctx] of tokens.splice(0)) ctx.fail(token, new Error('no'));
    const asked = harness.tell({ type: 'contextCalled' });
    calls.length = 0;
    const decide = async (number: number, policy: FailurePolicy): Promise<Effects> => {
      answers[number - 1]!(policy);
      return harness.finishRun(asked, `onFailure#${number}`);
    };
    const attempt = async (): Promise<void> => {
      harness.clock.move(60_000);
      let effects = harness.tell({ type: 'attemptDue' });
      while (started(effects).length > 0) {
        effects = await harness.end(effects);
        for (const [token, ctx] of tokens.splice(0)) ctx.ack(token);
        effects = [...effects, ...harness.tell({ type: 'contextCalled' })];
      }
    };
    return { ...harness, calls, decide, attempt };
  }

  it('delivers each of them again once', async () => {
    const { calls, decide, attempt } = await bothFail();
    await decide(1, retry());
    await decide(2, retry());
    await attempt();
    expect(calls).to.deep.equal([0, 1]);
  });

  it('does not try the second before its own answer has come, although the first is done', async () => {
    const { calls, decide, attempt } = await bothFail();
    await decide(1, retry());
    await attempt();
    expect(calls).to.deep.equal([0]);
    await decide(2, retry());
    await attempt();
    expect(calls).to.deep.equal([0, 1]);
  });

  it('tries the first although the answer for the second has not come', async () => {
    const { calls, decide, attempt } = await bothFail();
    await decide(2, retry());
    await attempt();
    expect(calls).to.deep.equal([]);
    await decide(1, retry());
    await attempt();
    expect(calls).to.deep.equal([0, 1]);
  });
});

it('an outage under manual acknowledgement goes on if an attempt returns and acknowledges nothing', async () => {
  let isDown = true;
  const calls: number[] = [];
  const { itemsOf, end, clock, tell } = direct(
    {
      acknowledge: 'manual',
      reduce: (state, { value }) => {
        calls.push(value);
        if (isDown) throw new Error('down');
        return state;
      },
    },
    { batchSize: 1, onFailure: retry({ minMs: 100 }) },
  );
  for (let n = 0; n < 10; n += 1) await end(itemsOf([[`key ${n}`, n]]));
  isDown = false;
  calls.length = 0;
  for (let turn = 0; turn < 10; turn += 1) {
    clock.move(60_000);
    let effects = tell({ type: 'attemptDue' });
    while (started(effects).length > 0) effects = await end(effects);
  }
  expect(calls.toSorted()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
