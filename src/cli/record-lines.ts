// Writes the output of `kinact tail`: one JSON line per user record. Invariant: the promise of `write` resolves when the write
// callback of stdout has fired for the whole text. If the pipe is full, that is when its reader has read more. Callers await
// the promise before they take more records.
import type { Writable } from 'node:stream';
import { visible } from '../core/visible.js';
import type { UserRecord } from '../api/ports.js';

/** The part of a record that its line shows. */
export interface TailedRecord extends Pick<UserRecord, 'sequenceNumber' | 'data'> {
  readonly shardId: string;
  readonly partitionKey?: string | undefined;
  readonly subSequenceNumber?: number | undefined;
  readonly arrivedAt?: number | undefined;
}

/** The line of a record, with its newline. The members and their order are a contract. */
export function recordLine(record: TailedRecord, asText: boolean): string {
  const { shardId, sequenceNumber, partitionKey = null, subSequenceNumber = null, data } = record;
  const shown = { shardId, sequenceNumber, subSequenceNumber, partitionKey, arrivedAt: timeText(record.arrivedAt) };
  // `visible` writes JSON escapes, so a parser gets the original text.
  return `${visible(JSON.stringify({ ...shown, data: data.toString(asText ? 'utf8' : 'base64') }))}\n`;
}

/** An ISO text, or null for a time that is absent, or that no Date can hold. */
export function timeText(at: number | undefined): string | null {
  if (at === undefined) return null;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
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

/** True if the reader of the pipe has gone. That ends the command, but it is no failure. */
export function isClosedPipe(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return (
    code === 'EPIPE' ||
    code === 'ECONNRESET' ||
    code === 'ERR_STREAM_DESTROYED' ||
    code === 'ERR_STREAM_WRITE_AFTER_END'
  );
}
