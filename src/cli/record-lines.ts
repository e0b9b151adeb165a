// What `kinact tail` writes: one JSON line per user record, and when a line counts as written. Invariant: a promise of
// `write` resolves when the write callback of stdout has fired for the whole text. On a full pipe that is when somebody
// has read on. Until then callers that wait for it take no more records.
import type { Writable } from 'node:stream';
import { visible } from '../core/visible.js';
import type { UserRecord } from '../api/ports.js';

/** As much of a record as a line says. */
export interface TailedRecord extends Pick<UserRecord, 'sequenceNumber' | 'data'> {
  readonly shardId: string;
  readonly partitionKey?: string | undefined;
  readonly subSequenceNumber?: number | undefined;
}

/** The line of a record, with its newline. Members and their order are a contract. */
export function recordLine(record: TailedRecord, asText: boolean): string {
  const { shardId, sequenceNumber, partitionKey = null, subSequenceNumber = null, data } = record;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const shown = { shardId, sequenceNumber, subSequenceNumber, partitionKey };
  // An escape of JSON's, so that a parser gets what was in the record.
  return `${visible(JSON.stringify({ ...shown, data: bytes.toString(asText ? 'utf8' : 'base64') }))}\n`;
}

export interface LineWriter {
  /** Rejects when the text could not be written. Texts go out in the order of the calls. */
  write(text: string): Promise<void>;
  /** Calls whose callback has not fired yet. */
  readonly pending: number;
}

export function lineWriter(out: Writable): LineWriter {
  let pending = 0;
  return {
    get pending() {
      return pending;
    },
    write(text) {
      pending += 1;
      return new Promise((resolve, reject) => {
        out.write(text, (error) => {
          pending -= 1;
          if (error) reject(error);
          else resolve();
        });
      });
    },
  };
}

/** True for the error of a pipe whose reader has gone away: an end, and no failure. */
export function isClosedPipe(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return (
    code === 'EPIPE' ||
    code === 'ECONNRESET' ||
    code === 'ERR_STREAM_DESTROYED' ||
    code === 'ERR_STREAM_WRITE_AFTER_END'
  );
}
