// Starts the calls of the application's code: `reduce` over items, `flush` over states, a raw behaviour with a message. The messages
// `folded`, `flushed` and `behaved` bring the outcome (call-outcome.ts).
import { effect } from '../../protocol/actor.js';
import type { DeliveredItem } from '../../protocol/item.js';
import { isolatesFailures } from '../batches/batching.js';
import { behave, type RawJob, createRawJob } from './raw-behaviour.js';
import type { Mark, ReducerState, ReducerTurn } from '../state.js';
import type { ReducerActorMessage } from '../messages.js';
import type { ReducerOptions } from '../options.js';
import {
  takeFlushJob,
  createFoldJob,
  flushGroups,
  fold,
  createSlot,
  type FlushJob,
  type FoldJob,
  type StateSlot,
} from './user-calls.js';
import type { RawReducer } from '../../../src/api/reducer.js';

/** The key of the only slot if there is no state per shard. No shard worker has this number. */
export const sharedSlot = -1;

/** Hands these items out, in one run. */
export function startItems(turn: ReducerTurn, items: readonly DeliveredItem[]): void {
  const { options, state, now, effects } = turn;
  const { definition, clock } = options;

  if (definition.behaviour !== undefined || definition.acknowledge === 'manual') {
    for (const item of items) state.unacknowledged.set(item, now);
  }
  if (definition.behaviour !== undefined) {
    startRaw(turn, createRawJob(items, { type: 'items', items }, now), undefined);
    return;
  }

  const reduce = definition.reduce as Parameters<typeof fold>[1];
  const job = createFoldJob(items, (item) => openSlot(options, state, item), isolatesFailures(definition));
  state.running = { type: 'fold', job };

  effects.push(
    effect.run({
      name: 'reduce',
      kind: 'user',
      start: () => fold(job, reduce, state.contexts, clock),
      done: (ended: FoldJob): ReducerActorMessage => ({ type: 'folded', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

function openSlot(options: ReducerOptions, state: ReducerState, item: DeliveredItem): StateSlot {
  const key = options.definition.stateBy === 'shard' ? item.tenure.shardWorkerNumber : sharedSlot;
  let slot = state.slots.get(key);
  if (slot === undefined) {
    slot = createSlot(options.definition);
    state.slots.set(key, slot);
  }
  return slot;
}

/** Flushes every state that has folded items. */
export function startFlush(turn: ReducerTurn): void {
  const { state } = turn;
  state.unflushed = 0;
  runFlush(turn, takeFlushJob(state.slots.values(), turn.now));
}

/** Begins a flush, or continues one that gave way. */
export function runFlush({ options, state, effects }: ReducerTurn, job: FlushJob): void {
  const { definition, clock } = options;
  const flush = definition.flush as (state: unknown, context: unknown) => unknown;
  state.running = { type: 'flush', job };

  effects.push(
    effect.run({
      name: 'flush',
      kind: 'user',
      start: () => flushGroups(job, flush, state.contexts, clock),
      done: (ended: FlushJob): ReducerActorMessage => ({ type: 'flushed', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

/** `mark`: what the message stands for in the queue. */
export function startRaw({ options, state, effects }: ReducerTurn, job: RawJob, mark: Mark | undefined): void {
  const definition = options.definition as RawReducer<unknown, unknown>;
  state.running = { type: 'raw', job, mark };

  effects.push(
    effect.run({
      name: job.message.type,
      kind: 'user',
      start: () =>
        behave(job, state.slots.get(sharedSlot) as StateSlot, {
          definition,
          contexts: state.contexts,
          clock: options.clock,
        }),
      done: (ended: RawJob): ReducerActorMessage => ({ type: 'behaved', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}
