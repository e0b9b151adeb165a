// Keepers that each break one rule of the protocol, which the search must find.
import {
  leaseKeeper,
  type LeaseKeeperMessage,
  type LeaseKeeperOptions,
  type LeaseKeeperState,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { KeeperBehaviour, Scene } from './world.js';

export interface Mutant {
  readonly name: string;
  readonly make: (options: LeaseKeeperOptions) => KeeperBehaviour;
}

/** A keeper whose state is changed before each message, or that gets another message instead. */
function bent(
  bend: (
    state: LeaseKeeperState,
    message: LeaseKeeperMessage,
    options: LeaseKeeperOptions,
  ) => LeaseKeeperMessage | undefined | void,
): Mutant['make'] {
  return (options) => {
    const behaviour = leaseKeeper(options);
    return {
      ...behaviour,
      receive: (state, message) => behaviour.receive(state, bend(state, message, options) ?? message),
    };
  };
}

function stopAwaitingCalls({ leftovers }: LeaseKeeperState): void {
  if (leftovers.callsLeftBehind === 'awaited') leftovers.callsLeftBehind = 'possible';
}

export const mutants: readonly Mutant[] = [
  {
    name: 'hands over beside calls of a crashed worker',
    make: bent((state) => {
      stopAwaitingCalls(state);
      state.leftovers.handedOut.clear();
    }),
  },
  {
    name: 'hands over without waiting for its worker',
    make: bent(({ receivedWish, tenure }) => {
      if (receivedWish?.phase === 'draining' && tenure?.revoked === false) receivedWish.phase = 'ready';
    }),
  },
  {
    // A worker whose tenure has died ends while its calls still run: that no worker is left proves nothing.
    name: 'forgets what a tenure that died has left open',
    make: bent((state) => {
      if (state.tenure !== undefined || state.releaseOrder !== undefined) return;
      state.leftovers.handedOut.clear();
      stopAwaitingCalls(state);
    }),
  },
  {
    name: 'takes a shard without a worker for one without calls',
    make: bent((state) => {
      if (state.tenure !== undefined) return;
      state.leftovers.callsLeftBehind = 'none';
    }),
  },
  {
    name: 'an author that stops lets its wish stand',
    make: bent(({ phase, wishing, releaseOrder }) => {
      if (phase === 'wishing' && wishing !== undefined && releaseOrder !== undefined) wishing.number = 0;
    }),
  },
  {
    name: 'an answered renewal is good from the answer on',
    make: bent((state, message, { clock }) => {
      if (message.type === 'written' && state.writes.current?.kind === 'renew')
        state.writes.current = { ...state.writes.current, startedAt: clock.now() };
    }),
  },
  {
    name: 'a holder that renews rarely counts as dead',
    make: bent(({ phase, wishing, clocks }) => {
      if (phase === 'wishing' && wishing !== undefined) wishing.counterAt = clocks.bornAt;
    }),
  },
  {
    // The refusal may mean that the lease has just been handed over to the author.
    name: 'a withdrawal that is refused counts as done',
    make: bent(({ phase, releaseOrder }, message) =>
      phase === 'wishing' && releaseOrder !== undefined && message.type === 'wished'
        ? { ...message, outcome: { type: 'written' } }
        : undefined,
    ),
  },
];

export function mutated(scene: Scene, name: string | undefined): Scene {
  if (name === undefined) return scene;
  const mutant = mutants.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no mutant ${name}`);
  return { ...scene, keeper: mutant.make };
}
