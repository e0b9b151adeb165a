// What a folder or a stream of parked items holds, for the command `parked`. Invariant: one entry for each application
// and idempotency key, the one that was parked last.
import type { Complaint, StoredItem } from './stored-item.js';

export interface ParkedEntry {
  readonly application: string;
  readonly idempotencyKey: string;
  readonly parkedAt: number;
  /** The same for all items of one record. A message of a pipe that has values is alone. */
  readonly record: string;
  /** Reads the item. Only its place may be in memory. */
  read(): Promise<StoredItem>;
}

export interface ParkedEntries {
  /** In the order in which they were parked. */
  readonly entries: readonly ParkedEntry[];
  readonly complaints: readonly Complaint[];
  /** Closes the files that reading has opened. */
  close(): Promise<void>;
}

/** Collects entries. */
export interface EntryList {
  add(item: StoredItem, read: () => Promise<StoredItem>): void;
  complain(place: string, reason: string): void;
  finish(): ParkedEntries;
}

export function entryList(close = (): Promise<void> => Promise.resolve()): EntryList {
  const byKey = new Map<string, ParkedEntry>();
  const complaints: Complaint[] = [];
  return {
    add(item, read) {
      const { application, idempotencyKey, parkedAt } = item;
      // Two applications may read one stream.
      const name = JSON.stringify([application, idempotencyKey]);
      const known = byKey.get(name);
      if (known === undefined || known.parkedAt <= parkedAt)
        byKey.set(name, { application, idempotencyKey, parkedAt, record: recordOf(item), read });
    },
    complain: (place, reason) => complaints.push({ place, reason }),
    finish: () => ({
      entries: [...byKey.values()].toSorted((one, other) => one.parkedAt - other.parkedAt),
      complaints,
      close,
    }),
  };
}

function recordOf(item: StoredItem): string {
  const { source, stream, shardId, sequenceNumber, subSequenceNumber, message, idempotencyKey } = item;
  if (message?.valueBytes !== undefined) return JSON.stringify([idempotencyKey]);
  return JSON.stringify([source, stream, shardId, sequenceNumber, subSequenceNumber]);
}
