// Calls `process`, or a `collectsOnly` reducer, with the items of a part. Before the call it compares the deadlines of the items with the
// clock: the application gets no item whose tenure has ended. The message `processed` brings the outcome (process-outcome.ts).
import { effect } from '../../protocol/actor.js';
import type { DeliveredItem } from '../../protocol/item.js';
import { endLateTenures } from '../../protocol/tenure.js';
import { openFlush, type CallContexts } from './call-contexts.js';
import type { ProcessCall, CollectedPart, Task } from '../batches/batching.js';
import { callPart, createPart } from '../failures/collected-part.js';
import type { ReducerTurn } from '../state.js';
import type { ReducerActorMessage } from '../messages.js';
import type { FlushContext, FoldingReducer, ProcessReducer } from '../../../src/api/reducer.js';
import type { Clock } from '../../../src/api/ports.js';

type Process = (items: readonly DeliveredItem[], context: FlushContext) => unknown;

/** Calls these items of the task. */
export function startProcess(turn: ReducerTurn, task: Task, items: readonly DeliveredItem[]): void {
  const { options, state, now } = turn;
  const { definition } = options;
  const call: ProcessCall = {
    task,
    items,
    startedAt: now,
    handed: [],
    failed: new Map(),
    isOver: false,
    isRepeated: false,
    failure: undefined,
  };
  if (definition.reduce !== undefined) call.part = createPart(definition as FoldingReducer, items);
  task.call = call;
  state.batching.calls.add(call);
  state.batching.begun += 1;
  runCall(turn, call);
}

/** Begins a call, or goes on with one that gave way. */
export function runCall(turn: ReducerTurn, call: ProcessCall): void {
  const { options, state, effects } = turn;
  const { clock } = options;
  const { batching, contexts } = state;
  const definition = options.definition as ProcessReducer<unknown> | FoldingReducer;
  const start =
    definition.process === undefined
      ? () => {
          const context = { definition, contexts, clock };
          return callPart(call, call.part as CollectedPart, context);
        }
      : () => callProcess(call, definition.process as Process, contexts, clock);

  effects.push(
    effect.run({
      // Names of running effects are unique.
      name: batching.lanes === undefined ? call.task.at : `${call.task.at}#${batching.begun}`,
      kind: 'user',
      start,
      done: (ended: ProcessCall): ReducerActorMessage => ({ type: 'processed', call: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

async function callProcess(
  call: ProcessCall,
  work: Process,
  contexts: CallContexts,
  clock: Clock,
): Promise<ProcessCall> {
  call.isOver = true;
  endLateTenures(call.items, clock);
  call.handed = call.items.filter(({ tenure }) => !tenure.ended);
  if (call.handed.length === 0) return call;
  call.isOver = false;
  const { context, emission, end } = openFlush(contexts, 'process', call.handed);
  try {
    // A copy: the application may sort or empty what it gets.
    await work([...call.handed], withFail(call, context));
    if (emission !== undefined) call.emitted = emission.values;
  } catch (cause) {
    call.failure = { cause };
  }
  end();
  call.isOver = true;
  return call;
}

/** `ctx.fail` counts for the items of the call, until it has ended. Anything else is a stray, as in the other reducers. */
function withFail(call: ProcessCall, context: FlushContext): FlushContext {
  const open = new Set<unknown>(call.handed);
  return {
    ...context,
    fail: (token, error) => {
      if (!call.isOver && open.delete(token)) call.failed.set(token as DeliveredItem, error);
      else context.fail(token, error);
    },
  };
}
