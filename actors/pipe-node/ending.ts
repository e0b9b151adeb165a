// The end of a node. `upstreamFailed`: it processes what is here, flushes, drains, lets the next node do the same, and ends. A failed
// node does the same without another call but `terminate`. `downstreamFailed`: it drops what is queued, aborts the call that runs, waits
// for it, and ends.
import { effect, type ReplyTo } from '../protocol/actor.js';
import { CallContext, type Call, type NodeTask } from './calls.js';
import type { Message } from './messages.js';
import { dropQueue } from './queue.js';
import { reportIdentity } from './reports.js';
import type { NodeTurn } from './state.js';
import { endTask } from './tasks.js';
import { asError } from '../../src/core/thrown.js';

/** The policy says `crash`, or the node cannot go on. The pipe then ends the nodes in order. */
export function failNode(turn: NodeTurn, cause: unknown): void {
  const { options, state, effects } = turn;
  if (state.phase !== 'running' && state.phase !== 'exiting') return;
  state.phase = 'failed';
  dropWork(turn);
  // If the node was already asked to end, only the end of its states is left to do.
  if (state.endAsked.length > 0) state.pending.push(endTask({ options, state }, false));
  const error = asError(cause);
  effects.push(effect.send(options.pipeRef, { type: 'nodeEnds', ...reportIdentity(options, state), error }));
}

/** A callback has asked for the end. */
export function exitNode(turn: NodeTurn, { entries, replyTo }: NodeTask, { message }: Pick<Call, 'message'>): void {
  const { options, state, effects } = turn;
  if (state.phase !== 'running') return;
  state.phase = 'exiting';
  dropWork(turn);
  effects.push(effect.send(options.pipeRef, { type: 'nodeEnds', ...reportIdentity(options, state) }));
  // The whole feed is processed, so the first node answers it: the pipe has got `nodeEnds` before, and feeds no more.
  // Other nodes do not answer, because the node in front of them might feed more.
  const isFeedOver = message !== undefined && message === entries.at(-1);
  if (isFeedOver && replyTo !== undefined && options.index === 0) effects.push(effect.reply(replyTo, undefined));
}

/** Drops what has not been processed. It stays open, and comes again after the restart. */
function dropWork({ state }: NodeTurn): void {
  state.task = undefined;
  state.waiting = undefined;
  while (state.pending.shift() !== undefined);
}

export function upstreamFailed(turn: NodeTurn, { replyTo }: Message<'upstreamFailed'>): void {
  const { options, state } = turn;
  if (!addAsker(turn, replyTo) || state.endAsked.length > 1) return;
  const flushes = state.phase === 'running' || state.phase === 'exiting';
  if (state.phase === 'running') state.phase = 'exiting';
  state.pending.push(endTask({ options, state }, flushes));
}

export function downstreamFailed(turn: NodeTurn, { error, replyTo }: Message<'downstreamFailed'>): void {
  const { options, state } = turn;
  // A node that drains stops, too, when one behind it has failed.
  if (!addAsker(turn, replyTo) || state.phase === 'stopped') return;
  state.phase = 'stopped';
  state.stoppedWith = error;
  dropWork(turn);
  dropQueue(state);
  if (state.calling !== undefined) CallContext.abort(state.calling.context, error);
  state.pending.push(endTask({ options, state }, false));
}

/** Returns whether the message has come for the first time. */
function addAsker({ state, effects }: NodeTurn, replyTo: ReplyTo<void>): boolean {
  const isRepeated = state.endAsked.some(({ question }) => question === replyTo.question);
  if (isRepeated) effects.push(effect.count('repeatedMessages'));
  else state.endAsked.push(replyTo);
  return !isRepeated;
}

/** Takes the next step to the end, once every state has been ended. */
export function proceedEnd({ options, state, effects }: NodeTurn): void {
  const { next } = options;
  if (!state.isTerminated || state.endAsked.length === 0 || state.phase === 'ended') return;
  const isDrained = state.phase === 'stopped' || (state.queue.length === 0 && !state.isFeeding);
  if (!isDrained) return;
  if (next !== undefined && state.phase !== 'stopped') {
    if (!state.nextAsked) {
      state.nextAsked = true;
      effects.push(
        effect.ask(next, (replyTo) => ({ type: 'upstreamFailed', replyTo }), {
          answered: () => ({ type: 'nextEnded' }),
          failed: () => ({ type: 'nextStopped' }),
        }),
      );
    }
    if (!state.nextEnded) return;
  }
  state.phase = 'ended';
  for (const asker of state.endAsked) effects.push(effect.reply(asker, undefined));
  effects.push(effect.end());
}
