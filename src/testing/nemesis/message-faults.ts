// Delivers messages between actors late or twice. Two actors' messages stay in order: later ones wait behind one that is held.
import type { Intercept, Ref, Runtime } from '../../../supervision/index.js';
import type { Dice } from '../dice.js';
import { isMeant } from './targets.js';
import type { MessageFilter } from './types.js';

interface Held {
  readonly due: number;
  readonly go: () => void;
}

export interface Mail {
  readonly deliver: NonNullable<Intercept['deliver']>;
  delay(filter: MessageFilter, ms: number): () => void;
  duplicate(filter: MessageFilter, probability: number): () => void;
  /** Delivers all held messages in order, and removes every filter. */
  heal(): void;
}

export function createMail({ clock, timers }: Runtime, dice: Dice): Mail {
  const delays = new Set<{ readonly filter: MessageFilter; readonly ms: number }>();
  const duplicates = new Set<{ readonly filter: MessageFilter; readonly probability: number }>();
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
      const meant = ({ filter }: { readonly filter: MessageFilter }): boolean => passes(filter, from, to, message);
      const copies = [...duplicates].some((rule) => meant(rule) && dice.chance(rule.probability)) ? 2 : 1;
      const ms = Math.max(0, ...[...delays].filter(meant).map((rule) => rule.ms));
      const pair = `${from?.id ?? ''}>${to.id}`;
      for (let copy = 0; copy < copies; copy += 1) {
        if (ms > 0 || lines.has(pair)) hold(pair, clock.now() + ms, go);
        else go();
      }
    },
    delay: (filter, ms) => added(delays, { filter, ms }),
    duplicate: (filter, probability) => added(duplicates, { filter, probability }),
    heal: () => {
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

function added<T>(rules: Set<T>, rule: T): () => void {
  rules.add(rule);
  return () => void rules.delete(rule);
}

function passes(filter: MessageFilter, from: Ref<never> | undefined, to: Ref<never>, message: unknown): boolean {
  if (filter.to !== undefined && !isMeant(filter.to, to.path)) return false;
  if (filter.from !== undefined && (from === undefined || !isMeant(filter.from, from.path))) return false;
  return filter.type === undefined || filter.type === (message as { readonly type?: unknown } | null)?.type;
}
