// What a state of a pipe's node holds back: the items of messages whose values the state has taken in. The bundle is private, so user code,
// which keeps the holding in its state, cannot change it.
import {
  addTo,
  emptyBundle,
  forEachTenure,
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
  /** Those of them that stand for nothing: no loss takes them out. */
  #messagesOfNothing = 0;
  #bytesOfNothing = 0;
  /** Those that stand for one lease alone, by this lease. Lost leases are not among them. */
  readonly #messagesOfOne = new Map<EndableTenure, number>();
  /** Those that stand for several leases, and came after the last loss. */
  #messagesOfSeveral = 0;
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

  static countIn(holding: HeldBundle): number {
    return holding.#messages;
  }

  /** How many of them the state must still have, whatever it has taken out for lost leases. */
  static fewestIn(holding: HeldBundle): number {
    let fewest = holding.#messagesOfNothing + holding.#messagesOfSeveral;
    for (const messages of holding.#messagesOfOne.values()) fewest += messages;
    return fewest;
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
    // What the holding had before was lost, and is not in the state any more.
    if (holding.#messages === 0) [holding.#hasEnded, holding.#hasLost] = [false, false];
    holding.#messages += 1;
    holding.#sizeBytes += sizeBytes;
    if (references !== undefined) {
      holding.#countFor(references);
      addTo(holding.#bundle, references);
    } else if (!hasLost) {
      holding.#messagesOfNothing += 1;
      holding.#bytesOfNothing += sizeBytes;
    }
    if (!hasLost) return;
    holding.#hasEnded = true;
    holding.#hasLost = true;
  }

  #countFor(references: AnyReferences): void {
    let only: EndableTenure | undefined;
    let isOne = true;
    forEachTenure(references, (tenure) => {
      only ??= tenure;
      if (tenure !== only) isOne = false;
    });
    if (only !== undefined && isOne) this.#messagesOfOne.set(only, (this.#messagesOfOne.get(only) ?? 0) + 1);
    else this.#messagesOfSeveral += 1;
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
    [holding.#messages, holding.#sizeBytes] = [0, 0];
    [holding.#messagesOfNothing, holding.#bytesOfNothing] = [0, 0];
    holding.#messagesOfOne.clear();
    holding.#messagesOfSeveral = 0;
    holding.#hasEnded = false;
    holding.#hasLost = false;
    return { references, hasLost, isGone };
  }

  /** Takes out what belongs to ended tenures. `wasSubtracted`: the state has taken it out, too. */
  static dropEnded(holding: HeldBundle, wasSubtracted: boolean): void {
    const { hasLost } = withoutEnded(holding.#bundle);
    if (!hasLost) return;
    holding.#hasEnded = true;
    for (const tenure of holding.#messagesOfOne.keys()) if (tenure.ended) holding.#messagesOfOne.delete(tenure);
    holding.#messagesOfSeveral = 0;
    const isEmptied = wasSubtracted && isEmptyBundle(holding.#bundle);
    // `handleLost` takes the part out of a state that has one holding for each lease. If something is left, the holding has several leases,
    // and the part is still folded into the state. Its values still count in `messages` and `sizeBytes`, though they stand for nothing.
    if (!isEmptied) {
      holding.#hasLost = true;
      return;
    }
    holding.#messages = holding.#messagesOfNothing;
    holding.#sizeBytes = holding.#bytesOfNothing;
    // What is left has never stood for anything, so it goes on, unless a lost part is folded into it.
    if (holding.#messages > 0 && !holding.#hasLost) holding.#hasEnded = false;
  }
}

hideClass(HeldBundle);
