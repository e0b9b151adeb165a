// Turns answers of GetRecords into raw records. Our own client reads them from their bytes: binary values stay base64, as the record's
// JSON has them, and an attribute named `__proto__` is kept, which the SDK loses. With a user's client the SDK has decoded them.
import type { RawRecord } from '../../api/ports.js';
import { rawRecordOf } from './change-json.js';

/** The member in which the fast path leaves its records; the SDK's own `Records` is then empty. */
const fastRecords = Symbol('kinact.changes');

/** An answer of GetRecords; any member may be missing. */
export interface ChangesOutput {
  readonly Records?: unknown;
  readonly NextShardIterator?: string | null | undefined;
  readonly [fastRecords]?: readonly RawRecord<Buffer>[];
}

/** Throws a SyntaxError on anything but an answer of GetRecords. The caller treats that as a broken connection. */
export function parseAnswer(bytes: Buffer): ChangesOutput {
  const answer = JSON.parse(bytes.toString()) as ChangesOutput | null;
  if (typeof answer !== 'object' || answer === null) throw noAnswer();
  const { NextShardIterator: next } = answer;
  return {
    Records: [],
    [fastRecords]: recordsOf(answer),
    ...(typeof next === 'string' ? { NextShardIterator: next } : {}),
  };
}

/** The records of an answer, from the fast path or the SDK. Throws a SyntaxError if there is no list of records. */
export function recordsOf(output: ChangesOutput): readonly RawRecord<Buffer>[] {
  const fast = output[fastRecords];
  if (fast !== undefined) return fast;
  if (!Array.isArray(output.Records)) throw noAnswer();
  return output.Records.map(rawRecordOf);
}

function noAnswer(): SyntaxError {
  return new SyntaxError('GetRecords was answered without Records');
}
