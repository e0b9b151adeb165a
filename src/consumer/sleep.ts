// A wait between two attempts. It cannot be cut short: those who wait look at the state of the consumer afterwards.
import type { Timers } from '../api/ports.js';

export function sleep(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve));
}
