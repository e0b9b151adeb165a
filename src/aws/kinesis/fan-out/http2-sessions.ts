// The HTTP/2 sessions to one server, as many as its streams need. Invariants: a session has no more streams than the server's setting
// allows, and none before that setting has come. A stream beyond it would get neither an answer nor an error. A session that answers
// no ping is destroyed, which ends its streams. Used by http2-handler.ts.
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Timers } from '../../../api/ports.js';

export interface Http2Sessions {
  /** Opens a stream, as soon as a session has a place for it. Rejects if none can be made, and when `signal` aborts. */
  request(headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<ClientHttp2Stream>;
  /** Ends all sessions and their streams. */
  destroy(): void;
  /** How many sessions and streams there are. */
  readonly size: { readonly sessions: number; readonly streams: number };
}

interface Session {
  readonly connection: ClientHttp2Session;
  /** Set once it is connected. */
  socket: Socket | undefined;
  /** How many streams it may have; undefined until the server's settings have come. */
  limit: number | undefined;
  streams: number;
  /** No new stream may begin: the session ends, or its server has asked for that (GOAWAY). */
  closed: boolean;
  /** Nothing has come since the last look: no answer to the ping, no settings; or there was no stream. */
  isSuspect: boolean;
}

interface Waiter {
  readonly granted: (session: Session) => void;
  readonly failed: (error: Error) => void;
}

/** Never more streams than this, whatever a server allows: one broken connection should not end too many. */
const maxStreams = 100;
/** How often a session is looked at. It has so long to answer a ping, or to send its settings. */
const lookMs = 10_000;
/** How much the service may send ahead, for each stream and for all of them. A reader without room for records holds as much. */
const streamWindowBytes = 256 * 1024;
const sessionWindowBytes = 16 * 1024 * 1024;

function createSession(connection: ClientHttp2Session): Session {
  return { connection, socket: undefined, limit: undefined, streams: 0, closed: false, isSuspect: false };
}

export function http2Sessions(authority: string, timers: Timers): Http2Sessions {
  const sessions = new Set<Session>();
  const waiting = new Set<Waiter>();
  /** How many streams the last server allowed. */
  let expectedLimit = maxStreams;
  let cancelLook: (() => void) | undefined;
  let isDestroyed = false;

  const free = (): Session | undefined =>
    [...sessions].find(({ limit, streams, closed }) => !closed && limit !== undefined && streams < limit);

  /** Gives waiting requests the places that are free, and opens sessions for the others. */
  function serve(): void {
    for (const { granted } of [...waiting]) {
      const session = free();
      if (session === undefined) break;
      session.streams += 1;
      granted(session);
    }
    const useful = [...sessions].filter(({ closed }) => !closed);
    // A server that allows no streams now would allow none on another session.
    if (useful.some(({ limit }) => limit === 0)) return;
    const opening = useful.filter(({ limit }) => limit === undefined).length;
    for (let more = Math.ceil(waiting.size / expectedLimit) - opening; more > 0; more -= 1) open();
  }

  function open(): void {
    const connection = connect(authority, { settings: { enablePush: false, initialWindowSize: streamWindowBytes } });
    const session = createSession(connection);
    sessions.add(session);
    connection.once('connect', (_, socket) => {
      session.socket = socket as Socket;
      connection.setLocalWindowSize(sessionWindowBytes);
    });
    connection.on('remoteSettings', ({ maxConcurrentStreams = maxStreams }) => {
      session.limit = Math.min(maxConcurrentStreams, maxStreams);
      expectedLimit = Math.max(1, session.limit);
      serve();
    });
    connection.on('goaway', () => {
      session.closed = true;
      serve();
    });
    connection.on('error', (error: Error) => {
      if (session.limit === undefined) for (const { failed } of [...waiting]) failed(error);
    });
    connection.once('close', () => {
      session.closed = true;
      sessions.delete(session);
      if (session.limit === undefined) for (const { failed } of [...waiting]) failed(ended());
      if (sessions.size === 0) {
        cancelLook?.();
        cancelLook = undefined;
      }
      if (!isDestroyed) serve();
    });
    cancelLook ??= timers.after(lookMs, look);
  }

  /** Pings the sessions; ends those that have not answered since the last look, and those that nobody uses. */
  function look(): void {
    cancelLook = undefined;
    for (const session of sessions) {
      if (session.isSuspect) end(session, session.streams > 0 ? ended() : undefined);
      else {
        session.isSuspect = true;
        if (session.limit === undefined || session.streams === 0) continue;
        session.connection.ping((error: Error | null) => {
          if (error === null) session.isSuspect = false;
        });
      }
    }
    if (sessions.size > 0) cancelLook = timers.after(lookMs, look);
  }

  function begin(session: Session, headers: OutgoingHttpHeaders): ClientHttp2Stream {
    // One that nobody has used is not suspect any longer. One that owes an answer to a ping is, whatever begins on it.
    if (session.streams === 1) session.isSuspect = false;
    const leave = (): void => {
      session.streams -= 1;
      if (!isDestroyed) serve();
    };
    try {
      return session.connection.request(headers).once('close', leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  return {
    async request(headers, signal) {
      if (isDestroyed) throw ended();
      const place = waitIn(waiting, signal);
      serve();
      return begin(await place, headers);
    },
    destroy() {
      isDestroyed = true;
      cancelLook?.();
      for (const { failed } of [...waiting]) failed(ended());
      for (const session of sessions) end(session);
    },
    get size() {
      return { sessions: sessions.size, streams: [...sessions].reduce((sum, { streams }) => sum + streams, 0) };
    },
  };
}

/** After a GOAWAY a session leaves its socket open until the server closes it, which may be never. */
function end({ connection, socket }: Session, error?: Error): void {
  connection.destroy(error);
  socket?.destroy();
}

/** Waits for a place; a waiter leaves as soon as it is served. */
function waitIn(waiting: Set<Waiter>, signal: AbortSignal): Promise<Session> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      signal.removeEventListener('abort', onAbort);
      waiting.delete(waiter);
    };
    const waiter: Waiter = {
      granted: (session) => {
        over();
        resolve(session);
      },
      failed: (error) => {
        over();
        reject(error);
      },
    };
    const onAbort = (): void => waiter.failed(Object.assign(new Error('aborted'), { name: 'AbortError' }));
    waiting.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function ended(): Error {
  return Object.assign(new Error('the HTTP/2 session has ended'), { code: 'ECONNRESET' });
}
