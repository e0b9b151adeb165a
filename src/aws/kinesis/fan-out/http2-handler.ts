// The SDK's request handlers for subscriptions. The SDK's own HTTP/2 handler opens a connection for each call, or puts any number of
// streams on one; ours shares sessions within what their server allows. All other calls stay on keep-alive HTTP/1.1.
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Timers } from '../../../api/ports.js';
import { httpHandler } from '../../http-handler.js';
import { http2Sessions, type Http2Sessions } from './http2-sessions.js';

type Request = Parameters<NodeHttpHandler['handle']>[0];
type Options = Parameters<NodeHttpHandler['handle']>[1];
type Handled = ReturnType<NodeHttpHandler['handle']>;

export interface RequestHandler {
  handle(request: Request, options?: Options): Handled;
  destroy(): void;
  /** The SDK calls these two; there is nothing to configure. */
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): object;
}

/** Headers that HTTP/2 does not have. `host` becomes `:authority`. */
const notInHttp2: ReadonlySet<string> = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** Sends every request over HTTP/2. */
export function http2Handler(timers: Timers): RequestHandler {
  const servers = new Map<string, Http2Sessions>();
  return {
    async handle(request, options = {}) {
      const { protocol, hostname, port, path, method, headers, body } = request;
      const authority = `${hostname}${port === undefined ? '' : `:${port}`}`;
      const origin = `${protocol}//${authority}`;
      const sessions = servers.get(origin) ?? http2Sessions(origin, timers);
      servers.set(origin, sessions);

      const sent: OutgoingHttpHeaders = {};
      for (const [name, value] of Object.entries(headers)) {
        if (!notInHttp2.has(name.toLowerCase())) sent[name.toLowerCase()] = value;
      }
      Object.assign(sent, {
        [constants.HTTP2_HEADER_AUTHORITY]: headers['host'] ?? authority,
        [constants.HTTP2_HEADER_METHOD]: method,
        [constants.HTTP2_HEADER_PATH]: path,
      });

      const signal = (options.abortSignal as AbortSignal | undefined) ?? new AbortController().signal;
      const stream = await sessions.request(sent, signal);
      return answerOf(stream, body as string | Uint8Array | undefined, signal);
    },
    destroy() {
      for (const sessions of servers.values()) sessions.destroy();
      servers.clear();
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

/** Resolves with the answer's headers; its body is the stream. `signal` ends it at any time: only that tells the server. */
function answerOf(stream: ClientHttp2Stream, body: string | Uint8Array | undefined, signal: AbortSignal): Handled {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
      // A stream that the server has ended closes only when all of it is read. Nobody will do that, and it would keep its place.
      if (stream.closed) stream.destroy();
      else stream.close(constants.NGHTTP2_CANCEL);
    };
    signal.addEventListener('abort', abort, { once: true });
    stream.once('close', () => {
      signal.removeEventListener('abort', abort);
      reject(Object.assign(new Error('the stream was closed without an answer'), { code: 'ECONNRESET' }));
    });
    // Without this listener an error of a stream that nobody reads would end the process.
    stream.on('error', reject);
    stream.once('response', (headers) => {
      const response = { statusCode: headers[':status'] ?? 0, headers: plainHeaders(headers), body: stream };
      resolve({ response } as unknown as Awaited<Handled>);
    });
    if (signal.aborted) return abort();
    stream.end(body);
  });
}

function plainHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(',') : value]],
    ),
  );
}

/**
 * Sends SubscribeToShard over HTTP/2, everything else over HTTP/1.1. A server without TLS is a local one, which may not speak HTTP/2:
 * there a subscription has an HTTP/1.1 connection of its own.
 */
export function subscribingHandler(requestTimeoutMs: number, timers: Timers): RequestHandler {
  const polling = httpHandler(requestTimeoutMs);
  const subscribing = http2Handler(timers);
  const local = new NodeHttpHandler({ httpAgent: { keepAlive: false, maxSockets: Infinity } });
  return {
    handle(request, options) {
      const target = request.headers['x-amz-target'] ?? request.headers['X-Amz-Target'];
      if (target?.endsWith('.SubscribeToShard') !== true) return polling.handle(request, options);
      return request.protocol === 'https:' ? subscribing.handle(request, options) : local.handle(request, options);
    },
    destroy() {
      for (const handler of [polling, subscribing, local]) handler.destroy();
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}
