// Recognizes a record that fails again and again while others succeed. Failures count however far apart they are, as long as no
// incarnation in between fails for another reason.

/** What identifies a failed record. */
export interface FailedRecord {
  /** `<source>/<shard id>`. */
  readonly shard: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
}

export interface PoisonWatch {
  last: FailedRecord | undefined;
  times: number;
  /** How many items had been settled at the first of these failures. */
  settledBefore: number;
}

export function createPoisonWatch(): PoisonWatch {
  return { last: undefined, times: 0, settledBefore: 0 };
}

/**
 * Notes the record at which an incarnation failed (undefined: another reason), and how many items have been settled so far. Returns
 * how many incarnations in a row have failed at that record, and whether other records have succeeded between the failures.
 */
export function noteFailedRecord(
  watch: PoisonWatch,
  record: FailedRecord | undefined,
  settled: number,
): { readonly times: number; readonly othersSucceed: boolean } {
  const { last } = watch;
  const same =
    record !== undefined &&
    last !== undefined &&
    last.shard === record.shard &&
    last.sequenceNumber === record.sequenceNumber &&
    last.subSequenceNumber === record.subSequenceNumber;
  if (!same) watch.settledBefore = settled;
  watch.times = same ? watch.times + 1 : 1;
  watch.last = record;
  return { times: record === undefined ? 0 : watch.times, othersSucceed: settled > watch.settledBefore };
}
