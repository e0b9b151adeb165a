// A TCP proxy on loopback with the faults of a network. It lets connections pass, cuts them, or delays answers. It can leave connections
// open without answers, or drop a single answer to a request that has taken effect.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type ProxyMode =
  | { readonly type: 'pass' }
  /** Every connection is reset, and every new one as soon as it is accepted. */
  | { readonly type: 'cut' }
  /** Every answer arrives `ms` later. */
  | { readonly type: 'slow'; readonly ms: number }
  /** Requests arrive and take effect, but no answer comes back, and no connection ends. */
  | { readonly type: 'halfOpen' };

export interface FaultyProxy {
  /** `http://127.0.0.1:…`, to be used as a client's endpoint. */
  readonly endpoint: string;
  /** Sets the mode of open and new connections. Returns the time of this change, epoch milliseconds. */
  set(mode: ProxyMode): number;
  /** Drops the next answer: its connection is reset instead. Resolves after the reset. */
  dropNextReply(): Promise<void>;
  close(): Promise<void>;
}

export async function faultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const connections = new Map<Socket, Socket>();
  let mode: ProxyMode = { type: 'pass' };
  let dropped: (() => void) | undefined;

  const server = createServer((client) => {
    if (mode.type === 'cut') return void client.resetAndDestroy();
    const upstream = connect(Number(port), hostname);
    connections.set(client, upstream);
    const answers = late(client);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('data', (chunk) => upstream.write(chunk));
    client.on('close', () => {
      connections.delete(client);
      answers.forget();
      upstream.destroy();
    });
    // A connection that lost a part of an answer delivers no more: the client would take later bytes for the missing part.
    let deaf = false;
    upstream.on('data', (chunk) => {
      deaf ||= mode.type === 'halfOpen';
      if (deaf) return;
      if (dropped === undefined) return answers.after(mode.type === 'slow' ? mode.ms : 0, () => client.write(chunk));
      // The first byte of an answer means that the server has done its work.
      const report = dropped;
      dropped = undefined;
      client.resetAndDestroy();
      report();
    });
    upstream.on('close', () => {
      if (!deaf) answers.after(0, () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set: (to) => {
      mode = to;
      if (mode.type === 'cut') for (const client of connections.keys()) client.resetAndDestroy();
      return Date.now();
    },
    dropNextReply: () =>
      new Promise((resolve) => {
        dropped = resolve;
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of connections.keys()) client.destroy();
      }),
  };
}

/** Delays actions, and keeps their order whatever their delays. */
function late(client: Socket): { after(ms: number, act: () => void): void; forget(): void } {
  const queue: { readonly at: number; readonly act: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const proceed = (): void => {
    timer = undefined;
    while (queue[0] !== undefined && queue[0].at <= performance.now()) queue.shift()?.act();
    if (queue[0] !== undefined && !client.destroyed) timer = setTimeout(proceed, queue[0].at - performance.now());
  };
  return {
    after: (ms, act) => {
      queue.push({ at: performance.now() + ms, act });
      if (timer === undefined) proceed();
    },
    forget: () => {
      queue.length = 0;
      clearTimeout(timer);
    },
  };
}
