// The key of a record for which the application names none. A pure function of the record: every delivery of it, on any
// machine, has the same key. Called once per record, by the stage and by `kinact tail`.

/** The members of a record that decide its key. */
export interface KeyedRecord {
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  readonly partitionKey?: string | undefined;
}

/**
 * The partition key. If a record has none (as on streams whose `RecordDistributionStrategy` is AUTO), its sequence numbers are
 * the key. So such records spread over the reducers; they have no order anyway.
 */
export function recordKey({ partitionKey, sequenceNumber, subSequenceNumber }: KeyedRecord): string {
  if (partitionKey !== undefined) return partitionKey;
  return subSequenceNumber === undefined ? sequenceNumber : `${sequenceNumber}/${subSequenceNumber}`;
}
