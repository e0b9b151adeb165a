// What a function of the application returns, at once or later. A promise costs a turn of the event loop, so only thenables are awaited.
import { NonRetryableError } from '../api/failure-policy.js';
import type { NodeContext, PipeMessage } from '../api/pipe.js';
import { ignoreRejection, isThenable } from '../core/callback.js';

/** A value, or a promise of it. */
export type MaybeLater<Value> = Value | PromiseLike<Value>;

/** A function of the application, called once per message. It may be async: the next message waits for it. */
export type MessageFunction<In, Returned> = (
  value: In,
  message: PipeMessage<In>,
  context: NodeContext,
) => MaybeLater<Returned>;

/** Calls `proceed` with the value once it is known. `failed` gets what was thrown, and throws; without it the error stays as it is. */
export function answered<Value, Result>(
  call: () => MaybeLater<Value>,
  proceed: (value: Value) => MaybeLater<Result>,
  failed?: (error: unknown) => never,
): MaybeLater<Result> {
  let value: MaybeLater<Value>;
  try {
    value = call();
  } catch (error) {
    if (failed !== undefined) failed(error);
    throw error;
  }
  return isThenable(value) ? Promise.resolve(value).then(proceed, failed) : proceed(value);
}

/** What a synchronous function of the application has returned. A promise is refused for good, and nobody waits for its rejection. */
export function atOnce<Value>(returned: Value, what: string): Value {
  if (isThenable(returned)) {
    ignoreRejection(returned);
    throw new NonRetryableError(`${what} must be synchronous, got a promise`);
  }
  return returned;
}
