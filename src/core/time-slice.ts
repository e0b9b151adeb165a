// How long one actor may compute before it gives way. All actors of a process share one thread. If an actor never gives way, the
// lease keepers cannot renew, and the records that it works on then belong to another worker. Admission, extraction and folding
// use slices for their batches.

/** After this time a loop over a batch gives way, and continues in a later turn of the event loop. */
export const sliceMs = 25;

export interface TimeSlice {
  /** Whether the time is up. Reads the clock. */
  isOver(): boolean;
}

export function startSlice(clock: { now(): number }): TimeSlice {
  const end = clock.now() + sliceMs;
  return { isOver: () => clock.now() >= end };
}
