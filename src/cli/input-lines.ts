// Splits a byte stream into lines for `kinact put`, without decoding it, because a record need not be text.

const newline = 0x0a;

/**
 * Yields the lines of each chunk as soon as the chunk arrives, without their newlines. The last line needs no newline. A line
 * longer than `maxBytes` is cut to `maxBytes + 1` bytes. That bounds memory, and shows the caller that the line is too long.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<readonly Uint8Array[]> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const keep = (part: Uint8Array): void => {
    const room = Math.max(0, maxBytes + 1 - bytes);
    if (room === 0 || part.length === 0) return;
    parts.push(part.length > room ? part.subarray(0, room) : part);
    bytes += Math.min(part.length, room);
  };
  const finish = (): Uint8Array => {
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    return line;
  };

  let open = false;
  for await (const given of chunks) {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given;
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, end));
      lines.push(finish());
      from = end + 1;
    }
    open = from < chunk.length || (open && from === 0);
    keep(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (open) yield [finish()];
}
