// A TCP proxy on loopback that can swallow one reply: the request reaches the server and takes effect, its answer never
// arrives. What the network does to a write at the worst moment, on demand.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface LossyProxy {
  /** `http://127.0.0.1:…`, to be used as a client's endpoint. */
  readonly endpoint: string;
  /** The next answer is cut off: its connection is reset instead. Resolves when that has happened. */
  dropNextReply(): Promise<void>;
  close(): Promise<void>;
}

export async function lossyProxy(target: string): Promise<LossyProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let dropped: (() => void) | undefined;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, peer] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        peer.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (dropped === undefined) {
        client.write(chunk);
        return;
      }
      // The first byte of an answer means that the server has done its work.
      const report = dropped;
      dropped = undefined;
      client.resetAndDestroy();
      report();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    dropNextReply: () =>
      new Promise((resolve) => {
        dropped = resolve;
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
