// Recognizes a record that fails again and again. Failures count however far apart they are, as long as no incarnation in between
// fails for another reason.

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

/** Notes the record at which an incarnation failed (undefined: another reason). Returns how many in a row have failed at that record. */
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
