// Tenures that have ended: what belongs to them is taken out of everything that the node holds, because it will come again elsewhere. A
// state takes it out of itself in `handleLost`; if it cannot, what it emits later is counted as `foldedAfterLoss`.
import { effect } from '../protocol/actor.js';
import { isFlushMark } from '../protocol/pipe-messages.js';
import { leaseOf, SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import { endIfLate, type Tenure } from '../protocol/tenure.js';
import { callOf, CallContext } from './calls.js';
import { failNode } from './ending.js';
import { keepsNothing, keptReferences, noteKept, type Slot } from './slots.js';
import type { NodeTurn } from './state.js';
import { HeldBundle } from '../../src/core/holding.js';
import { forEachGrant, forEachLost, isBundle, withoutEnded } from '../../src/core/references.js';

/**
 * What the states keep is given out by calls that are about no message, or about another one. So the tenures of all that has come here are
 * compared with the clock before each run. No run may be under way.
 */
export function dropLate(turn: NodeTurn): void {
  const { options, state, now } = turn;
  let areLost = false;
  for (const tenure of state.tenures) {
    if (!endIfLate(tenure, options.clock, now)) continue;
    state.tenures.delete(tenure);
    areLost = true;
  }
  if (areLost) dropLost(turn);
}

/** No run may be under way: it works with the states. */
export function dropLost(turn: NodeTurn): void {
  const { state, effects } = turn;
  state.lossWaits = false;
  let folded = 0;
  const dropped = state.queue.retain((entry) => {
    if (isFlushMark(entry)) return true;
    const references = SentMessage.referencesOf(entry);
    if (references === undefined) return true;
    const { live, hasLost } = withoutEnded(references);
    SentMessage.setReferences(entry, live);
    if (live === undefined) state.queuedBytes -= entry.sizeBytes;
    else if (hasLost && isBundle(live)) folded += 1;
    return live !== undefined;
  });
  if (dropped > 0) effects.push(effect.count('droppedMessages', dropped));
  if (folded > 0) effects.push(effect.count('foldedAfterLoss', folded));
  for (const slot of state.slots.values()) loseFrom(turn, slot);
  hurryLost(turn);
}

/** A failed call that is about nothing any more does not wait out its pause. */
function hurryLost({ state, now }: NodeTurn): void {
  const { waiting } = state;
  if (waiting === undefined || waiting.isTrying || waiting.dueAt === Infinity) return;
  const { message, slot } = waiting.call;
  const references = message === undefined ? undefined : SentMessage.referencesOf(message);
  const isLost = references === undefined ? keepsNothing(slot) : withoutEnded(references).live === undefined;
  if (isLost) waiting.dueAt = now;
}

function loseFrom(turn: NodeTurn, slot: Slot): void {
  const ended = endedTenures(slot);
  if (ended.size === 0) return;
  const { definition } = turn.options;
  const { handleLost } = definition;
  const untold = [...ended].filter((tenure) => !slot.told.has(tenure));
  for (const tenure of untold) {
    slot.told.add(tenure);
    if (handleLost === undefined) continue;
    const messages = [...slot.kept].filter((message) => endsWith(message, tenure, untold));
    try {
      const context = new CallContext(turn.options, callOf('handleMessage', slot));
      slot.state = handleLost(slot.state, { lease: leaseOf(tenure), messages }, context);
    } catch (error) {
      failNode(turn, error);
      return;
    }
  }
  for (const message of slot.kept) {
    const references = SentMessage.referencesOf(message);
    if (references === undefined) continue;
    const hasLost = lostTenures(references).size > 0;
    const { live } = withoutEnded(references);
    SentMessage.setReferences(message, live);
    // A state that has not been told still has the message, and will name it.
    if (live === undefined && handleLost !== undefined) slot.kept.delete(message);
    else if (hasLost) slot.withLost.add(message);
  }
  for (const holding of slot.holdings) HeldBundle.dropEnded(holding, handleLost !== undefined);
  noteKept(slot, turn.now);
}

function endedTenures(slot: Slot): ReadonlySet<Tenure> {
  const ended = new Set<Tenure>();
  for (const references of keptReferences(slot)) forEachLost(references, (tenure) => ended.add(tenure));
  return ended;
}

function lostTenures(references: ItemReferences): ReadonlySet<Tenure> {
  const lost = new Set<Tenure>();
  forEachLost(references, (tenure) => lost.add(tenure));
  return lost;
}

/** Whether nothing is left of the message, and this is the last of the tenures that have taken it away. */
function endsWith(message: SentMessage, tenure: Tenure, untold: readonly Tenure[]): boolean {
  const references = SentMessage.referencesOf(message);
  if (references === undefined) return false;
  let isLive = false;
  forEachGrant(references, ({ ended }) => {
    if (!ended) isLive = true;
  });
  if (isLive) return false;
  const lost = lostTenures(references);
  return untold.findLast((each) => lost.has(each)) === tenure;
}
