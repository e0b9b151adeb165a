// A reducer actor as plain functions, with two stages. The test itself finishes the calls of user code that the reducer starts.
import type { Effect, Ref } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import type { ReducerRequest, StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { reducer, type ReducerActorMessage, type ReducerOptions } from '../../actors/reducer/reducer.js';
import type { FoldingReducer, Item, ProcessReducer } from '../../src/api/reducer.js';
import { finish, handClock, ofType, recordOf, ref, stepped, tenureOf } from './direct.js';

export type Effects = readonly Effect<ReducerActorMessage>[];
export type State = readonly number[];
type Calls = FoldingReducer<State, number>;
type Processes = ProcessReducer<number>;

/** A reducer whose state is the list of the values that it has folded, or one with `process`, and the messages of its stages. */
export function direct(definition: Partial<Calls> | Processes = {}, options: Partial<ReducerOptions> = {}) {
  const clock = handClock();
  const self = ref<ReducerActorMessage>('reducer/0#1');
  const stages = [ref<StageMessage>('stage/0#2'), ref<StageMessage>('stage/1#3')] as const;
  const [stage] = stages;
  const told: ReducerActorMessage[] = [];
  const fold = { init: (): State => [], reduce: (state: State, { value }: Item<number>) => [...state, value] };
  const whole = definition.process === undefined ? { ...fold, ...definition } : definition;
  const behaviour = reducer({
    ...{ index: 0, credit: 7, batchSize: 2, batchIntervalMs: 1_000, onFailure: 'crash', clock, stages },
    ...{ application: 'orders-app', answerDeadlineMs: 1_000, random: { next: () => 0 }, progress: { settled: 0 } },
    definition: whole as ReducerOptions['definition'],
    sendFromOutside: (_, message) => told.push(message),
    ...options,
  });
  const step = stepped(behaviour, self);
  const tenures = [tenureOf(0), tenureOf(1), tenureOf(2)];
  const numbers = new Map<Ref<never>, number>();
  const tell = (message: object, from: Ref<StageMessage> = stage) => {
    numbers.set(from, (numbers.get(from) ?? 0) + 1);
    return step.tell({ ...message, stage: from, number: numbers.get(from) } as ReducerRequest);
  };
  return {
    ...step,
    ...{ clock, self, stages, stage, told, tenures },
    /** Items whose values are their ordinals. */
    items: (ordinals: readonly number[], shardWorker = 1, from: Ref<StageMessage> = stage) =>
      tell({ type: 'items', items: ordinals.map((n) => itemOf(n, tenures[shardWorker]!, from)) }, from),
    /** Items of worker 1: each has a key, and its value is its ordinal. */
    itemsOf: (some: readonly (readonly [key: string, ordinal: number])[]) =>
      tell({ type: 'items', items: some.map(([key, n]) => itemOf(n, tenures[1]!, stage, 0, key)) }),
    deliver: (items: readonly DeliveredItem[]) => tell({ type: 'items', items }),
    punctuation: (kind: 'flush' | 'drain', id = 5, shardWorker = 1) =>
      tell({ type: 'punctuation', kind, id, shardWorker }),
    revoked: (shardWorker: number) => {
      const { source, shardId, fence } = tenures[shardWorker]!;
      return tell({ type: 'revoked', shardWorker, source, shardId, fence });
    },
    /** Finishes every call that begins in these effects and in those that follow. Returns the last effects. */
    drain: async (effects: Effects) => {
      let last = effects;
      while (ofType(last, 'run').length > 0) last = step.tell(await finish(last));
      return last;
    },
    /** Finishes the call that these effects start. */
    end: async (effects: Effects) => step.tell(await finish(effects)),
    /** Finishes the call of this name, one of those that these effects start. */
    finishRun: async (effects: Effects, name: string) =>
      step.tell(await finish(ofType(effects, 'run').filter((call) => call.name === name))),
  };
}

export function itemOf(
  ordinal: number,
  tenure: Tenure,
  stage: Ref<StageMessage>,
  index = 0,
  key = 'k',
  sizeBytes = 1,
): DeliveredItem {
  const record = sizeBytes === 1 ? recordOf(ordinal) : { ...recordOf(ordinal), data: Buffer.alloc(sizeBytes) };
  return new DeliveredItem(stage, key, ordinal, tenure, ordinal, index, record, undefined);
}
