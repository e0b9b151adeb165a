// Calls into what the application passes in to be informed: listeners, loggers, meters, `onCheckpoint`, traces. What
// goes wrong in them must harm nothing. A promise that nobody waits for must not end the process.

/**
 * Calls `callback`. `failed` hears, at most once, of what it throws or, when it returns a promise, of what that rejects
 * with. `failed` must not throw.
 */
export function tell(callback: () => unknown, failed: (error: unknown) => void): void {
  try {
    const returned = callback();
    if (isThenable(returned)) Promise.resolve(returned).then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * What a synchronous function of the application has returned. If that is a promise, nobody awaits it: what it rejects
 * with is dropped here, and must not end the process. Only of promises: another thenable may begin its work when it is
 * asked for the result.
 */
export function unawaited<Returned>(returned: Returned): Returned {
  if (isPromise(returned)) returned.then(undefined, () => {});
  return returned;
}

/** By its name: test runners with a realm per file have several classes of this name. */
function isPromise(value: unknown): value is Promise<unknown> {
  return Object.prototype.toString.call(value) === '[object Promise]' && isThenable(value);
}

/** Whether `await` would wait for it. Throws what the getter of its `then` throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}
