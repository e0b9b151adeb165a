// The key of a record if the application names none. It depends only on the record, so every delivery of the record has the same
// key on every machine. The stage and `kinact tail` call this once per record.

/** The members of a record that decide its key. */
export interface KeyedRecord {
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  readonly partitionKey?: string | undefined;
}

/**
 * The partition key. If a record has none (as on streams with the `RecordDistributionStrategy` AUTO), its sequence numbers are
 * the key. So these records spread over all reducers; they have no order to keep.
 */
export function recordKey({ partitionKey, sequenceNumber, subSequenceNumber }: KeyedRecord): string {
  if (partitionKey !== undefined) return partitionKey;
  return subSequenceNumber === undefined ? sequenceNumber : `${sequenceNumber}/${subSequenceNumber}`;
}
