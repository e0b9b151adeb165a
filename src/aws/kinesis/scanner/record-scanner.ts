// Scans GetRecords answers with the WebAssembly program of records.wat. It decodes JSON and base64 in one pass, into slabs that many
// records share: a third of the time of JSON.parse and Buffer.from, and a fraction of the garbage. Whatever it does not expect, it leaves
// to JSON.parse: get-records-answer.ts. Called by that file only.
import { SlabRecords, placeLength, type Slab } from '../../../core/slab-record.js';
import { scannerCode } from './scanner-code.js';

/** An answer as the scanner has taken it apart. */
export interface ScannedAnswer {
  readonly records: SlabRecords;
  /** The answer in JSON, with an empty array in place of the records. */
  readonly rest: string;
}

/** What is used of WebAssembly. Its types belong to the DOM library, which a server has no use for. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

interface Program {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly rest: { readonly value: number };
  readonly end: { readonly value: number };
  scan(from: number, to: number, meta: number, most: number): number;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const listStart = '"Records":[';
const pageBytes = 65_536;
/** The table of base64 characters lies before the answer. */
const answerAt = 1_024;
/** The zero bytes behind the answer: the program reads ahead, and stops at them. */
const zeroBytes = 64;
const placeBytes = placeLength * 4;
/** GetRecords answers with at most 10,000 records, and 10 MiB of data, which are 14 MiB of base64. */
const mostRecords = 10_000;
const mostBytes = 16 * 1024 * 1024;
/** A slab stays in memory as long as one of its records does, so it must not be large. A larger record has a slab of its own. */
const slabBytes = 65_536;

/** Undefined before the first answer; null where WebAssembly or its SIMD instructions are missing. */
let program: Program | null | undefined;

/**
 * Takes an answer apart. `parts` are its bytes, in order, and `length` their number. Returns undefined for an answer that is not exactly
 * as expected, for example with an escape or a character above ASCII in a key.
 */
export function scanAnswer(parts: readonly Uint8Array[], length: number): ScannedAnswer | undefined {
  program = program === undefined ? load() : program;
  if (program === null || length > mostBytes) return undefined;

  const decodedAt = aligned(answerAt + length + zeroBytes);
  const placesAt = aligned(decodedAt + length);
  const memory = memoryOf(program, placesAt + mostRecords * placeBytes);
  if (memory === undefined) return undefined;
  let end = answerAt;
  for (const part of parts) {
    memory.set(part, end);
    end += part.length;
  }
  memory.fill(0, end, end + zeroBytes);

  const list = memory.subarray(answerAt, end).indexOf(listStart);
  if (list < 0) return undefined;
  const from = answerAt + list + listStart.length;
  const count = program.scan(from, decodedAt, placesAt, mostRecords);
  if (count < 0) return undefined;

  const before = memory.toString('utf8', answerAt, from);
  const after = memory.toString('utf8', program.rest.value - 1, end);
  if (!isOwnList(before, after)) return undefined;
  const rest = before + after;
  return { records: packed(memory, { count, placesAt, decodedAt, decodedEnd: program.end.value }), rest };
}

/** Whether the list is a member of the answer itself, and no other list is. */
function isOwnList(before: string, after: string): boolean {
  return before.lastIndexOf('{') === 0 && before.indexOf('[') === before.length - 1 && !after.includes('"Records"');
}

function load(): Program | null {
  try {
    const module = new WebAssembly.Module(Buffer.from(scannerCode, 'base64'));
    const loaded = new WebAssembly.Instance(module).exports as unknown as Program;
    const table = new Uint8Array(loaded.memory.buffer, 0, 256).fill(255);
    for (let value = 0; value < alphabet.length; value += 1) table[alphabet.charCodeAt(value)] = value;
    return loaded;
  } catch {
    return null;
  }
}

function aligned(address: number): number {
  return Math.ceil(address / 16) * 16;
}

/** The whole memory of the program, with at least `bytes` bytes. Undefined if the machine has no more. */
function memoryOf({ memory }: Program, bytes: number): Buffer | undefined {
  const missing = bytes - memory.buffer.byteLength;
  try {
    if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
  } catch {
    return undefined;
  }
  return Buffer.from(memory.buffer);
}

interface Decoded {
  readonly count: number;
  /** The addresses of the places and of the decoded bytes. */
  readonly placesAt: number;
  readonly decodedAt: number;
  readonly decodedEnd: number;
}

/** Copies the decoded bytes into slabs. */
function packed(memory: Buffer, { count, placesAt, decodedAt, decodedEnd }: Decoded): SlabRecords {
  const places = new Int32Array(memory.buffer, placesAt, count * placeLength);
  const slabs: Slab[] = [];
  for (let first = 0, base = decodedAt; first < count;) {
    let next = first + 1;
    let end = next < count ? beginning(places, next) : decodedEnd;
    while (next < count) {
      const following = next + 1 < count ? beginning(places, next + 1) : decodedEnd;
      if (following - base > slabBytes) break;
      next += 1;
      end = following;
    }
    slabs.push(slabOf(memory, { base, end, placesFrom: placesAt + first * placeBytes, records: next - first }));
    first = next;
    base = end;
  }
  return new SlabRecords(slabs);
}

/** Where the bytes of a record begin. Its members lie in the order of the answer; a key that is absent has no place. */
function beginning(places: Int32Array, record: number): number {
  const at = record * placeLength;
  const number = places[at] as number;
  const key = places[at + 2] as number;
  const data = places[at + 4] as number;
  const first = number < data ? number : data;
  return key !== 0 && key < first ? key : first;
}

function slabOf(
  memory: Buffer,
  { base, end, placesFrom, records }: { base: number; end: number; placesFrom: number; records: number },
): Slab {
  // Not from the pool: a slab of another answer would share its memory.
  const bytes = Buffer.allocUnsafeSlow(end - base);
  memory.copy(bytes, 0, base, end);
  const copied = memory.buffer.slice(placesFrom, placesFrom + records * placeBytes);
  return { bytes, base, places: new Int32Array(copied), times: new Float64Array(copied) };
}
