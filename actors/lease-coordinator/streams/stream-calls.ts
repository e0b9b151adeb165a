// Calls of services for one stream. They end when the source is forgotten, so that nothing of it is read or created any longer. Every part
// that makes such a call as an effect wraps it.

/** The running calls of a stream. One signal for all would gather listeners, and Node warns of the eleventh. */
export interface StreamCalls {
  readonly running: Set<AbortController>;
  haveEnded: boolean;
}

/** The call, whose signal also aborts when the stream is forgotten. */
export function callFor<Result>(
  { calls }: { readonly calls: StreamCalls },
  call: (signal: AbortSignal) => Promise<Result>,
): (signal: AbortSignal) => Promise<Result> {
  return async (signal) => {
    const own = new AbortController();
    const end = (): void => own.abort();
    signal.addEventListener('abort', end, { once: true });
    calls.running.add(own);
    if (signal.aborted || calls.haveEnded) end();
    try {
      return await call(own.signal);
    } finally {
      calls.running.delete(own);
      signal.removeEventListener('abort', end);
    }
  };
}

/** Ends all calls of a stream, those that begin later included. */
export function endCalls({ calls }: { readonly calls: StreamCalls }): void {
  calls.haveEnded = true;
  for (const each of calls.running) each.abort();
}
