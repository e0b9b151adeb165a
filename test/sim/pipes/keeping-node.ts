// A node of the simulation's own: it keeps messages one by one, and sends them on or drops them some time later.
import { defineNode, type NodeOptions } from '../../../src/pipes/define-node.js';
import type { NodeDefinition, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import type { Piece } from './grain.js';
import type { Steps } from './steps.js';

type Kept = readonly PipeMessage<Piece>[];

export function keeping(
  { act, dice, done, exits, give, rest }: Steps,
  options: NodeOptions,
): NodeDefinition<Kept, Piece, Piece> {
  const size = dice.pick([2, 5, 25]);
  const intervalMs = dice.pick([50, 1_000, 6_000]);
  const dropsSome = dice.chance(0.5);
  const loses = dice.chance(0.8);

  /** Everything goes: in order, but some of it is dropped. */
  const all = (messages: Kept): NodeResult<Kept, Piece> => {
    const dropped = messages.filter(() => dropsSome && dice.chance(0.1));
    for (const { value } of dropped) done(value);
    const sent = messages.filter((message) => !dropped.includes(message));
    return { state: [], outputs: sent.map((message) => ({ value: message.value, of: [message] })), drop: dropped };
  };

  return defineNode<Kept, Piece, Piece>({
    ...options,
    name: 'keeping',
    init: () => [],
    handleMessage: (messages, message, context) =>
      act([message.value], context, () => {
        const isFull = messages.length + 1 >= size;
        const exit = exits();
        if (isFull) return { ...all([...messages, message]), timerMs: null, exit };
        return {
          state: [...messages, message],
          keep: [message],
          ...(messages.length === 0 ? { timerMs: intervalMs } : {}),
          exit,
        };
      }),
    handleTimer: (messages, context) => {
      const pieces = messages.map(({ value }) => value);
      return loses ? give(pieces, context, () => all(messages)) : act(pieces, context, () => all(messages));
    },
    handleFlush: (messages, context) => {
      const pieces = messages.map(({ value }) => value);
      return loses ? give(pieces, context, () => all(messages)) : act(pieces, context, () => all(messages));
    },
    terminate: () => rest(),
    ...(loses
      ? { handleLost: (messages: Kept, lost) => messages.filter((each) => !lost.messages.includes(each)) }
      : {}),
  });
}
