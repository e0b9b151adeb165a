// Murmur3 (x86, 32 bits) over the UTF-8 bytes of a key. routing.ts chooses by this hash, so it must never change. It runs once
// per item, and allocates nothing for ASCII keys.

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

const encoder = new TextEncoder();

/** The hash of the key's UTF-8 bytes, an integer in [0, 2^32). A lone surrogate hashes as U+FFFD. */
export function murmur3(key: string, seed = 0): number {
  let hash = seed | 0;
  let seen = 0;
  const whole = key.length & ~3;
  for (let index = 0; index < whole; index += 4) {
    const a = key.charCodeAt(index);
    const b = key.charCodeAt(index + 1);
    const c = key.charCodeAt(index + 2);
    const d = key.charCodeAt(index + 3);
    seen |= a | b | c | d;
    hash = mixBlock(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  let tail = 0;
  for (let index = key.length - 1; index >= whole; index--) {
    const code = key.charCodeAt(index);
    seen |= code;
    tail = (tail << 8) | code;
  }
  // A code unit above 0x7f takes several bytes in UTF-8. Keys with such code units are rare, and are hashed again as bytes.
  if (seen > 0x7f) return murmur3Bytes(encoder.encode(key), seed);
  return finish(hash, tail, key.length);
}

/** The hash of bytes, an integer in [0, 2^32). */
export function murmur3Bytes(bytes: Uint8Array, seed = 0): number {
  let hash = seed | 0;
  const whole = bytes.length & ~3;
  const byteAt = (index: number): number => bytes[index] as number;
  for (let index = 0; index < whole; index += 4) {
    hash = mixBlock(
      hash,
      byteAt(index) | (byteAt(index + 1) << 8) | (byteAt(index + 2) << 16) | (byteAt(index + 3) << 24),
    );
  }
  let tail = 0;
  for (let index = bytes.length - 1; index >= whole; index--) tail = (tail << 8) | byteAt(index);
  return finish(hash, tail, bytes.length);
}

function mixBlock(hash: number, block: number): number {
  const mixed = hash ^ scramble(block);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, C1);
  return Math.imul((product << 15) | (product >>> 17), C2);
}

function finish(hash: number, tail: number, length: number): number {
  // An empty tail scrambles to 0, so it needs no special case.
  let mixed = hash ^ scramble(tail) ^ length;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
