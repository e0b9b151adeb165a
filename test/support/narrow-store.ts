// A lease table that carries so many writes a second and no more, in virtual time: one that queues answers each later than the one
// before, and one that refuses throttles what comes too fast, as DynamoDB does without its burst capacity.
import type { LeaseStore } from '../../src/api/ports.js';

export interface Narrow {
  readonly writesPerSecond: number;
  readonly kind: 'queues' | 'refuses';
  readonly clock: { now(): number; after(ms: number, callback: () => void): () => void };
  /** A request that is not answered by then fails, its outcome unknown, as in the real adapter. */
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
      // The table works through what it has accepted, whether or not anybody still waits for the answer.
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
    describeLease: (leaseKey, meta, signal) => write(() => store.describeLease(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => write(() => store.delete(leaseKey, counter, signal)),
  };
}
