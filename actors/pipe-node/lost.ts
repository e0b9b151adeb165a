// Tenures that have ended: what belongs to them is taken out of everything that the node holds, because it will come again elsewhere. A
// state takes it out of itself in `handleLost`; if it cannot, what it emits later is counted as `foldedAfterLoss`.
import { effect } from '../protocol/actor.js';
import { isFlushMark } from '../protocol/pipe-messages.js';
import { leaseOf, SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import type { Tenure } from '../protocol/tenure.js';
import { callOf, CallContext } from './calls.js';
import { failNode } from './ending.js';
import { bringBackEmpty } from './route-uses.js';
import { noteDue } from './tasks.js';
import { keepsNothing, keptReferences, noteKept, type RouteState } from './route-states.js';
import type { NodeTurn } from './state.js';
import { NonRetryableError } from '../../src/api/failure-policy.js';
import { ignoreRejection, isThenable } from '../../src/core/callback.js';
import { hasCallback } from '../../src/core/built-callbacks.js';
import { HeldBundle } from '../../src/core/holding.js';
import { forEachTenure, forEachEndedTenure, isBundle, withoutEnded } from '../../src/core/references.js';

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
    if (live === undefined) state.queuedBytes -= SentMessage.sizeOf(entry);
    else if (hasLost && isBundle(live)) folded += 1;
    return live !== undefined;
  });
  if (dropped > 0) effects.push(effect.count('droppedMessages', dropped));
  if (folded > 0) effects.push(effect.count('foldedAfterLoss', folded));
  for (const routeState of state.routeStates.values()) loseFrom(turn, routeState);
  bringBackEmpty(state);
  hurryLost(turn);
}

/** A failed call that is about nothing any more does not wait out its retry delay. */
function hurryLost({ state, now }: NodeTurn): void {
  const { waiting } = state;
  if (waiting === undefined || waiting.isTrying || waiting.dueAt === Infinity) return;
  const { message, routeState } = waiting.call;
  const references = message === undefined ? undefined : SentMessage.referencesOf(message);
  const isLost = references === undefined ? keepsNothing(routeState) : withoutEnded(references).live === undefined;
  if (isLost) waiting.dueAt = now;
}

function loseFrom(turn: NodeTurn, routeState: RouteState): void {
  for (const tenure of routeState.tenures) if (tenure.ended) routeState.tenures.delete(tenure);
  const ended = endedTenures(routeState);
  if (ended.size === 0) return;
  routeState.hasLost = true;
  const call = turn.state.waiting?.call;
  if (call?.routeState === routeState && call.parts !== undefined) call.parts.isStale = true;
  const { definition } = turn.options;
  // Whether there is a `handleLost` may depend on the state. Without one, the state still has the values of lost leases.
  const handleLost = hasCallback(definition, routeState.state, 'handleLost') ? definition.handleLost : undefined;
  const untold = [...ended].filter((tenure) => !routeState.told.has(tenure));
  for (const tenure of untold) {
    routeState.told.add(tenure);
    if (handleLost === undefined) continue;
    const messages = [...routeState.kept].filter((message) => isLastTakenBy(message, tenure, untold));
    try {
      const context = new CallContext(turn.options, callOf('handleMessage', routeState));
      const state: unknown = handleLost(routeState.state, { lease: leaseOf(tenure), messages }, context);
      if (isThenable(ignoreRejection(state)))
        throw new NonRetryableError(`${turn.options.name}: handleLost must return the state, got a promise`);
      routeState.state = state;
    } catch (error) {
      failNode(turn, error);
      return;
    }
  }
  for (const message of routeState.kept) {
    const references = SentMessage.referencesOf(message);
    if (references === undefined) continue;
    const hasLost = lostTenures(references).size > 0;
    const { live } = withoutEnded(references);
    SentMessage.setReferences(message, live);
    // Without `handleLost` the state still has the message and will name it, so the message stays in `kept`.
    if (live === undefined && handleLost !== undefined) routeState.kept.delete(message);
    else if (hasLost) routeState.withLost.add(message);
  }
  for (const holding of routeState.holdings) HeldBundle.dropEnded(holding, handleLost !== undefined);
  noteKept(routeState, turn.now);
  // A route that holds nothing any more ends once it is idle, so it may be due earlier than before.
  noteDue(turn, routeState);
}

function endedTenures(routeState: RouteState): ReadonlySet<Tenure> {
  const ended = new Set<Tenure>();
  for (const references of keptReferences(routeState)) forEachEndedTenure(references, (tenure) => ended.add(tenure));
  return ended;
}

function lostTenures(references: ItemReferences): ReadonlySet<Tenure> {
  const lost = new Set<Tenure>();
  forEachEndedTenure(references, (tenure) => lost.add(tenure));
  return lost;
}

/** Whether nothing is left of the message, and this tenure is the last of `untold` that it has belonged to. */
function isLastTakenBy(message: SentMessage, tenure: Tenure, untold: readonly Tenure[]): boolean {
  const references = SentMessage.referencesOf(message);
  if (references === undefined) return false;
  let isLive = false;
  forEachTenure(references, ({ ended }) => {
    if (!ended) isLive = true;
  });
  if (isLive) return false;
  const lost = lostTenures(references);
  return untold.findLast((each) => lost.has(each)) === tenure;
}
