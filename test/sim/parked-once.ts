// I57: what a sink keeps has one idempotency key, at every worker and however often, and no other thing has that key. Within one
// tenure, a sink that says that it has kept something is not called for it again. An event says that something is parked only if a sink
// keeps it.
import type { ParkedItem } from '../../src/api/parking.js';

type Kept = Pick<ParkedItem, 'idempotencyKey' | 'sequenceNumber' | 'subSequenceNumber' | 'itemIndex'>;

/** The idempotency keys of all processes. */
export interface ParkingKeys {
  /** A sink is called for this. */
  called(item: Kept): void;
  /** A sink keeps what has this idempotency key. */
  kept(idempotencyKey: string): void;
  /** The event `itemParked` has named this idempotency key. */
  told(idempotencyKey: string): void;
}

const nameOf = ({ sequenceNumber, subSequenceNumber, itemIndex }: Kept): string =>
  `${sequenceNumber}/${subSequenceNumber ?? '-'}/${itemIndex ?? '-'}`;

type Violate = (invariant: string, text: string) => void;

export function createParkingKeys(violate: Violate): ParkingKeys {
  const keyOf = new Map<string, string>();
  const nameOfKey = new Map<string, string>();
  const kept = new Set<string>();
  return {
    kept: (idempotencyKey) => void kept.add(idempotencyKey),
    told: (idempotencyKey) => {
      if (!kept.has(idempotencyKey)) violate('I57', `${idempotencyKey} is said to be parked, and no sink keeps it`);
    },
    called: (item) => {
      const { idempotencyKey } = item;
      const name = nameOf(item);
      const known = keyOf.get(name) ?? idempotencyKey;
      if (known !== idempotencyKey)
        violate('I57', `${name} is parked under the idempotency key ${idempotencyKey}, and was under ${known}`);
      const other = nameOfKey.get(idempotencyKey) ?? name;
      if (other !== name) violate('I57', `${name} and ${other} are parked under the idempotency key ${idempotencyKey}`);
      keyOf.set(name, known);
      nameOfKey.set(idempotencyKey, other);
    },
  };
}

/** What the sinks of one process have kept, and in which tenures. */
export interface ParkedOnce {
  /** A sink is called. The returned function notes that it has kept the thing, and says so. `fence`: undefined if not known. */
  called(item: Kept, fence: number | undefined): () => void;
}

export function createParkedOnce(process: string, keys: ParkingKeys, violate: Violate): ParkedOnce {
  const keptIn = new Map<string, number>();
  return {
    called: (item, fence) => {
      keys.called(item);
      const name = nameOf(item);
      if (fence !== undefined && keptIn.get(name) === fence)
        violate('I57', `${process} parks ${name} again in fence ${fence}, although its sink has kept it`);
      return () => void (fence !== undefined && keptIn.set(name, fence));
    },
  };
}
