// Virtual time for tests of whole consumers.
import { ManualClock } from '../../src/testing/manual-clock.js';

/** Settles a promise that only virtual time can settle, within `ms` of it. */
export async function inVirtualTime<T>(clock: ManualClock, promise: Promise<T>, ms = 60_000): Promise<T> {
  let done = false;
  const note = (): boolean => (done = true);
  void promise.then(note, note);
  for (let passed = 0; !done && passed < ms; passed += 100) await clock.advance(100);
  if (!done) throw new Error(`not settled within ${ms} ms of virtual time`);
  return promise;
}

/**
 * A clock in place of the host's timers, until `uninstall` or the end of the block. Messages between actors are immediates: with
 * those in its hand, no time passes between a message and what it leads to.
 */
export function virtualClock(options: ConstructorParameters<typeof ManualClock>[0] = {}): ManualClock {
  const clock = new ManualClock(options);
  clock.install();
  return clock;
}
