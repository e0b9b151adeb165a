// A lease table that carries only a limited number of writes a second, in virtual time. The kind 'queues' answers each write later than
// the one before. The kind 'refuses' throttles writes that come too fast, like DynamoDB without its burst capacity.
import type { LeaseStore } from '../../src/api/ports.js';

export interface Narrow {
  readonly writesPerSecond: number;
  readonly kind: 'queues' | 'refuses';
  readonly clock: { now(): number; after(ms: number, callback: () => void): () => void };
  /** A request without an answer in this time fails with an unknown outcome, as in the real adapter. */
  readonly requestTimeoutMs: number;
}

export interface NarrowStore extends LeaseStore {
  readonly throttled: () => number;
  readonly timedOut: () => number;
}

const roundTripMs = 5;

export function narrowStore(
  store: LeaseStore,
  { clock, kind, requestTimeoutMs, writesPerSecond }: Narrow,
): NarrowStore {
  const gapMs = 1_000 / writesPerSecond;
  let freeAt = 0;
  let tokens = 5;
  let refilledAt = clock.now();
  let throttled = 0;
  let timedOut = 0;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

  async function write<R>(act: () => Promise<R>): Promise<R> {
    if (kind === 'queues') {
      freeAt = Math.max(freeAt, clock.now()) + gapMs;
      const waitMs = freeAt - clock.now() + roundTripMs;
      // The table does every write that it has accepted, even if no caller waits for the answer any longer.
      const done = pause(waitMs).then(act);
      if (waitMs <= requestTimeoutMs) return done;
      timedOut += 1;
      done.catch(() => {});
      await pause(requestTimeoutMs);
      throw Object.assign(new Error('no answer in time'), { name: 'TimeoutError' });
    }
    const now = clock.now();
    tokens = Math.min(5, tokens + ((now - refilledAt) * writesPerSecond) / 1_000);
    refilledAt = now;
    await pause(roundTripMs);
    if (tokens < 1) {
      throttled += 1;
      throw Object.assign(new Error('slow down'), { name: 'ProvisionedThroughputExceededException' });
    }
    tokens -= 1;
    return act();
  }

  return {
    ...store,
    throttled: () => throttled,
    timedOut: () => timedOut,
    create: (row, signal) => write(() => store.create(row, signal)),
    update: (leaseKey, update, signal) => write(() => store.update(leaseKey, update, signal)),
    wish: (leaseKey, expected, wish, signal) => write(() => store.wish(leaseKey, expected, wish, signal)),
    updateMeta: (leaseKey, meta, signal) => write(() => store.updateMeta(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => write(() => store.delete(leaseKey, counter, signal)),
  };
}
