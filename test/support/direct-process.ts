// A reducer with `process` as plain functions, with the items of each of its calls.
import type { Ref } from '../../actors/protocol/actor.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { ReducerOptions } from '../../actors/reducer/reducer.js';
import type { FlushContext, Item, ProcessReducer } from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import { direct, type Effects } from './direct-reducer.js';
import { ofType, sent } from './direct.js';

type Process = (items: readonly Item<number>[], context: FlushContext) => unknown;

/** `calls` has the values of the items of each call. A batch has 3 items. */
export function processing(process: Process = () => {}, options: Partial<ReducerOptions> = {}) {
  const calls: (readonly number[])[] = [];
  const definition: ProcessReducer<number> = {
    process: (items, context) => {
      calls.push(items.map(({ value }) => value));
      return process(items, context);
    },
  };
  return { ...direct(definition, { batchSize: 3, ...options }), calls };
}

export const settledIn = (effects: Effects, stage: Ref<StageMessage>): number[] =>
  sent(effects, stage).flatMap((message: any) => message.dispositions?.flatMap((each: any) => each.ordinals) ?? []);
export const creditIn = (effects: Effects, stage: Ref<StageMessage>): number =>
  sent(effects, stage).reduce((sum, message: any) => sum + (message.credit ?? 0), 0);
export const punctuated = (effects: Effects, stage: Ref<StageMessage>): unknown[] =>
  sent(effects, stage).flatMap((message: any) => (message.type === 'punctuated' ? [message.waiting] : []));
export const timers = (effects: Effects): unknown[] => ofType(effects, 'after').map(({ key, ms }) => [key, ms]);

/** A reducer with `process` whose call fails if it gets a value of `bad`. Under `retry`, pauses are 100, 200, 400 ms and so on. */
export function failingProcess(bad: Set<number>, options: Partial<ReducerOptions> = {}) {
  const settled: number[] = [];
  const harness = processing(
    (items) => {
      const found = items.find(({ value }) => bad.has(value));
      if (found !== undefined) throw new Error(`no ${found.value}`);
    },
    // The longest delay of each attempt.
    { batchSize: 8, onFailure: retry({ minMs: 100 }), random: { next: () => 1 }, ...options },
  );
  const { stage, tell, clock } = harness;
  /** Finishes all calls, one after the other. */
  const drain = async (effects: Effects): Promise<Effects> => {
    const all = [...effects];
    settled.push(...settledIn(effects, stage));
    for (let last = effects; ofType(last, 'run').length > 0;) {
      last = await harness.end(last);
      settled.push(...settledIn(last, stage));
      all.push(...last);
    }
    return all;
  };
  return {
    ...harness,
    ...{ settled, drain },
    /** So much time passes, and the attempts that are due are made. */
    wait: async (ms: number) => {
      clock.move(ms);
      return drain(tell({ type: 'attemptDue' }));
    },
  };
}
