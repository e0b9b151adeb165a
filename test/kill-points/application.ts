// The application of these tests, in every form that a reducer has. It notes each item when it is handed out, and as done when
// kinact counts it as done. The world decides how long a call takes, and whether it throws.
import { defineReducer, type Item, type ReducerDefinition } from '../../src/api/reducer.js';

/** A pipe is another option of the consumer, with a reducer before it or without: see piping.ts and emitting.ts. */
export type Form = 'folds' | 'flushes' | 'batches' | 'by hand' | 'raw' | 'pipe' | 'emits';

type Alone = Exclude<Form, 'pipe' | 'emits'>;

export interface Work {
  /** An item is handed out. May throw. */
  note(item: Item<string>): void;
  acknowledged(ids: readonly string[]): void;
  pause(ms: number): Promise<void>;
  /** How long this call takes. With 0 it returns at once, without a promise. */
  callMs(of: 'reduce' | 'flush'): number;
  /** A flush is about to be done. May throw. */
  beforeFlush(): void;
}

export function application(form: Alone, work: Work): ReducerDefinition {
  return forms[form](work);
}

const forms: Readonly<Record<Alone, (work: Work) => ReducerDefinition>> = {
  folds: ({ note, acknowledged, pause, callMs }) =>
    defineReducer({
      init: () => 0,
      reduce: (count: number, item: Item<string>) => {
        note(item);
        const ms = callMs('reduce');
        if (ms > 0) return pause(ms).then(() => (acknowledged([item.value]), count + 1));
        acknowledged([item.value]);
        return count + 1;
      },
    }),

  flushes: ({ note, acknowledged, pause, callMs, beforeFlush }) =>
    defineReducer({
      init: (): string[] => [],
      reduce: (batch: string[], item: Item<string>) => {
        note(item);
        return [...batch, item.value];
      },
      batch: { size: 12, intervalMs: 400 },
      flush: async (batch) => {
        await pause(callMs('flush'));
        beforeFlush();
        acknowledged(batch);
        return [];
      },
    }),

  batches: ({ note, acknowledged, pause, callMs, beforeFlush }) =>
    defineReducer<string>({
      process: async (items) => {
        for (const item of items) note(item);
        await pause(callMs('flush'));
        beforeFlush();
        acknowledged(items.map(({ value }) => value));
      },
      batch: { size: 12, intervalMs: 400 },
      timeoutMs: 1_500,
    }),

  'by hand': ({ note, acknowledged, pause, callMs }) =>
    defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (count: number, item: Item<string>, { ack }) => {
        note(item);
        void pause(10 + callMs('reduce')).then(() => {
          acknowledged([item.value]);
          ack(item.token);
        });
        return count;
      },
    }),

  raw: ({ note, acknowledged, pause, callMs }) =>
    defineReducer({
      init: (): Item<string>[] => [],
      // Keeps the items until a message asks for them, like an application with its own buffer.
      behaviour: async (kept: Item<string>[], message, { ack }) => {
        if (message.type === 'items') {
          for (const item of message.items as readonly Item<string>[]) note(item);
          return [...kept, ...(message.items as readonly Item<string>[])];
        }
        if (message.type === 'revoked')
          return kept.filter(({ shardId, fence }) => shardId !== message.shardId || fence !== message.fence);
        await pause(1 + callMs('flush'));
        acknowledged(kept.map(({ value }) => value));
        for (const { token } of kept) ack(token);
        return [];
      },
    }),
};
