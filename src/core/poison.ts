// Recognises a record that fails again and again. Failures count however far apart they are, as long as no incarnation
// in between fails at something else.

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
export function noteFailedRecord(watch: PoisonWatch, record: FailedRecord | undefined): number {
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
