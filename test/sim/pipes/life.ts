// I66: the life of each state of a node. `init` begins it and `terminate` ends it, once. Nothing else of the state is called afterwards.
import type { Process, World } from '../world.js';

/** A state of a node, from `init` to `terminate`. */
export interface Life {
  readonly name: string;
  readonly bornAt: number;
  isOver: boolean;
}

/** After the stop every state has been ended, unless its process was killed, or a call in it hangs. */
export function everyLifeEnds({ oracle, pipes }: World, { hasHung, machine }: Process): void {
  if (!machine.alive || hasHung || machine.standsStill()) return;
  for (const { name, bornAt, isOver } of pipes.lives.get(machine.name) ?? [])
    if (!isOver)
      oracle.violate('I66', `${name} of ${machine.name}, begun at ${Math.round(bornAt)}, was never terminated`);
}
