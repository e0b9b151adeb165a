// A request handler for the SDK's Kinesis client that answers without a socket. The bytes of an answer come in chunks of 64 KiB, as a
// socket hands them out. So a benchmark pays for everything above the socket: serialising, signing, middleware, the deserialiser.
import { Readable } from 'node:stream';
import type { RequestHandler } from '../../src/aws/kinesis/fan-out/http2-handler.js';
import type { Answers } from './answers.js';

const chunkBytes = 65_536;

/** A call after the last pull of a shard waits until it is aborted. */
export function stubHandler(answers: Answers): RequestHandler {
  return {
    async handle({ headers, body }, { abortSignal } = {}) {
      // A socket answers in a later turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const target = String(headers['x-amz-target'] ?? headers['X-Amz-Target']);
      const bytes =
        (await answers.to(target, Buffer.from(body as Uint8Array))) ??
        (await aborted(abortSignal as AbortSignal | undefined));
      return { response: response(bytes) } as never;
    },
    destroy() {},
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

function response(bytes: Buffer): object {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'content-length': String(bytes.length) };
  return { statusCode: 200, headers, body: Readable.from(chunksOf(bytes)) };
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
