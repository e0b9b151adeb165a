// Tells the consumer the address of an actor at each of its starts, before the actor's first turn. `tree.ts` and `wiring.ts` call it.
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';

// Behaviours of different actors have no other type in common.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyBehaviour = Behaviour<any, any>;

export function onStart<Message>(behaviour: AnyBehaviour, started: (self: Ref<Message>) => unknown): AnyBehaviour {
  return {
    ...behaviour,
    // A `Ref<unknown>` takes any message, so it fits the address of every behaviour.
    initial: (self: Ref<unknown>) => {
      started(self);
      return behaviour.initial(self) as ReturnType<AnyBehaviour['initial']>;
    },
  };
}
