// Splits the line of a parked item that is too large for one record of a stream, and joins the parts again. Each part is a line of JSON
// with the idempotency key, its number, and an id that all parts of one call share. The parts may come in any order, and twice.
import { randomUUID } from 'node:crypto';
import type { Complaint } from './stored-item.js';

/** The rest of a part's line: names, numbers, id. */
const envelopeBytes = 200;

/** The lines of the parts, each of at most `maxBytes`. Empty if not even one byte of the line would fit. */
export function partsOf(line: Buffer, idempotencyKey: string, maxBytes: number): readonly Buffer[] {
  const room = maxBytes - envelopeBytes - Buffer.byteLength(JSON.stringify(idempotencyKey));
  const chunkBytes = Math.floor(room / 4) * 3;
  if (chunkBytes <= 0) return [];
  const id = randomUUID();
  const of = Math.ceil(line.length / chunkBytes);
  return Array.from({ length: of }, (_, index) => {
    const chunk = line.subarray(index * chunkBytes, (index + 1) * chunkBytes).toString('base64');
    return Buffer.from(`${JSON.stringify({ version: 1, idempotencyKey, part: { id, index, of }, chunk })}\n`);
  });
}

interface Part {
  readonly id: string;
  readonly index: number;
  readonly of: number;
}

/** A set of parts of which some are there. */
interface Opened {
  readonly idempotencyKey: string;
  readonly of: number;
  readonly place: string;
  readonly chunks: Map<number, Buffer>;
}

export interface PartJoiner {
  /** Takes a part. Returns the whole line once all parts are there, undefined before, and why if this is no part. */
  add(members: Readonly<Record<string, unknown>>, place: string): Buffer | string | undefined;
  /** The sets that are not whole, except those of items that `isKnown`: a later call has parked these. */
  incomplete(isKnown: (idempotencyKey: string) => boolean): readonly Complaint[];
}

export function partJoiner(): PartJoiner {
  const open = new Map<string, Opened>();
  const whole = new Set<string>();
  return {
    add({ idempotencyKey, part, chunk }, place) {
      if (!isPart(part) || typeof idempotencyKey !== 'string' || typeof chunk !== 'string')
        return 'its part is not valid';
      const { id, index, of } = part;
      if (whole.has(id)) return undefined;
      const opened: Opened = open.get(id) ?? { idempotencyKey, of, place, chunks: new Map() };
      open.set(id, opened);
      opened.chunks.set(index, Buffer.from(chunk, 'base64'));
      if (opened.chunks.size < opened.of) return undefined;
      open.delete(id);
      whole.add(id);
      return Buffer.concat(Array.from({ length: opened.of }, (_, each) => opened.chunks.get(each) ?? Buffer.alloc(0)));
    },
    incomplete: (isKnown) =>
      [...open.values()]
        .filter(({ idempotencyKey }) => !isKnown(idempotencyKey))
        .map(({ idempotencyKey, place, chunks, of }) => ({
          place,
          reason: `only ${chunks.size} of ${of} parts of '${idempotencyKey}' are there`,
        })),
  };
}

/** No service takes a record of which this would be too few. */
const maxParts = 10_000;

function isPart(value: unknown): value is Part {
  const { id, index, of } = (value ?? {}) as Partial<Part>;
  if (typeof id !== 'string' || !Number.isSafeInteger(index) || !Number.isSafeInteger(of)) return false;
  return (of as number) <= maxParts && (index as number) >= 0 && (index as number) < (of as number);
}
