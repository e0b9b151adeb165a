// The key of a record for which the application names none. A pure function of the record: every delivery of it, on any
// machine, has the same key. Called once per record, by the stage and by `kinact tail`.

/** As much of a record as its key is made of. */
export interface KeyedRecord {
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  readonly partitionKey?: string | undefined;
}

/**
 * The partition key. A record without one (streams whose `RecordDistributionStrategy` is AUTO) has its place in the
 * stream as key. So such records spread over the reducers; nothing orders them anyway.
 */
export function recordKey({ partitionKey, sequenceNumber, subSequenceNumber }: KeyedRecord): string {
  if (partitionKey !== undefined) return partitionKey;
  return subSequenceNumber === undefined ? sequenceNumber : `${sequenceNumber}/${subSequenceNumber}`;
}
