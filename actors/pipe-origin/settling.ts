// Which of the fed messages are done: a prefix of them, and ranges behind it. The application learns of the prefix by `onSettled`.
import { effect } from '../protocol/actor.js';
import { processed } from './calls.js';
import type { Message, OriginMessage } from './messages.js';
import type { OriginTurn } from './state.js';
import { addNumber, hasNumber } from '../../src/core/number-ranges.js';

export function disposed(turn: OriginTurn, { credit, dispositions }: Message<'disposed'>): void {
  const { options, state } = turn;
  const { offsets } = options;
  for (const { ordinals } of dispositions)
    for (const offset of ordinals) {
      if (offset >= offsets.next || hasNumber(state.settled, offset)) continue;
      addNumber(state.settled, offset);
      offsets.open -= 1;
    }
  const [from, to] = state.settled.bounds;
  if (from === offsets.first && to !== undefined) offsets.firstOpen = to + 1;
  if (credit > 0) processed(turn, credit);
}

/** Calls `onSettled`, if more is done than it knows. One call at a time: what is done meanwhile is in the next one. */
export function notify({ options, state, effects }: OriginTurn): void {
  const { onSettled, offsets } = options;
  const offset = offsets.firstOpen - 1;
  if (onSettled === undefined || state.isNoticing || state.noticed >= offset) return;
  state.noticed = offset;
  state.isNoticing = true;
  effects.push(
    effect.run({
      name: `onSettled#${offset}`,
      kind: 'user',
      start: () => onSettled(offset),
      done: (): OriginMessage => ({ type: 'noticed' }),
      failed: (error): OriginMessage => ({ type: 'noticed', failure: { error } }),
    }),
  );
}

export function noticed({ state, effects }: OriginTurn, { failure }: Message<'noticed'>): void {
  state.isNoticing = false;
  if (failure === undefined) return;
  const message = 'onSettled has failed; it is not called for this offset again';
  effects.push(effect.emit({ name: 'warning', data: { message, error: failure.error } }));
}
