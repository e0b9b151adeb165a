// Shows bytes as a Buffer, as the application gets them on every path: `toString('utf8')` of a bare Uint8Array gives numbers, not
// text. No byte is copied. Called where bytes enter: once per raw record, never per user record.
import { SlabRecord } from './slab-record.js';

/** The same bytes as a Buffer, in the same memory. A Buffer is returned as it is. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The same record with its bytes as a Buffer. A record that has a Buffer is returned as it is. */
export function buffered<Entry extends { readonly data: Uint8Array }>(
  record: Entry,
): Entry & { readonly data: Buffer } {
  // A look at its data would make a view.
  if (record instanceof SlabRecord) return record as Entry & { readonly data: Buffer };
  const data = bufferOf(record.data);
  return data === record.data ? (record as Entry & { readonly data: Buffer }) : { ...record, data };
}
