// How many bytes a record counts for wherever bytes are bounded: in a reader, in a shard worker, in the budget of the process.

/** The bytes of a record: its data and its key, which may be longer than the data. */
export function recordBytes(record: { readonly data: Uint8Array; readonly partitionKey?: string | undefined }): number {
  return record.data.byteLength + (record.partitionKey?.length ?? 0);
}

/** The bytes of several records. */
export function bytesOf(
  records: readonly { readonly data: Uint8Array; readonly partitionKey?: string | undefined }[],
): number {
  let bytes = 0;
  for (const record of records) bytes += recordBytes(record);
  return bytes;
}
