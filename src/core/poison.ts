// Recognises a record that fails again and again: however far apart the failures are, they count as long as no incarnation
// fails at something else in between.

/** What identifies a failed record. */
export interface FailedRecord {
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
}

export interface PoisonWatch {
  last: FailedRecord | undefined;
  times: number;
}

export function createPoisonWatch(): PoisonWatch {
  return { last: undefined, times: 0 };
}

/** Notes why an incarnation failed (undefined: not at a record) and returns how many in a row failed at the same record. */
export function noteFailure(watch: PoisonWatch, record: FailedRecord | undefined): number {
  const { last } = watch;
  const same =
    record !== undefined &&
    last !== undefined &&
    last.shardId === record.shardId &&
    last.sequenceNumber === record.sequenceNumber &&
    last.subSequenceNumber === record.subSequenceNumber;
  watch.times = same ? watch.times + 1 : 1;
  watch.last = record;
  return record === undefined ? 0 : watch.times;
}
