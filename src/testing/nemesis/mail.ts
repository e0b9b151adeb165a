// Mail between actors that comes late or twice. The order between the same two actors always stays: behind a message that is
// held, later ones of that pair wait.
import type { Intercept, Ref, Runtime } from '../../../supervision/index.js';
import type { Dice } from '../dice.js';
import { isMeant } from './whom.js';
import type { Letters } from './types.js';

interface Held {
  readonly due: number;
  readonly go: () => void;
}

export interface Mail {
  readonly deliver: NonNullable<Intercept['deliver']>;
  delay(letters: Letters, ms: number): () => void;
  duplicate(letters: Letters, probability: number): () => void;
  /** Delivers what is held, in order, and forgets every wish. */
  calm(): void;
}

export function createMail({ clock, timers }: Runtime, dice: Dice): Mail {
  const delays = new Set<{ readonly letters: Letters; readonly ms: number }>();
  const duplicates = new Set<{ readonly letters: Letters; readonly probability: number }>();
  const lines = new Map<string, { readonly held: Held[]; cancel: () => void }>();

  const hold = (pair: string, due: number, go: () => void): void => {
    const line = lines.get(pair) ?? { held: [], cancel: () => {} };
    const last = line.held.at(-1)?.due ?? due;
    line.held.push({ due: Math.max(due, last), go });
    if (lines.has(pair)) return;
    lines.set(pair, line);
    wait(pair);
  };
  const wait = (pair: string): void => {
    const line = lines.get(pair);
    const [head] = line?.held ?? [];
    if (line === undefined) return;
    if (head === undefined) lines.delete(pair);
    else line.cancel = timers.after(head.due - clock.now(), () => (release(pair), wait(pair)));
  };
  const release = (pair: string): void => {
    const held = lines.get(pair)?.held ?? [];
    while (held[0] !== undefined && held[0].due <= clock.now()) held.shift()?.go();
  };

  return {
    deliver: (delivery, go) => {
      const { from, to, message } = delivery;
      const meant = ({ letters }: { readonly letters: Letters }): boolean => isLetter(letters, from, to, message);
      const copies = [...duplicates].some((wish) => meant(wish) && dice.chance(wish.probability)) ? 2 : 1;
      const ms = Math.max(0, ...[...delays].filter(meant).map((wish) => wish.ms));
      const pair = `${from?.id ?? ''}>${to.id}`;
      for (let copy = 0; copy < copies; copy += 1) {
        if (ms > 0 || lines.has(pair)) hold(pair, clock.now() + ms, go);
        else go();
      }
    },
    delay: (letters, ms) => wished(delays, { letters, ms }),
    duplicate: (letters, probability) => wished(duplicates, { letters, probability }),
    calm: () => {
      delays.clear();
      duplicates.clear();
      for (const { held, cancel } of lines.values()) {
        cancel();
        for (const { go } of held) go();
      }
      lines.clear();
    },
  };
}

function wished<T>(wishes: Set<T>, wish: T): () => void {
  wishes.add(wish);
  return () => void wishes.delete(wish);
}

function isLetter(letters: Letters, from: Ref<never> | undefined, to: Ref<never>, message: unknown): boolean {
  if (letters.to !== undefined && !isMeant(letters.to, to.path)) return false;
  if (letters.from !== undefined && (from === undefined || !isMeant(letters.from, from.path))) return false;
  return letters.type === undefined || letters.type === (message as { readonly type?: unknown } | null)?.type;
}
