// The size of a record for every limit in bytes: in a reader, in a shard worker and in the budget of the process.

import { SlabRecord, SlabRecords } from './slab-record.js';

/** The bytes of a record: its data and its partition key, which may be longer than the data. */
export function recordBytes(record: { readonly data: Uint8Array; readonly partitionKey?: string | undefined }): number {
  if (record instanceof SlabRecord) return record.totalBytes;
  return record.data.byteLength + (record.partitionKey?.length ?? 0);
}

/** The bytes of several records. */
export function bytesOf(
  records: Iterable<{ readonly data: Uint8Array; readonly partitionKey?: string | undefined }>,
): number {
  if (records instanceof SlabRecords) return records.totalBytes;
  let bytes = 0;
  for (const record of records) bytes += recordBytes(record);
  return bytes;
}
