// What waits when timers and idle routes come due while a call holds the node: each once, however often the timer of the node fires.
import { expect } from 'chai';
import { addHead } from '../../../actors/protocol/pipe-message.js';
import { slotsDue } from '../../../actors/pipe-node/slot-timers.js';
import { createSlot, slotId, type Slot } from '../../../actors/pipe-node/slots.js';
import type { Work } from '../../../actors/pipe-node/calls.js';
import type { NodeTurn } from '../../../actors/pipe-node/state.js';
import { createDeque } from '../../../src/core/deque.js';
import { handClock } from '../../support/direct.js';

/** A node with one state, of a route, that keeps nothing. */
function nodeWith(change: (slot: Slot) => void) {
  const clock = handClock();
  const slot = createSlot(addHead(undefined, 'a'), undefined, clock.now());
  change(slot);
  const pending = createDeque<Work>();
  const state = {
    ...{
      phase: 'running',
      pending,
      slotTimerAt: Infinity,
      slotDueAt: Infinity,
      slots: new Map([[slotId(slot.route), slot]]),
    },
    ...{ routesByUse: new Set(), routesApart: new Set() },
  };
  const definition = { handleMessage: () => ({}), handleTimer: () => ({}), routeIdleMs: 1_000 };
  const due = (): number => {
    slotsDue({ options: { definition, clock }, state, now: clock.now(), effects: [] } as unknown as NodeTurn);
    return pending.length;
  };
  /** The callbacks that the first work which waits calls. */
  const work = (): readonly string[] => {
    const { calls } = pending.shift()!;
    const made: string[] = [];
    for (let next = calls.next(true); next.done !== true; next = calls.next(true)) made.push(next.value.callback);
    return made;
  };
  return { clock, slot, due, work };
}

const kinds: readonly (readonly [string, (slot: Slot) => void, string])[] = [
  ['the end of an idle route', () => {}, 'terminate'],
  ['a timer', (slot) => (slot.timerAt = 5), 'handleTimer'],
];

describe('while a call holds the node', () => {
  for (const [name, change, callback] of kinds)
    it(`${name} waits once`, () => {
      const { clock, due, work } = nodeWith(change);
      clock.move(1_000);
      expect([due(), due(), due()]).to.deep.equal([1, 1, 1]);
      expect(work()).to.deep.equal([callback]);
    });

  for (const [name, change, callback] of kinds)
    it(`${name} waits again if it did not come: the state was used meanwhile`, () => {
      const { clock, slot, due, work } = nodeWith(change);
      clock.move(1_000);
      due();
      slot.usedAt = clock.now();
      slot.timerAt = slot.timerAt === Infinity ? Infinity : clock.now() + 1_000;
      expect(work()).to.deep.equal([]);
      expect(due()).to.equal(0);
      clock.move(1_000);
      expect([due(), due()]).to.deep.equal([1, 1]);
      expect(work()).to.deep.equal([callback]);
    });
});
