// An object that comes in chunks: what has come of it, and what the next chunk must be. No chunk may be missing, so an object is whole
// or it has failed.
import { NonRetryableError } from '../api/failure-policy.js';
import { show } from '../api/refusal.js';
import type { LeaseHoldings } from './lease-holdings.js';

/** Which chunk of which object a value is. */
export interface Chunk {
  /** The object, unique on its route: a retransmission is recognized by it. */
  readonly id: string | number;
  /** The place of the chunk in the object, from 1. */
  readonly index: number;
  /** How many chunks the object has. Either each chunk says it, or the last one has `isLast`. */
  readonly total?: number | undefined;
  /** Whether it is the last chunk. */
  readonly isLast?: boolean | undefined;
}

/** An object of which at least chunk 1 has come, and not the last. */
export interface ChunkedObject<In> {
  /** The values of the chunks 1, 2, …, without a gap; unless `hasLost`, which leaves what is not lost. */
  values: In[];
  /** `keys[i]` stands for the leases of `values[i]`. */
  keys: string[];
  readonly total: number | undefined;
  /** When chunk 1 came, epoch milliseconds. */
  readonly firstAt: number;
  readonly holdings: LeaseHoldings;
  /** Chunks were lost with their lease, so it can never be whole. */
  hasLost: boolean;
}

/** Refuses what is no chunk. */
export function checkChunk(chunk: Chunk): Chunk {
  if (typeof chunk !== 'object' || chunk === null) refuseChunk(`must be an object, got ${show(chunk)}`);
  const { id, index, total, isLast } = chunk;
  if (typeof id !== 'string' && typeof id !== 'number') refuseChunk(`has the id ${show(id)}`);
  if (!isPlace(index)) refuseChunk(`of ${show(id)} has the index ${show(index)}`);
  if (total === undefined && typeof isLast !== 'boolean') refuseChunk(`of ${show(id)} has neither total nor isLast`);
  if (total !== undefined && !(isPlace(total) && index <= total))
    refuseChunk(`${index} of ${show(id)} has the total ${show(total)}`);
  return chunk;
}

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;

function refuseChunk(complaint: string): never {
  throw new NonRetryableError(`assembleChunks: a chunk ${complaint}`);
}

export const isWhole = ({ index, total, isLast }: Chunk): boolean =>
  total === undefined ? isLast === true : index === total;

/** Why the object has failed with this chunk; undefined if the chunk is the next one. */
export function whyFailed<In>({ id, index, total }: Chunk, object: ChunkedObject<In> | undefined): string | undefined {
  if (object?.hasLost === true) return `object ${show(id)} has lost chunks with their lease`;
  const next = (object?.values.length ?? 0) + 1;
  if (index > next) return `chunk ${next} of ${show(id)} is missing: chunk ${index} came`;
  if (object !== undefined && object.total !== total)
    return `chunk ${index} of ${show(id)} has the total ${show(total)}, and chunk 1 had ${show(object.total)}`;
  return undefined;
}

/** Whether the chunk is here already: it was sent again. */
export const isRepeated = <In>({ index }: Chunk, object: ChunkedObject<In> | undefined): boolean =>
  object !== undefined && !object.hasLost && index <= object.values.length;
