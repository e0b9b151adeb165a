// What a state of a pipe's node holds back: the items of messages whose values the state has taken in. The bundle is private, so user code,
// which keeps the holding in its state, cannot change it.
import {
  addTo,
  emptyBundle,
  isEmptyBundle,
  withoutEnded,
  type Bundle,
  type EndableTenure,
  type References,
} from './references.js';
import { hideClass } from './hidden-class.js';

type AnyReferences = References<EndableTenure, unknown>;

/** What was taken out of a holding. */
export interface Taken {
  readonly references: AnyReferences | undefined;
  /** A part that the state may still contain was lost before. */
  readonly hasLost: boolean;
  /** Nothing is left, because all of it was lost. */
  readonly isGone: boolean;
}

/** Made empty by `createHolding` (src/pipes/holding.ts), and filled only by the actor of the node. */
export class HeldBundle {
  #bundle: Bundle<EndableTenure, unknown> = emptyBundle();
  #messages = 0;
  #sizeBytes = 0;
  /** A part of it has ended since it was empty; and the state may still contain that part. */
  #hasEnded = false;
  #hasLost = false;

  /** How many messages were kept in it since it was last emitted or dropped. */
  get messages(): number {
    return this.#messages;
  }

  /** The sum of their `sizeBytes`. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  static isHolding(value: unknown): value is HeldBundle {
    return typeof value === 'object' && value !== null && #bundle in value;
  }

  // Asked of the fields themselves: user code may give its object members of these names.

  static isEmpty(holding: HeldBundle): boolean {
    return holding.#messages === 0;
  }

  /** How many messages were kept in it. `fewest`: the state may have taken out those of ended leases. */
  static countIn(holding: HeldBundle): { readonly fewest: number; readonly most: number } {
    return { fewest: holding.#hasEnded ? 0 : holding.#messages, most: holding.#messages };
  }

  static sizeOf(holding: HeldBundle): number {
    return holding.#sizeBytes;
  }

  /** It held something, of which nothing is left, because all leases have ended. */
  static isGone(holding: HeldBundle): boolean {
    return holding.#hasEnded && isEmptyBundle(holding.#bundle);
  }

  /** Moves a message in. `hasLost`: the state kept it as itself before, and could not take out a part whose lease had ended. */
  static add(
    holding: HeldBundle,
    references: AnyReferences | undefined,
    { sizeBytes, hasLost }: { readonly sizeBytes: number; readonly hasLost: boolean },
  ): void {
    // Undefined: it stands for nothing.
    if (references !== undefined) addTo(holding.#bundle, references);
    holding.#messages += 1;
    holding.#sizeBytes += sizeBytes;
    if (!hasLost) return;
    holding.#hasEnded = true;
    holding.#hasLost = true;
  }

  /** What it holds. */
  static peek(holding: HeldBundle): Bundle<EndableTenure, unknown> {
    return holding.#bundle;
  }

  /** Takes everything out. */
  static take(holding: HeldBundle): Taken {
    const bundle = holding.#bundle;
    const references = isEmptyBundle(bundle) ? undefined : bundle;
    const hasLost = holding.#hasLost;
    const isGone = HeldBundle.isGone(holding);
    holding.#bundle = emptyBundle();
    holding.#messages = 0;
    holding.#sizeBytes = 0;
    holding.#hasEnded = false;
    holding.#hasLost = false;
    return { references, hasLost, isGone };
  }

  /** Takes out what belongs to ended tenures. `wasSubtracted`: the state has taken it out, too. */
  static dropEnded(holding: HeldBundle, wasSubtracted: boolean): void {
    const { hasLost } = withoutEnded(holding.#bundle);
    holding.#hasEnded ||= hasLost;
    // `handleLost` takes the part out of a state that has one holding for each lease. If something is left, the holding has several leases,
    // and the part is still folded into the state.
    if (hasLost && (!wasSubtracted || !isEmptyBundle(holding.#bundle))) holding.#hasLost = true;
    // Otherwise the state may keep values that now stand for nothing, so they still count in `messages` and `sizeBytes`.
    if (isEmptyBundle(holding.#bundle) && wasSubtracted) {
      holding.#messages = 0;
      holding.#sizeBytes = 0;
    }
  }
}

hideClass(HeldBundle);
