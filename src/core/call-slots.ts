// Bounds the polling calls (GetRecords, and what goes with it) that a process has under way, with an equal share for each source. So a
// source whose every call hangs takes at most its share, and the others continue. A call waits for a slot of its own source only. Polling
// readers ask for each call, never for a record; enhanced fan-out does not ask.

/** The slots of a process. Only the functions of this file change it. */
export interface CallSlots {
  readonly max: number;
  readonly sources: Set<SourceSlots>;
}

/** The slots of one source. */
export interface SourceSlots {
  readonly all: CallSlots;
  underWay: number;
  /** The calls that wait, the oldest first. Each is called when it has a slot. */
  readonly waiting: Set<() => void>;
}

/** For how long a call may wait, and the error if it waits no longer. */
interface Wait {
  readonly signal: AbortSignal;
  readonly stopped: () => Error;
}

export function createCallSlots(max: number): CallSlots {
  return { max, sources: new Set() };
}

/** The slots of a new source. The shares of the others become smaller; calls that are under way go on. */
export function joinSlots(all: CallSlots): SourceSlots {
  const slots: SourceSlots = { all, underWay: 0, waiting: new Set() };
  all.sources.add(slots);
  return slots;
}

/** The source has ended: the shares of the others become larger. */
export function leaveSlots(slots: SourceSlots): void {
  slots.all.sources.delete(slots);
  for (const other of slots.all.sources) beginWaiting(other);
}

/** How many calls a source may have under way; at least one. */
export function shareOf({ max, sources }: CallSlots): number {
  return Math.max(1, Math.floor(max / Math.max(1, sources.size)));
}

/** Whether `inSlot` would make a call at once. */
export function hasFreeSlot(slots: SourceSlots | undefined): boolean {
  return slots === undefined || slots.underWay < shareOf(slots.all);
}

/** Makes the call when the source has a slot. Rejects with `stopped()` if the signal aborts before that. */
export async function inSlot<Result>(
  slots: SourceSlots | undefined,
  call: () => Promise<Result>,
  wait: Wait,
): Promise<Result> {
  if (slots === undefined) return call();
  if (hasFreeSlot(slots)) slots.underWay += 1;
  else await waitForSlot(slots, wait);
  try {
    return await call();
  } finally {
    slots.underWay -= 1;
    beginWaiting(slots);
  }
}

/** Resolves when the call has a slot. By then `beginWaiting` has counted it as under way. */
function waitForSlot({ waiting }: SourceSlots, { signal, stopped }: Wait): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      waiting.delete(begin);
      signal.removeEventListener('abort', abort);
    };
    const begin = (): void => (end(), resolve());
    const abort = (): void => (end(), reject(stopped()));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    waiting.add(begin);
  });
}

function beginWaiting(slots: SourceSlots): void {
  const share = shareOf(slots.all);
  for (const begin of slots.waiting) {
    if (slots.underWay >= share) return;
    slots.underWay += 1;
    begin();
  }
}

/** How many calls are under way, and how many wait, over all sources. */
export function slotCounts({ sources }: CallSlots): { readonly underWay: number; readonly waiting: number } {
  let underWay = 0;
  let waiting = 0;
  for (const slots of sources) {
    underWay += slots.underWay;
    waiting += slots.waiting.size;
  }
  return { underWay, waiting };
}
