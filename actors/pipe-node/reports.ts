// What a node reports to its pipe, at the end of each turn.
import { effect } from '../protocol/actor.js';
import { takeSettled } from './settled.js';
import type { NodeTurn, PipeNodeState } from './state.js';

/** Every report has a number, so that the pipe drops a repeated one. */
export function reportIdentity(
  options: { readonly index: number },
  state: PipeNodeState,
): { node: number; number: number } {
  state.reports += 1;
  return { node: options.index, number: state.reports };
}

/** What is settled comes before the marks behind it: a mark says that everything before it was settled or kept. */
export function sendReports({ options, state, effects }: NodeTurn): void {
  const { pipeRef } = options;
  const settled = takeSettled(state.settled);
  if (settled.length > 0)
    effects.push(effect.send(pipeRef, { type: 'settled', ...reportIdentity(options, state), settled }));
  for (const mark of state.flushedMarks)
    effects.push(effect.send(pipeRef, { type: 'flushed', ...reportIdentity(options, state), mark }));
  state.flushedMarks = [];
  const isWaiting = state.waiting !== undefined;
  if (isWaiting === state.reportedWaiting) return;
  state.reportedWaiting = isWaiting;
  effects.push(effect.send(pipeRef, { type: 'nodeWaits', ...reportIdentity(options, state), isWaiting }));
}
