// A parked item as it is kept: the item with its error as plain data, and what is read back from it.
import type { ParkedItem, ParkedMessage } from '../api/parking.js';

/** An error without its causes. */
export interface StoredFault {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number | undefined;
  readonly stack?: string | undefined;
}

/** An error with its causes, the nearest first. */
export interface StoredError extends StoredFault {
  readonly causes: readonly StoredFault[];
}

export interface StoredItem extends Omit<ParkedItem, 'error'> {
  readonly error: StoredError;
}

/** Text that cannot be read as a parked item: where it is, and why. */
export interface Complaint {
  readonly place: string;
  readonly reason: string;
}

/** The bytes of each value of a message. None: the data is a record. */
export function valuesOf(data: Buffer, { valueBytes = [] }: ParkedMessage): readonly Buffer[] {
  let end = 0;
  return valueBytes.map((bytes) => data.subarray(end, (end += bytes)));
}
