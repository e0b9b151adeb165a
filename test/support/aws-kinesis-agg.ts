// Types for aws-kinesis-agg 4.2.8, the independent producer and oracle of the KPL format in tests and demo. Its own typings need
// packages that are not installed. All its arguments are copied, because the package writes into them.
import { createRequire } from 'node:module';

/** A user record as the package's aggregator accepts it. */
export interface AggUserRecord {
  readonly partitionKey: string;
  readonly explicitHashKey?: string;
  readonly data: Uint8Array;
}

/** A user record as the package's deaggregator returns it. */
export interface AggDecoded {
  readonly partitionKey: string | undefined;
  readonly explicitPartitionKey: string | undefined;
  readonly subSequenceNumber: number | undefined;
  /** Base64. */
  readonly data: string;
}

interface Encoded {
  readonly partitionKey: string;
  readonly ExplicitHashKey?: string;
  readonly data: Buffer;
}

interface AwsKinesisAgg {
  RecordAggregator: new () => {
    addUserRecord(record: { partitionKey: string; explicitHashKey?: string; data: Buffer }): void;
    build(): Encoded | undefined;
  };
  deaggregateSync(
    record: { partitionKey: string; sequenceNumber: string; data: string | Uint8Array },
    computeChecksums: boolean,
    after: (error: Error | null | undefined, records?: AggDecoded[]) => void,
  ): void;
}

export const awsKinesisAgg = createRequire(import.meta.url)('aws-kinesis-agg') as AwsKinesisAgg;

/** One aggregate made by aws-kinesis-agg. Throws when the records do not fit into one. */
export function aggEncode(records: readonly AggUserRecord[]): Encoded {
  const aggregator = new awsKinesisAgg.RecordAggregator();
  for (const record of records) aggregator.addUserRecord({ ...record, data: Buffer.from(record.data) });
  return aggregator.build()!;
}

/** Decodes record data with aws-kinesis-agg, with its checksum. Returns the records, and every error of the callback. */
export function aggDecode(data: Uint8Array): { records: AggDecoded[]; errors: Error[] } {
  const records: AggDecoded[] = [];
  const errors: Error[] = [];
  const record = { partitionKey: 'outer', sequenceNumber: '1', data: Buffer.from(data).toString('base64') };
  awsKinesisAgg.deaggregateSync(record, true, (error, decoded) => {
    if (error !== null && error !== undefined) errors.push(error);
    if (decoded !== undefined) records.push(...decoded);
  });
  return { records, errors };
}
