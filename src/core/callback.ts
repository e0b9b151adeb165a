// Calls functions of the application safely: listeners, loggers, meters and traces. An error in one of them must not reach the
// caller, and an unhandled rejection must not end the process.

/**
 * Calls `callback`. If the callback throws or its promise rejects, `failed` is called once with the error. `failed` must not
 * throw.
 */
export function callGuarded(callback: () => unknown, failed: (error: unknown) => void): void {
  try {
    const returned = callback();
    if (isThenable(returned)) Promise.resolve(returned).then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * Returns the value that a synchronous function of the application has returned. If the value is a promise, its rejection is
 * ignored here: no caller awaits the promise, and an unhandled rejection would end the process. Other thenables are not
 * touched, because calling `then` may start their work.
 */
export function ignoreRejection<Returned>(returned: Returned): Returned {
  if (isPromise(returned)) returned.then(undefined, () => {});
  return returned;
}

/** Whether the value is a promise. `instanceof` would miss promises of another realm: some test runners have a realm per file. */
function isPromise(value: unknown): value is Promise<unknown> {
  return Object.prototype.toString.call(value) === '[object Promise]' && isThenable(value);
}

/** Whether `await` would wait for the value. If `then` is a getter that throws, this function throws, too. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}
