// What the reducers of the simulated application are made of: the dice, the failures and the waits of a process, and what they must
// tell the oracle.
import type { Item, ReducerContext } from '../../src/api/reducer.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { Dice } from './dice.js';

/** Waits in the time of the process, within a call. */
export type Pause = (ms: number) => Promise<void>;

export interface Work {
  readonly dice: Dice;
  readonly slow: boolean;
  /** Whether this call takes seconds (`world.lingering`). */
  lingers(): boolean;
  /** Whether its process is to give the lease of this item away: another worker asks for it, the shard is closed, or the process stops. */
  isToGo(item: Item<string>): boolean;
  /** `together`: the items that the call got before this one, if an item that fails is called alone (I51). */
  note(item: Item<string>, together?: readonly string[]): void;
  /** These items count as done from now on. */
  finish(items: readonly Item<string>[]): void;
  /** Throws if the call is poisoned (`world.poison`), or has a bad item (`world.badItems`): these items then fail, or `all` of the call. */
  fail(items: readonly Item<string>[], all?: readonly Item<string>[]): void;
  /** Whether each call with this item fails, wherever it is called (`world.badItems`). */
  isBadForAll(item: Item<string>): boolean;
  /** Whether each call with this item fails while `world.poison` lasts. */
  isBad(item: Item<string>): boolean;
  /** Computes for a while if the world demands it (`world.blocking`): nothing else in this process runs in that time. */
  compute(): void;
  /** Waits in this process's time. It never ends if the process dies, or if the call hangs (`world.hangs`). */
  pause: Pause;
  /**
   * Runs a call with these items, for which kinact waits. Its `pause` may take longer than `timeoutMs` (`world.overdue`). Then it obeys
   * the signal of the call, and fails, or it does not. `slots`: how many calls of the reducer may be under way. Default: 1.
   */
  call<Result>(
    items: readonly Item<string>[],
    context: Pick<ReducerContext, 'reducer' | 'signal'>,
    run: (pause: Pause) => Promise<Result>,
    slots?: number,
  ): Promise<Result>;
}

/** The error of a failed call, with the items or the record that fail with it. */
export class Poisoned extends Error {
  readonly items: readonly Item<string>[];
  readonly record: UserRecord | undefined;
  constructor(items: readonly Item<string>[], record?: UserRecord) {
    super(`poisoned ${record?.sequenceNumber ?? items.map(({ value }) => value).join(' ')}`);
    this.items = items;
    this.record = record;
  }
}

export const lingerMs = (dice: Dice): number => dice.between(500, 6_000);
