// The `ctx` of a reducer: the only way for application code to reach the actor, at any time. Calls collect in lists. Only the
// first call after the actor has taken the lists sends the actor a message.
import type { Ref } from '../protocol/actor.js';
import type { FlushContext, ReducerContext, Token } from '../../src/api/reducer.js';

export interface Called {
  readonly acknowledged: readonly Token[];
  readonly failed: readonly { readonly token: Token; readonly error: unknown }[];
}

export interface ContextController {
  readonly context: ReducerContext;
  /** The context of a flush, with `fences`. */
  flushContext(fences: ReadonlyMap<string, number>): FlushContext;
  /** Returns the calls since the last `take`. */
  take(): Called;
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
  let acknowledged: Token[] = [];
  let failed: { token: Token; error: unknown }[] = [];
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
  };
  return {
    context,
    flushContext: (fences) => ({ ...context, fences }),
    take: () => {
      const taken = { acknowledged, failed };
      acknowledged = [];
      failed = [];
      return taken;
    },
    abort: () => abortController.abort(),
  };
}
