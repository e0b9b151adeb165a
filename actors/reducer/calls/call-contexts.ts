// The `ctx` of each call. With `timeoutMs` every call has a context with a signal of its own, and is listed until it has ended.
// Otherwise all calls share one, which costs nothing per call.
import type { DeliveredItem, Fetch } from '../../protocol/item.js';
import { openEmission, refuseForMessage, type Emission } from '../emitting/emission.js';
import { hasRoom, type PipeBehind } from '../emitting/pipe-behind.js';
import type { ContextController, OwnContext } from './reducer-context.js';
import type { Clock } from '../../../src/api/ports.js';
import type { FlushContext, ReducerContext } from '../../../src/api/reducer.js';

/** A call under way that has a timeout. */
export interface TimedCall {
  readonly name: string;
  /** The oldest item of the call; undefined for a message without items. */
  readonly item: DeliveredItem | undefined;
  readonly since: number;
  readonly own: OwnContext;
  abortedAt: number | undefined;
}

export interface CallContext {
  readonly context: ReducerContext;
  /** What the call emits. Undefined without a pipe behind the reducer. */
  readonly emission?: Emission;
  /** The call has ended. */
  readonly end: () => void;
}

export interface CallContexts {
  readonly shared: ReducerContext;
  readonly timed: Set<TimedCall>;
  timerIsSet: boolean;
  /** Takes the error of a `ctx.fail` for this item that the actor has not handled; undefined if there is none. */
  takeFailed(item: DeliveredItem): { readonly error: unknown } | undefined;
  /** Makes the context of a call that begins now. `brings`: whether it may emit, because it has items that a value can stand for. */
  open(name: string, item: DeliveredItem | undefined, brings?: boolean): CallContext;
  /** Whether another call may begin, with so much that was emitted and not sent. Undefined without a pipe behind the reducer. */
  readonly hasRoom?: (emitted: number, emittedBytes: number) => boolean;
}

export interface CallContextOptions {
  readonly isTimed: boolean;
  readonly contextOutlivesCall: boolean;
  /** Whether a `ctx.fail` within the call of its item counts instead of what the call returns: under automatic acknowledgement. */
  readonly takesFailures: boolean;
  readonly behind: PipeBehind | undefined;
}

export function createCallContexts(
  controller: ContextController,
  { isTimed, contextOutlivesCall, takesFailures, behind }: CallContextOptions,
  clock: Clock,
): CallContexts {
  const timed = new Set<TimedCall>();
  const shared: CallContext = { context: controller.context, end: () => {} };
  return {
    shared: controller.context,
    timed,
    timerIsSet: false,
    takeFailed: (item: DeliveredItem) => (takesFailures ? controller.takeFailed(item) : undefined),
    ...(behind === undefined ? {} : { hasRoom: (emitted, bytes) => hasRoom(behind, emitted, bytes) }),
    open: (name, item, brings = true) => {
      if (behind !== undefined) {
        const emission = brings ? openEmission(name, controller.context.signal) : refuseForMessage(name);
        const { context, end } = openTimed(name, item);
        return {
          context: withEmit(context, emission.emit),
          emission,
          end: () => {
            emission.close();
            end();
          },
        };
      }
      return openTimed(name, item);
    },
  };

  function openTimed(name: string, item: DeliveredItem | undefined): CallContext {
    if (!isTimed) return shared;
    const own = controller.own(contextOutlivesCall);
    const call: TimedCall = { name, item, since: clock.now(), own, abortedAt: undefined };
    timed.add(call);
    return {
      context: own.context,
      end: () => {
        timed.delete(call);
        own.close();
      },
    };
  }
}

/** `signal` stays a getter. */
function withEmit(context: ReducerContext, emit: ReducerContext['emit']): ReducerContext {
  return {
    reducer: context.reducer,
    get signal() {
      return context.signal;
    },
    ack: (token) => context.ack(token),
    fail: (token, error) => context.fail(token, error),
    emit,
  };
}

/** Makes the context of a call of `flush` or `process` with these items. */
export function openFlush(
  contexts: CallContexts,
  name: string,
  items: readonly DeliveredItem[],
): CallContext & { readonly context: FlushContext } {
  const { context, ...rest } = contexts.open(name, items[0]);
  return { context: { ...context, fences: fencesOf(items), ...fetchOf(items) }, ...rest };
}

/** When the first of the items was fetched, and how far the reads of them were behind at most. */
function fetchOf(items: readonly DeliveredItem[]): Fetch {
  let fetchedAt = Infinity;
  let millisBehindLatest: number | undefined;
  for (const { fetch } of items) {
    fetchedAt = Math.min(fetchedAt, fetch.fetchedAt);
    const behindMs = fetch.millisBehindLatest;
    if (behindMs !== undefined && behindMs > (millisBehindLatest ?? -1)) millisBehindLatest = behindMs;
  }
  return { fetchedAt, millisBehindLatest };
}

/** The highest fence per shard: the state may hold items of the old and of the new tenure of a shard. */
function fencesOf(items: readonly DeliveredItem[]): ReadonlyMap<string, number> {
  const fences = new Map<string, number>();
  for (const { tenure } of items) {
    const name = `${tenure.source}/${tenure.shardId}`;
    fences.set(name, Math.max(tenure.fence, fences.get(name) ?? 0));
  }
  return fences;
}
