// Keepers that break one rule of the protocol each: what exploring them has to find.
import { leaseKeeper } from '../../actors/lease-keeper.js';
import type { LeaseKeeperMessage, LeaseKeeperOptions, LeaseKeeperState } from '../../actors/lease-keeper.js';
import type { KeeperBehaviour, Scene } from './world.js';

export interface Mutant {
  readonly name: string;
  readonly make: (options: LeaseKeeperOptions) => KeeperBehaviour;
}

/** A keeper whose state is bent before it hears a message. */
function bent(
  bend: (state: LeaseKeeperState, message: LeaseKeeperMessage, options: LeaseKeeperOptions) => void,
): Mutant['make'] {
  return (options) => {
    const behaviour = leaseKeeper(options);
    return {
      ...behaviour,
      receive(state, message) {
        bend(state, message, options);
        return behaviour.receive(state, message);
      },
    };
  };
}

export const mutants: readonly Mutant[] = [
  {
    name: 'hands over beside calls of a crashed worker',
    make: bent((state) => {
      state.callsMayRun = false;
      state.handedOut.clear();
    }),
  },
];

export function mutated(scene: Scene, name: string | undefined): Scene {
  if (name === undefined) return scene;
  const mutant = mutants.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no mutant ${name}`);
  return { ...scene, keeper: mutant.make };
}
