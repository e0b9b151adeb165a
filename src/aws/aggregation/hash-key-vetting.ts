// Keeps a source from dropping records that the service placed without regard to their keys. Some streams can be switched to AUTO
// at any moment, and nothing announces it. So a record is dropped for its hash key only if a description after its arrival showed
// that the stream places by key. Few records need such a description. Without one, the record is handed on. Called by the polling
// source, around each read and for each record.
import {
  createPlacement,
  type OutOfRangePolicy,
  type Placement,
  type PlacementState,
} from '../../core/record-placement.js';
import type { Clock, HashKeyRange, RawRecord, RecordList, StreamDescription } from '../../api/ports.js';
import { buffered } from '../../core/buffer-view.js';
import { SlabRecord } from '../../core/slab-record.js';
import { formatOfRecord } from './aggregate-wire.js';
import { unpackRecord } from './aggregate.js';

export interface HashKeyVetting {
  readonly placement: Pick<Placement, 'seenAuto'> & { state(): PlacementState };
  /** Notes a description of the stream. Every description must come here. */
  note(description: StreamDescription): void;
  /** Resolves when it is decided for each record whether it may be dropped. Never rejects. */
  vet(records: RecordList, range: HashKeyRange | undefined, signal: AbortSignal): Promise<void>;
  /** The policy for user records of this record that are out of range. */
  policyFor(record: RawRecord): OutOfRangePolicy;
}

/** Arrival times and the `Date` header come from different hosts, whose clocks differ a little. */
const skewMs = 2_000;

export function hashKeyVetting(
  configured: OutOfRangePolicy,
  clock: Pick<Clock, 'wallNow'>,
  describe: (signal: AbortSignal) => Promise<unknown>,
): HashKeyVetting {
  const placement = createPlacement(configured);
  /** How far the service's clock is ahead of this host's, as of the last description. */
  let aheadMs = 0;
  const state = (): PlacementState => placement.state(clock.wallNow() + aheadMs);
  /** Records that arrived before a description showed that the stream places by key, although their arrival times do not prove it. */
  const provenByDescription = new WeakSet<object>();
  let currentRequest: Promise<boolean> | undefined;
  let nextRequest: Promise<boolean> | undefined;

  const isProvenByTime = ({ arrivedAt }: RawRecord): boolean => {
    const keyedAt = placement.keyedAt();
    return keyedAt !== undefined && arrivedAt !== undefined && arrivedAt <= keyedAt - skewMs;
  };
  /** Asks for one description at a time. A request under way may be older than these records, so they wait for the next one. */
  const ask = (signal: AbortSignal): Promise<boolean> => {
    nextRequest ??= Promise.resolve(currentRequest).then(() => {
      nextRequest = undefined;
      currentRequest = describe(signal).then(
        () => state().outOfRange !== 'emit',
        () => false,
      );
      return currentRequest;
    });
    return nextRequest;
  };
  return {
    placement: { seenAuto: (atMs) => placement.seenAuto(atMs), state },
    note({ distribution = 'USER_PARTITION_KEY', switchable, retentionHours, describedAtMs = clock.wallNow() }) {
      aheadMs = describedAtMs - clock.wallNow();
      placement.described({ distribution, switchable, retentionHours, atMs: describedAtMs });
    },
    async vet(records, range, signal) {
      const { outOfRange } = state();
      if (outOfRange === 'emit') return;
      const doubtful = new Set<object>();
      for (const record of records)
        if (!isProvenByTime(record) && mayBeDropped(record, range, outOfRange)) doubtful.add(cameWith(record));
      if (doubtful.size === 0 || !(await ask(signal))) return;
      for (const proven of doubtful) provenByDescription.add(proven);
    },
    policyFor(record) {
      if (configured === 'emit') return 'emit';
      const { outOfRange } = state();
      return isProvenByTime(record) || provenByDescription.has(cameWith(record)) ? outOfRange : 'emit';
    },
  };
}

/** What stands for the record: a packed one is made at each look, and what is true of it is true of its slab, which came with it. */
function cameWith(record: RawRecord): object {
  return record instanceof SlabRecord ? record.slab : record;
}

/**
 * Whether user records of this record may be dropped. If the range is unknown here, they may: the code that unpacks them may know
 * it. An invalid hash key counts too: whether it ends the aggregate must not depend on when the record is read.
 */
function mayBeDropped(record: RawRecord, range: HashKeyRange | undefined, policy: OutOfRangePolicy): boolean {
  if (formatOfRecord(record) === undefined) return false;
  if (range === undefined) return true;
  const { filtered = [], undecoded } = unpackRecord(buffered(record), range, policy);
  return filtered.length > 0 || undecoded !== undefined;
}
