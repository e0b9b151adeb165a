// The GetRecords answer for the floor: data is decoded in place, and a record is four places and two more in one array, not an object. It
// expects the members of a record as the service writes them: no spaces, no escapes, no null. Anything else is refused. Called by
// floor-side.ts.

export interface FloorAnswer {
  readonly count: number;
  /** The answer, in which each `Data` is decoded where it stood. */
  readonly bytes: Buffer;
  /** `placesEach` places in `bytes` per record: begin and end of its data, its partition key and its sequence number. */
  readonly places: Uint32Array;
  /** Where the list of records ends. */
  readonly end: number;
}

export const placesEach = 6;

/** Longer data is decoded by Node: the call costs more than the loop below, and each byte less. */
const longestByHand = 512;

const quote = 0x22;
const escape = 0x5c;
const padding = 0x3d;
const brace = 0x7b;
const comma = 0x2c;
const bracket = 0x5d;

/** The value of a base64 character, shifted to its place in a group of four; -1 for any other. */
const tables = [18, 12, 6, 0].map((shift) => {
  const table = new Int32Array(256).fill(-1);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  for (let value = 0; value < alphabet.length; value += 1) table[alphabet.charCodeAt(value)] = value << shift;
  return table;
});
const [first, second, third, fourth] = tables as [Int32Array, Int32Array, Int32Array, Int32Array];

export function floorAnswerOf(bytes: Buffer): FloorAnswer {
  let places = new Uint32Array(placesEach * 1_024);
  let count = 0;
  let at = bytes.indexOf('[') + 1;
  while (bytes[at] !== bracket) {
    if (bytes[at] === comma) at += 1;
    if (bytes[at] !== brace) throw new SyntaxError('the floor expected a record');
    if (placesEach * (count + 1) > places.length) {
      const more = new Uint32Array(2 * places.length);
      more.set(places);
      places = more;
    }
    at = record(bytes, at, places, placesEach * count);
    count += 1;
  }
  return { count, bytes, places, end: at };
}

/** Reads members from `{` on. Returns the place behind `}`. */
function record(bytes: Buffer, from: number, places: Uint32Array, slot: number): number {
  let at = from;
  // Each turn begins at `{` or `,`, and a member is `"name":value`.
  while (bytes[at] === brace || bytes[at] === comma) {
    const initial = bytes[at + 2];
    const name = closing(bytes, at + 2);
    at = name + 2;
    // A number: the time of arrival.
    if (bytes[at] !== quote) {
      while (bytes[at] !== comma && bytes[at] !== 0x7d) at += 1;
      continue;
    }
    const begin = at + 1;
    // D, P and S: Data, PartitionKey and SequenceNumber.
    const member = initial === 0x44 ? 0 : initial === 0x50 ? 2 : 4;
    places[slot + member] = begin;
    if (member === 0) {
      const end = bytes.indexOf(quote, begin);
      places[slot + 1] = decode(bytes, begin, end);
      at = end + 1;
    } else {
      const end = closing(bytes, begin);
      places[slot + member + 1] = end;
      at = end + 1;
    }
  }
  return at + 1;
}

/** The place of the quote that ends a text. */
function closing(bytes: Buffer, from: number): number {
  let at = from;
  for (let code = bytes[at]; code !== quote; code = bytes[at]) {
    if (code === escape || code === undefined) throw new SyntaxError('the floor reads no escapes');
    at += 1;
  }
  return at;
}

/** Writes the decoded bytes over the base64. Returns the place where they end. */
function decode(bytes: Buffer, from: number, end: number): number {
  if (end - from > longestByHand) return from + bytes.write(bytes.toString('latin1', from, end), from, 'base64');
  let at = from;
  let to = from;
  for (; at + 4 <= end; at += 4, to += 3) {
    const word =
      (first[bytes[at] as number] as number) |
      (second[bytes[at + 1] as number] as number) |
      (third[bytes[at + 2] as number] as number) |
      (fourth[bytes[at + 3] as number] as number);
    if (word < 0) break;
    bytes[to] = word >> 16;
    bytes[to + 1] = word >> 8;
    bytes[to + 2] = word;
  }
  if (at === end) return to;
  // The last group is padded.
  const isOne = bytes[at + 2] === padding;
  const word =
    (first[bytes[at] as number] as number) |
    (second[bytes[at + 1] as number] as number) |
    (isOne ? 0 : (third[bytes[at + 2] as number] as number));
  if (end - at !== 4 || bytes[at + 3] !== padding || word < 0) throw new SyntaxError('the floor expected base64');
  bytes[to] = word >> 16;
  if (isOne) return to + 1;
  bytes[to + 1] = word >> 8;
  return to + 2;
}
