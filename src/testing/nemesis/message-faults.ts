// Delivers messages between actors late or twice. Two actors' messages stay in order: later ones wait behind one that is held.
import type { Intercept, Ref, Runtime } from '../../../supervision/index.js';
import type { Dice } from '../dice.js';
import { isTarget } from './targets.js';
import type { MessageFilter } from './types.js';

interface Held {
  readonly due: number;
  readonly deliver: () => void;
}

export interface MessageFaults {
  readonly deliver: NonNullable<Intercept['deliver']>;
  delay(filter: MessageFilter, ms: number): () => void;
  duplicate(filter: MessageFilter, probability: number): () => void;
  /** Delivers all held messages in order, and removes every filter. */
  heal(): void;
}

export function createMessageFaults({ clock, timers }: Runtime, dice: Dice): MessageFaults {
  const delays = new Set<{ readonly filter: MessageFilter; readonly ms: number }>();
  const duplicates = new Set<{ readonly filter: MessageFilter; readonly probability: number }>();
  const queues = new Map<string, { readonly held: Held[]; cancel: () => void }>();

  const hold = (pair: string, due: number, deliver: () => void): void => {
    const queue = queues.get(pair) ?? { held: [], cancel: () => {} };
    const last = queue.held.at(-1)?.due ?? due;
    queue.held.push({ due: Math.max(due, last), deliver });

    if (queues.has(pair)) return;
    queues.set(pair, queue);
    scheduleRelease(pair);
  };
  const scheduleRelease = (pair: string): void => {
    const queue = queues.get(pair);
    const [head] = queue?.held ?? [];
    if (queue === undefined) return;
    if (head === undefined) queues.delete(pair);
    else queue.cancel = timers.after(head.due - clock.now(), () => (release(pair), scheduleRelease(pair)));
  };
  const release = (pair: string): void => {
    const held = queues.get(pair)?.held ?? [];
    while (held[0] !== undefined && held[0].due <= clock.now()) held.shift()?.deliver();
  };

  return {
    deliver: (delivery, deliver) => {
      const { from, to, message } = delivery;
      const fits = ({ filter }: { readonly filter: MessageFilter }): boolean => matches(filter, from, to, message);
      const copies = [...duplicates].some((rule) => fits(rule) && dice.chance(rule.probability)) ? 2 : 1;
      const ms = Math.max(0, ...[...delays].filter(fits).map((rule) => rule.ms));

      const pair = `${from?.id ?? ''}>${to.id}`;
      for (let copy = 0; copy < copies; copy += 1) {
        if (ms > 0 || queues.has(pair)) hold(pair, clock.now() + ms, deliver);
        else deliver();
      }
    },
    delay: (filter, ms) => addRule(delays, { filter, ms }),
    duplicate: (filter, probability) => addRule(duplicates, { filter, probability }),
    heal: () => {
      delays.clear();
      duplicates.clear();
      for (const { held, cancel } of queues.values()) {
        cancel();
        for (const { deliver } of held) deliver();
      }
      queues.clear();
    },
  };
}

function addRule<T>(rules: Set<T>, rule: T): () => void {
  rules.add(rule);
  return () => void rules.delete(rule);
}

function matches(filter: MessageFilter, from: Ref<never> | undefined, to: Ref<never>, message: unknown): boolean {
  if (filter.to !== undefined && !isTarget(filter.to, to.path)) return false;
  if (filter.from !== undefined && (from === undefined || !isTarget(filter.from, from.path))) return false;
  return filter.type === undefined || filter.type === (message as { readonly type?: unknown } | null)?.type;
}
