// Calls the functions that an application passes in to be informed: listeners, loggers, meters, `onCheckpoint`, traces. A
// failure in such a function must harm nothing, and a promise that nobody waits for must not end the process.

/**
 * Calls `callback`. `failed` gets, at most once, the error that the callback throws or that its promise rejects with. `failed`
 * must not throw.
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
 * Passes on what a synchronous function of the application has returned. If that is a promise, nobody awaits it, so its
 * rejection is dropped here and cannot end the process. Other thenables are left alone: they may begin their work only when
 * somebody asks for the result.
 */
export function unawaited<Returned>(returned: Returned): Returned {
  if (isPromise(returned)) returned.then(undefined, () => {});
  return returned;
}

/** Whether the value is a promise, judged by the name of its class: test runners with a realm per file have several classes. */
function isPromise(value: unknown): value is Promise<unknown> {
  return Object.prototype.toString.call(value) === '[object Promise]' && isThenable(value);
}

/** Whether `await` would wait for the value. Throws the error that the getter of `then` throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}
