// Calls of services for one stream. They end when the source is forgotten, so that nothing of it is read or created any longer. Every part
// that makes such a call as an effect wraps it.
import type { Stream } from '../state.js';

/** The call, whose signal also aborts when the stream is forgotten. */
export function callFor<Result>(
  { forgotten }: Stream,
  call: (signal: AbortSignal) => Promise<Result>,
): (signal: AbortSignal) => Promise<Result> {
  return async (signal) => {
    const own = new AbortController();
    const end = (): void => own.abort();
    const signals = [signal, forgotten.signal];
    for (const each of signals) each.addEventListener('abort', end, { once: true });
    if (signals.some(({ aborted }) => aborted)) end();
    try {
      return await call(own.signal);
    } finally {
      for (const each of signals) each.removeEventListener('abort', end);
    }
  };
}
