// The HTTP handler for kinact's own Kinesis clients and for clients of the local servers: keep-alive HTTP/1.1 with a deadline per
// request. The SDK's default for Kinesis is HTTP/2, which opens a connection per call when polling. kinesalite never answers some
// requests, so a deadline is necessary. The number of sockets has no bound of its own: `maxPollingCalls` bounds the calls.
import { NodeHttpHandler } from '@smithy/node-http-handler';

export type { NodeHttpHandler };

/** A handler whose requests fail after `requestTimeoutMs`; `destroy()` closes its sockets. */
export function httpHandler(requestTimeoutMs: number): NodeHttpHandler {
  const agent = { keepAlive: true, maxSockets: Infinity };
  return new NodeHttpHandler({
    requestTimeout: requestTimeoutMs,
    throwOnRequestTimeout: true,
    httpAgent: agent,
    httpsAgent: agent,
  });
}
