// What waits when timers and idle routes come due while a call holds the node: each once, however often the timer of the node fires.
import { expect } from 'chai';
import { addHead } from '../../../actors/protocol/pipe-message.js';
import { routesDue } from '../../../actors/pipe-node/route-timers.js';
import { createRouteState, routeIdOf, type RouteState } from '../../../actors/pipe-node/route-states.js';
import type { NodeTask } from '../../../actors/pipe-node/calls.js';
import type { NodeTurn } from '../../../actors/pipe-node/state.js';
import { createDeque } from '../../../src/core/deque.js';
import { handClock } from '../../support/direct.js';

/** A node with one state, of a route, that keeps nothing. */
function nodeWith(change: (routeState: RouteState) => void) {
  const clock = handClock();
  const routeState = createRouteState(addHead(undefined, 'a'), undefined, clock.now());
  change(routeState);
  const pending = createDeque<NodeTask>();
  const state = {
    ...{
      phase: 'running',
      pending,
      routeTimerAt: Infinity,
      routeDueAt: Infinity,
      routeStates: new Map([[routeIdOf(routeState.route), routeState]]),
    },
    ...{ routesByUse: new Set(), routesApart: new Set() },
  };
  const definition = { handleMessage: () => ({}), handleTimer: () => ({}), routeIdleMs: 1_000 };
  const due = (): number => {
    routesDue({ options: { definition, clock }, state, now: clock.now(), effects: [] } as unknown as NodeTurn);
    return pending.length;
  };
  /** How many milliseconds the timer of the node has to wait; undefined if it is not set. */
  const waits = (): number | undefined => {
    routesDue({ options: { definition, clock }, state, now: clock.now(), effects: [] } as unknown as NodeTurn);
    return state.routeDueAt === Infinity ? undefined : state.routeDueAt - clock.now();
  };
  /** The callbacks that the first task which waits calls. */
  const task = (): readonly string[] => {
    const { calls } = pending.shift()!;
    const made: string[] = [];
    for (let next = calls.next(true); next.done !== true; next = calls.next(true)) made.push(next.value.callback);
    return made;
  };
  return { clock, routeState, due, waits, task };
}

const kinds: readonly (readonly [string, (routeState: RouteState) => void, string])[] = [
  ['the end of an idle route', () => {}, 'terminate'],
  ['a timer', (routeState) => (routeState.timerAt = 5), 'handleTimer'],
];

describe('while a call holds the node', () => {
  for (const [name, change, callback] of kinds)
    it(`${name} waits once`, () => {
      const { clock, due, task } = nodeWith(change);
      clock.move(1_000);
      expect([due(), due(), due()]).to.deep.equal([1, 1, 1]);
      expect(task()).to.deep.equal([callback]);
    });

  for (const [name, change, callback] of kinds)
    it(`${name} waits again if it did not come: the state was used meanwhile`, () => {
      const { clock, routeState, due, task } = nodeWith(change);
      clock.move(1_000);
      due();
      routeState.usedAt = clock.now();
      routeState.timerAt = routeState.timerAt === Infinity ? Infinity : clock.now() + 1_000;
      expect(task()).to.deep.equal([]);
      expect(due()).to.equal(0);
      clock.move(1_000);
      expect([due(), due()]).to.deep.equal([1, 1]);
      expect(task()).to.deep.equal([callback]);
    });
});

describe('the timer of a node', () => {
  it('waits for the timer of a state, though its route was idle before: the route ends only then', () => {
    const { clock, waits } = nodeWith((routeState) => (routeState.timerAt = routeState.usedAt + 5_000));
    expect(waits()).to.equal(5_000);
    clock.move(2_000);
    expect(waits()).to.equal(3_000);
  });

  it('waits for an idle route without a timer', () => {
    const { clock, waits } = nodeWith(() => {});
    clock.move(400);
    expect(waits()).to.equal(600);
  });
});
