// How long one actor may compute before it gives way. Everything in a process shares one thread. An actor that never
// gives way keeps the lease keepers from renewing, and the records it works on are then another worker's. Used wherever
// a batch is worked through: admission, extraction, folding.

/** After this much time a loop over a batch gives way and goes on in a later turn of the event loop. */
export const sliceMs = 25;

export interface TimeSlice {
  /** Whether the time is up. Reads the clock. */
  isOver(): boolean;
}

export function startSlice(clock: { now(): number }): TimeSlice {
  const end = clock.now() + sliceMs;
  return { isOver: () => clock.now() >= end };
}
