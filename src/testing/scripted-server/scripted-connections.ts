// The connections of the scripted server: one port for HTTP/1.1 and for HTTP/2 without TLS. The first bytes of a connection show which
// one the client speaks. Here, connections also break: reset, silent, or told to go away. Called by scripted-server.ts.
import { createServer, type IncomingMessage } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createListener, type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { badRequest, http2Preface } from '../local-servers.js';

/** A request of either protocol. */
export type Incoming = IncomingMessage | Http2ServerRequest;
/** What ServerResponse and Http2ServerResponse have in common. */
export interface Outgoing {
  sendDate: boolean;
  readonly destroyed: boolean;
  readonly socket: Socket | null;
  /** HTTP/2 only. */
  readonly stream?: ServerHttp2Stream;
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers: Record<string, string>): unknown;
  write(bytes: Buffer, done?: () => void): boolean;
  end(): unknown;
  end(bytes: Buffer): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

/** The connections of one server. */
export interface ScriptedConnections {
  /** How many are open. */
  readonly open: number;
  /** Listens on a free port of 127.0.0.1. Resolves to the port. */
  listen(): Promise<number>;
  /** The number of the connection, counted from 1. */
  numberOf(incoming: Incoming): number;
  /** Ends the whole connection, so that the client sees ECONNRESET. */
  reset(response: Outgoing): void;
  /** Ends the whole connection after what was written. */
  hangUp(response: Outgoing): void;
  /** From now on not a byte is sent or heard on the connection, nor its end: the network is gone. */
  silence(response: Outgoing): void;
  /** Sends GOAWAY. Does nothing on a connection of HTTP/1.1, which has no such message. */
  goAway(response: Outgoing, code: number): void;
  /** Resets all connections and stops listening. */
  close(): Promise<void>;
}

const sessionOf = (of: Incoming | Outgoing): Http2Session | undefined =>
  'stream' in of ? of.stream?.session : undefined;

/** The connections of a server that answers requests with `answer`. */
export function scriptedConnections(
  answer: (incoming: Incoming, response: Outgoing) => void,
  maxConcurrentStreams: number,
): ScriptedConnections {
  const open = new Map<Socket, number>();
  const wires = new WeakMap<Http2Session, Wire>();
  let last = 0;

  const http1 = createServer(answer);
  http1.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end(badRequest);
    else socket.destroy();
  });
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams } }, answer);

  const serveHttp2 = (socket: Socket, head: Buffer): void => {
    const wire = new Wire(socket, head);
    http2.once('session', (session) => wires.set(session, wire));
    http2.emit('connection', wire);
  };

  // Without delay, as servers that listen themselves: a client that waits for room to send would wait 40 ms for each acknowledgement.
  const listener = createListener({ noDelay: true }, (socket) => {
    last += 1;
    open.set(socket, last);
    socket.unref(); // a client that stays connected keeps only its own process alive
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    readHead(socket, (head, isHttp2) => {
      if (isHttp2) return serveHttp2(socket, head);
      socket.unshift(head);
      http1.emit('connection', socket);
      return socket.resume();
    });
  });

  const socketOf = (of: Incoming | Outgoing): Socket | null | undefined => {
    const session = sessionOf(of);
    return session === undefined ? of.socket : wires.get(session)?.socket;
  };

  return {
    get open() {
      return open.size;
    },
    async listen() {
      await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve));
      listener.unref();
      return (listener.address() as AddressInfo).port;
    },
    numberOf: (incoming) => open.get(socketOf(incoming)!) ?? 0,
    reset: (response) => socketOf(response)?.resetAndDestroy(),
    hangUp: (response) => socketOf(response)?.destroySoon(),
    silence: (response) => {
      const session = sessionOf(response);
      if (session === undefined) return;
      wires.get(session)?.silence();
    },
    goAway: (response, code) => sessionOf(response)?.goaway(code),
    async close() {
      if (!listener.listening) return;
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of open.keys()) socket.resetAndDestroy();
      await closed;
    },
  };
}

/** Hands on the first bytes of a connection as soon as they show the protocol. The socket is paused then. */
function readHead(socket: Socket, found: (head: Buffer, isHttp2: boolean) => void): void {
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const start = head.subarray(0, http2Preface.length).toString('latin1');
    const isHttp2 = start === http2Preface;
    if (!isHttp2 && http2Preface.startsWith(start)) return;
    socket.off('data', read);
    socket.pause();
    found(head, isHttp2);
  };
  socket.on('data', read);
}

/** The bytes of an HTTP/2 connection. They pass through here, because a session cannot be made silent from outside. */
class Wire extends Duplex {
  readonly socket: Socket;
  #isSilent = false;

  constructor(socket: Socket, head: Buffer) {
    super();
    this.socket = socket;
    this.push(head);
    socket.on('data', (chunk: Buffer) => {
      if (!this.#isSilent && !this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    this.on('error', () => undefined);
  }

  silence(): void {
    this.#isSilent = true;
    this.socket.resume();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#isSilent) done();
    else this.socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#isSilent) done();
    else this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isSilent) this.socket.destroy();
    done(error);
  }
}
