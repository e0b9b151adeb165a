// What a node may not return, and the signal of its calls.
import { constants } from 'node:buffer';
import { expect } from 'chai';
import { CallContext } from '../../../actors/pipe-node/calls.js';
import { applyResult } from '../../../actors/pipe-node/result.js';
import { createRouteState } from '../../../actors/pipe-node/route-states.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { itemOf } from '../../support/direct-reducer.js';
import { handClock, ref, tenureOf } from '../../support/direct.js';

const messageOf = (ordinal: number): SentMessage =>
  new SentMessage(ordinal, itemOf(ordinal, tenureOf(1), ref<StageMessage>('stage/0#1')), undefined, 1);

describe('a result that a node refuses', () => {
  const message = messageOf(0);
  const refused: readonly (readonly [string, object, string])[] = [
    ['an output that is none', { outputs: [7] }, 'outputs[0] must be an object { value, of: [messages] }, got 7'],
    ['an output of nothing', { outputs: [{ value: 1 }] }, 'outputs[0] must be an object { value, of: [messages] }'],
    [
      'a negative size',
      { outputs: [{ value: 1, of: [message], sizeBytes: -1 }] },
      'outputs[0].sizeBytes must be a number from 0, got -1',
    ],
    [
      'a route that is null',
      { outputs: [{ value: 1, of: [message], route: null }] },
      'outputs[0].route must be { add: string }',
    ],
    [
      'a route that is a function',
      { outputs: [{ value: 1, of: [message], route: Object.assign(() => {}, { add: 'r' }) }] },
      "outputs[0].route must be { add: string } or 'remove', got a function",
    ],
    ['a message of another call', { keep: [messageOf(1)] }, 'keep[0] must be the message of this call, or one that'],
    ['what is no message', { keep: [7] }, 'keep[0] must be the message of this call, or one that'],
    [
      'a message without its holding',
      { keep: [{ message }] },
      'keep[0].in must be a holding of createHolding(), got undefined',
    ],
  ];

  for (const [name, result, text] of refused)
    it(`has ${name}; nothing is changed`, () => {
      const routeState = createRouteState(undefined, 'before', 0);
      const apply = (): unknown =>
        applyResult({ routeState, message, now: 1, node: 'pages' }, { state: 'after', ...result });
      expect(apply).to.throw(`The result of pages: ${text}`);
      expect([routeState.state, routeState.kept.size]).to.deep.equal(['before', 0]);
      expect(SentMessage.referencesOf(message)).to.not.equal(undefined);
    });

  it('has a head that is too long for a text; nothing is changed', () => {
    const route = { add: 'x'.repeat(constants.MAX_STRING_LENGTH) };
    const routeState = createRouteState(undefined, 'before', 0);
    const result = { state: 'after', outputs: [{ value: 1, of: [message], route }] };
    expect(() => applyResult({ routeState, message, now: 1, node: 'pages' }, result)).to.throw('Invalid string length');
    expect(routeState.state).to.equal('before');
    expect(SentMessage.referencesOf(message)).to.not.equal(undefined);
  });

  it('takes a size from 0', () => {
    const taken = messageOf(2);
    const routeState = createRouteState(undefined, undefined, 0);
    const { outputs } = applyResult(
      { routeState, message: taken, now: 1, node: 'pages' },
      { outputs: [{ value: 1, of: [taken], sizeBytes: 0 }] },
    );
    expect(outputs.map(({ sizeBytes }) => sizeBytes)).to.deep.equal([0]);
  });
});

describe('a kept message that has lost all of its leases', () => {
  it('leaves nothing behind in the routeState when it is moved into a holding', () => {
    const routeState = createRouteState(undefined, undefined, 0);
    const [message, holding] = [new SentMessage(1, undefined, undefined, 1), createHolding()];
    routeState.kept.add(message);
    routeState.withLost.add(message);
    applyResult({ routeState, message: undefined, now: 1, node: 'pages' }, { keep: [{ message, in: holding }] });
    expect([routeState.kept.size, routeState.withLost.size, routeState.holdings.size]).to.deep.equal([0, 0, 1]);
  });
});

describe('the signal of a call', () => {
  const context = (): CallContext =>
    new CallContext({ name: 'map/0', pipe: 0, clock: handClock() } as never, {
      routeState: createRouteState(undefined, undefined, 0),
      failures: 0,
    });

  it('has aborted, with the reason, also if it is asked for later', () => {
    const reason = new Error('too late');
    const [before, after] = [context(), context()];
    const { signal } = before;
    for (const each of [before, after]) CallContext.abort(each, reason);
    expect([signal.reason, after.signal.reason, after.signal.aborted]).to.deep.equal([reason, reason, true]);
    expect(after.signal).to.equal(after.signal);
  });
});
