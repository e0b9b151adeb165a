// What can be parked: an item, a record that gave none, or a message of a pipe. How each is named, and when it is late.
import { DeliveredItem } from './item.js';
import { ParkableMessage } from './parkable-message.js';
import { endIfLate, type Tenure } from './tenure.js';
import type { Clock, UserRecord } from '../../src/api/ports.js';
import type { ParkedItem } from '../../src/api/parking.js';

export type Parkable = DeliveredItem | { readonly tenure: Tenure; readonly record: UserRecord } | ParkableMessage;

type Entry = Omit<ParkedItem, 'application' | 'at' | 'attempts' | 'error' | 'failedAt' | 'parkedAt'>;
type Name = Omit<Entry, 'data' | 'message'>;

export function tenuresOf(parkable: Parkable): Iterable<Tenure> {
  return parkable instanceof ParkableMessage ? parkable.tenures : [parkable.tenure];
}

/** Ends its tenures whose deadline has passed. Returns true if it belongs to ended ones alone. */
export function isLate(parkable: Parkable, clock: Clock): boolean {
  for (const tenure of tenuresOf(parkable)) endIfLate(tenure, clock);
  return parkable instanceof ParkableMessage ? parkable.isLate : parkable.tenure.ended;
}

/** How many items it stands for. */
export function itemsIn(parkable: Parkable): number {
  return parkable instanceof ParkableMessage ? parkable.items : 1;
}

/** Where it comes from. The idempotency key of a message is empty before a sink was called for it. */
export function nameOf(parkable: Parkable): Name {
  if (parkable instanceof ParkableMessage) return { idempotencyKey: parkable.idempotencyKey ?? '', ...parkable.place };
  const { tenure, record } = parkable;
  const { sequenceNumber, subSequenceNumber, partitionKey, explicitHashKey, arrivedAt } = record;
  const { source, stream, shardId, idempotencyPrefix } = tenure;
  const item =
    parkable instanceof DeliveredItem
      ? { idempotencyKey: parkable.idempotencyKey, itemIndex: parkable.index, key: parkable.key }
      : { idempotencyKey: `${idempotencyPrefix}/${sequenceNumber}/${subSequenceNumber ?? '-'}/-` };
  const place = { source, stream, shardId, sequenceNumber, subSequenceNumber };
  return { ...item, ...place, partitionKey, explicitHashKey, arrivedAt };
}

/** What a sink gets of it. Throws if the value of a message cannot be written. */
export function entryOf(parkable: Parkable): Entry {
  if (!(parkable instanceof ParkableMessage)) return { ...nameOf(parkable), data: parkable.record.data };
  const written = parkable.write();
  return { ...nameOf(parkable), ...written };
}
