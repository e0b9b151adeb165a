// Recognizes messages of a stage that a reducer or a pipe has received before. Each stage numbers its messages. Called by reducer.ts and
// pipe.ts.
import { effect, type Effect, type Ref } from './actor.js';
import type { ReducerRequest, StageMessage } from './pipeline-messages.js';

/** The number of the last numbered message from each stage. */
export type StageNumbers = Map<Ref<StageMessage>, number>;

type Numbered = Extract<ReducerRequest, { readonly type: 'items' | 'punctuation' | 'revoked' }>;

function isNumbered(message: { readonly type: string }): message is Numbered {
  return message.type === 'items' || message.type === 'punctuation' || message.type === 'revoked';
}

/** Returns false for a repeated message. Otherwise items would be processed twice, or punctuation answered twice. */
export function acceptNumber(
  lastReceived: StageNumbers,
  message: { readonly type: string },
  effects: { push(repeat: Effect<never>): unknown },
): boolean {
  if (!isNumbered(message)) return true;
  if (message.number <= (lastReceived.get(message.stage) ?? 0)) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  lastReceived.set(message.stage, message.number);
  return true;
}
