// What an actor does about each type of message: one function per type, all of one shape. An actor's file names them in one table.
import { effect } from './actor.js';
import type { Effect } from './actor.js';

interface Typed {
  readonly type: string;
}

/** The message of one type. */
export type MessageOf<Message extends Typed, Type extends Message['type']> = Extract<Message, { readonly type: Type }>;

/** `void` where there is nothing to do about a message: its sender wants no more than to be heard. */
export type Handlers<Turn, Message extends Typed> = {
  readonly [Type in Message['type']]: (turn: Turn, message: MessageOf<Message, Type>) => void;
};

/** An unknown message is only counted, so that nothing breaks. */
export function handle<Self, Turn extends { readonly effects: Effect<Self>[] }, Message extends Typed>(
  handlers: Handlers<Turn, Message>,
  turn: Turn,
  message: Message,
): void {
  const handler = Object.hasOwn(handlers, message.type) ? handlers[message.type as Message['type']] : undefined;
  if (handler === undefined) turn.effects.push(effect.count('unknownMessage'));
  else (handler as (turn: Turn, message: Message) => void)(turn, message);
}
