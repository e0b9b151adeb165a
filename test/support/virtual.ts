// Virtual time for tests of whole consumers.
import { ManualClock } from '../../src/testing/manual-clock.js';

/** Moves virtual time until the promise has settled, at most by `ms`. */
export async function inVirtualTime<T>(clock: ManualClock, promise: Promise<T>, ms = 60_000): Promise<T> {
  let done = false;
  const note = (): boolean => (done = true);
  void promise.then(note, note);
  for (let passed = 0; !done && passed < ms; passed += 100) await clock.advance(100);
  if (!done) throw new Error(`not settled within ${ms} ms of virtual time`);
  return promise;
}

/**
 * A clock in place of the host's timers, until `uninstall` or the end of a `using` block. The clock also controls immediates, which
 * carry the messages between actors. So no virtual time passes between a message and its consequences.
 */
export function virtualClock(options: ConstructorParameters<typeof ManualClock>[0] = {}): ManualClock {
  const clock = new ManualClock(options);
  clock.install();
  return clock;
}
