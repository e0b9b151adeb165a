// The `ctx` of a reducer: the only way for application code to reach the actor, at any time. Calls collect in lists. Only the
// first call after the actor has taken the lists sends the actor a message.
import { noPipe } from '../emitting/emission.js';
import type { Ref } from '../../protocol/actor.js';
import type { ReducerContext, ItemToken } from '../../../src/api/reducer.js';

export interface Called {
  readonly acknowledged: readonly ItemToken[];
  readonly failed: readonly { readonly token: ItemToken; readonly error: unknown }[];
}

export interface OwnContext {
  readonly context: ReducerContext;
  /** Aborts the signal of this context alone. */
  abort(reason: Error): void;
  /** The call has ended. */
  close(): void;
}

export interface ContextController {
  readonly context: ReducerContext;
  /**
   * The context of one call, with a signal of its own. `contextOutlivesCall`: the application may use the signal after the call, so a stop
   * must abort it then, too.
   */
  own(contextOutlivesCall: boolean): OwnContext;
  /** Returns the calls since the last `take`. */
  take(): Called;
  /** Takes the `fail` of this token among them. */
  takeFailed(token: ItemToken): { readonly error: unknown } | undefined;
  /** Aborts `ctx.signal`. Idempotent. */
  abort(): void;
}

export function createContextController<Message>(
  reducer: number,
  self: Ref<Message>,
  called: Message,
  sendFromOutside: (to: Ref<Message>, message: NoInfer<Message>) => void,
): ContextController {
  const abortController = new AbortController();
  /** The controllers of the calls under way that have their own. */
  const linked = new Set<AbortController>();
  let acknowledged: ItemToken[] = [];
  let failed: { token: ItemToken; error: unknown }[] = [];
  const notify = (): void => {
    if (acknowledged.length + failed.length === 1) sendFromOutside(self, called);
  };
  const context: ReducerContext = {
    reducer,
    signal: abortController.signal,
    ack: (token) => {
      acknowledged.push(token);
      notify();
    },
    fail: (token, error) => {
      failed.push({ token, error });
      notify();
    },
    emit: noPipe,
  };
  return {
    context,
    own: (contextOutlivesCall) => ownContext(context, linked, contextOutlivesCall),
    take: () => {
      const taken = { acknowledged, failed };
      acknowledged = [];
      failed = [];
      return taken;
    },
    takeFailed: (token) => {
      // Asked after each call, and usually nothing has failed.
      if (failed.length === 0) return undefined;
      const found = failed.find((each) => each.token === token);
      if (found !== undefined) failed = failed.filter((each) => each.token !== token);
      return found;
    },
    abort: () => {
      abortController.abort();
      for (const own of linked) own.abort(abortController.signal.reason);
      linked.clear();
    },
  };
}

function ownContext(shared: ReducerContext, linked: Set<AbortController>, contextOutlivesCall: boolean): OwnContext {
  const own = new AbortController();
  if (shared.signal.aborted) own.abort(shared.signal.reason);
  else if (!contextOutlivesCall) linked.add(own);
  let both: AbortSignal | undefined;
  return {
    context: {
      ...shared,
      get signal() {
        if (!contextOutlivesCall) return own.signal;
        both ??= AbortSignal.any([shared.signal, own.signal]);
        return both;
      },
    },
    abort: (reason) => own.abort(reason),
    close: () => void linked.delete(own),
  };
}
