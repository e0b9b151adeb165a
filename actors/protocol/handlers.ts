// Calls one handler function per message type. Each actor's file lists its handlers in one table.
import { effect, type Effect } from './actor.js';

interface Typed {
  readonly type: string;
}

export type MessageOf<Message extends Typed, Type extends Message['type']> = Extract<Message, { readonly type: Type }>;

/** One handler per message type. A message that needs no action has a handler that does nothing. */
export type Handlers<Turn, Message extends Typed> = {
  readonly [Type in Message['type']]: (turn: Turn, message: MessageOf<Message, Type>) => void;
};

/** Calls the message's handler. An unknown message is only counted. */
export function handle<Turn extends { readonly effects: Effect<unknown>[] }, Message extends Typed>(
  handlers: Handlers<Turn, Message>,
  turn: Turn,
  message: Message,
): void {
  const handler = Object.hasOwn(handlers, message.type) ? handlers[message.type as Message['type']] : undefined;
  if (handler === undefined) turn.effects.push(effect.count('unknownMessage'));
  else (handler as (turn: Turn, message: Message) => void)(turn, message);
}
