// The frames of an AWS event stream: lengths, headers, payload and two checksums. The scripted server writes a subscription in them.
// Own code, because the SDK's encoder is inside @smithy/core, and a new dependency would reach every user of kinact.
import { crc32 } from 'node:zlib';

/** Total length and length of the headers, four bytes each. */
const lengthsBytes = 8;
const checksumBytes = 4;
/** The type of a header whose value is text. */
const textType = 7;

/** One frame. All headers are texts. */
export function frame(headers: Readonly<Record<string, string>>, payload: Buffer): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const total = lengthsBytes + checksumBytes + head.length + payload.length + checksumBytes;

  const prelude = Buffer.alloc(lengthsBytes + checksumBytes);
  prelude.writeUInt32BE(total, 0);
  prelude.writeUInt32BE(head.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, lengthsBytes)), lengthsBytes);

  const end = Buffer.alloc(checksumBytes);
  end.writeUInt32BE(crc32(payload, crc32(head, crc32(prelude))));
  return Buffer.concat([prelude, head, payload, end]);
}

function header(name: string, value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([
    Buffer.from([Buffer.byteLength(name)]),
    Buffer.from(name),
    Buffer.from([textType]),
    length,
    bytes,
  ]);
}

const json = 'application/x-amz-json-1.1';

/** The frame of an event, such as SubscribeToShardEvent. `initial-response` comes before all events. */
export function eventFrame(name: string, body: object): Buffer {
  const headers = { ':event-type': name, ':content-type': json, ':message-type': 'event' };
  return frame(headers, Buffer.from(JSON.stringify(body)));
}

/** The frame of an error that the service declares: the SDK makes it a member of the stream, or throws it. */
export function exceptionFrame(code: string, message: string): Buffer {
  const headers = { ':exception-type': code, ':content-type': json, ':message-type': 'exception' };
  return frame(headers, Buffer.from(JSON.stringify({ message })));
}
