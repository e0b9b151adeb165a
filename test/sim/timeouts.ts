// I53: the signal of a call with `timeoutMs` aborts after that time, neither earlier nor later. The reducers of one process tell of the
// begin and of the end of each call.
import type { Machine } from './machine.js';

export interface Timeouts {
  /** A call begins. The returned function notes its end. */
  begins(signal: AbortSignal): () => void;
}

/** Clocks drift by a thousandth. */
const drift = 0.002;
const lateMs = 100;

export function createTimeouts(
  machine: Pick<Machine, 'worldNow' | 'resumedAt' | 'standsStill' | 'mailHeldAt'>,
  timeoutMs: number | undefined,
  violate: (invariant: string, text: string) => void,
): Timeouts {
  if (timeoutMs === undefined) return { begins: () => () => {} };
  const name = `the signal of a call with timeoutMs ${timeoutMs}`;
  // A callback of a pipe's node may make several values, one after the other. They share its signal, and its time.
  const begun = new WeakMap<AbortSignal, number>();
  return {
    begins: (signal) => {
      const since = begun.get(signal) ?? machine.worldNow();
      begun.set(signal, since);
      const tookMs = (): number => machine.worldNow() - since;
      const aborted = (): void => {
        const isTimeout = (signal.reason as { readonly name?: string } | undefined)?.name === 'TimeoutError';
        // A call that computes at first, and so stands still, has begun earlier.
        const stood = machine.resumedAt() >= since;
        if (isTimeout && !stood && tookMs() < timeoutMs * (1 - drift) - 1)
          violate('I53', `${name} aborted after ${Math.round(tookMs())} ms`);
      };
      if (signal.aborted) aborted();
      else signal.addEventListener('abort', aborted, { once: true });
      return () => {
        signal.removeEventListener('abort', aborted);
        const stood = machine.standsStill() || Math.max(machine.resumedAt(), machine.mailHeldAt()) >= since;
        if (!signal.aborted && !stood && tookMs() > timeoutMs * (1 + drift) + lateMs)
          violate('I53', `${name} has not aborted in ${Math.round(tookMs())} ms`);
      };
    },
  };
}
