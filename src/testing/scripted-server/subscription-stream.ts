// One subscription as the body of an answer. It writes what the model sends, when it is due and when the client takes it. It ends when
// one side ends it, or when a fault breaks it. Called by scripted-server.ts.
import { eventFrame, exceptionFrame } from './event-stream.js';
import type { Outgoing, ScriptedConnections } from './scripted-connections.js';
import type { ScriptedSubscription, SubscriptionMessage } from './scripted-subscriptions.js';

/** How a subscription breaks. */
export type SubscriptionFault =
  /** An error within the stream, which then ends: `{ fault: 'error', code: 'InternalFailureException' }`. */
  | {
      readonly fault: 'error';
      /** The name of the error, such as InternalFailureException, KMSThrottlingException or ResourceInUseException. */
      readonly code: string;
      /** The text of the error. Default `scripted`. */
      readonly message?: string;
    }
  /** The stream ends without a word, as it does after five minutes. */
  | { readonly fault: 'end' }
  /** Nothing more comes, and the stream stays open. */
  | { readonly fault: 'stall' }
  /** The network is gone: nothing comes on this connection for any of its requests, not even its end. */
  | { readonly fault: 'halfOpen' }
  /** One half of a frame, and then the connection ends. */
  | { readonly fault: 'cut' }
  /** A frame whose checksum is wrong. What follows is in order. */
  | { readonly fault: 'garble' }
  /** HTTP/2 only: GOAWAY for the whole connection. What is under way goes on if the client allows it. */
  | {
      readonly fault: 'goAway';
      /** The HTTP/2 error code. Default 0, NO_ERROR. */
      readonly code?: number;
    };

const known: Readonly<Record<SubscriptionFault['fault'], true>> = {
  error: true,
  end: true,
  stall: true,
  halfOpen: true,
  cut: true,
  garble: true,
  goAway: true,
};
export const faultNames = Object.keys(known) as readonly SubscriptionFault['fault'][];

/** What a stream needs of the server. */
export interface StreamHost {
  readonly connections: Pick<ScriptedConnections, 'hangUp' | 'silence' | 'goAway'>;
  readonly now: () => number;
  /** A clock of the caller's own may be moved without notice, so it is looked at this often. */
  readonly lookEveryMs: number;
}

/** The stream of one subscription. */
export interface SubscriptionStream {
  readonly subscription: ScriptedSubscription;
  /** Breaks the stream once it has sent this number of events. */
  breakAfter(events: number, fault: SubscriptionFault): void;
  /** Breaks the stream now. */
  break(fault: SubscriptionFault): void;
  /** Writes everything, from the first frame. Resolves when the stream is over. */
  run(): Promise<void>;
}

/** The stream of `subscription`. If the client leaves, the subscription is closed. */
export function subscriptionStream(
  subscription: ScriptedSubscription,
  response: Outgoing,
  host: StreamHost,
): SubscriptionStream {
  let isClosed = false;
  let isBlocked = false;
  let isStalled = false;
  let events = 0;
  let fault: { readonly afterEvents: number; readonly how: SubscriptionFault } | undefined;
  let wake = (): void => undefined;

  response.once('close', () => {
    isClosed = true;
    subscription.close();
    wake();
  });
  const send = (bytes: Buffer): void => {
    if (response.write(bytes)) return;
    isBlocked = true;
    response.once('drain', () => {
      isBlocked = false;
      wake();
    });
  };
  const finish = (): void => {
    isClosed = true;
    subscription.close();
    response.end();
  };

  const strike = (how: SubscriptionFault): void => {
    switch (how.fault) {
      case 'error':
        send(exceptionFrame(how.code, how.message ?? 'scripted'));
        subscription.end();
        return finish();
      case 'end':
        subscription.end();
        return finish();
      case 'stall':
        isStalled = true;
        return undefined;
      case 'halfOpen':
        isStalled = true;
        return host.connections.silence(response);
      case 'cut': {
        const bytes = frameOf(subscription.nextOrHeartbeat());
        response.write(bytes.subarray(0, bytes.length >> 1), () => host.connections.hangUp(response));
        isStalled = true;
        return undefined;
      }
      case 'garble': {
        const bytes = frameOf(subscription.nextOrHeartbeat());
        bytes[bytes.length - 1]! ^= 0xff;
        return send(bytes);
      }
      case 'goAway':
        return host.connections.goAway(response, how.code ?? 0);
    }
  };

  /** Writes what is due. */
  const flush = (): void => {
    while (!isClosed && !isBlocked && !isStalled) {
      if (fault !== undefined && events >= fault.afterEvents) {
        const { how } = fault;
        fault = undefined;
        strike(how);
        continue;
      }
      const message = subscription.next();
      if (message === undefined) return;
      if (message.type === 'end') return finish();
      events += 1;
      send(frameOf(message));
      if (message.type === 'exception') return finish();
    }
  };

  return {
    subscription,
    breakAfter: (afterEvents, how) => (fault = { afterEvents, how }),
    break: (how) => {
      fault = { afterEvents: 0, how };
      wake();
    },
    async run() {
      const off = subscription.onChange(() => wake());
      send(eventFrame('initial-response', {}));
      for (flush(); !isClosed; flush()) {
        const inMs = Math.min(Math.max(0, subscription.dueAt - host.now()), host.lookEveryMs);
        await new Promise<void>((resolve) => {
          const isWaiting = isBlocked || isStalled;
          const timer = isWaiting ? undefined : setTimeout(resolve, inMs).unref();
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      off();
    },
  };
}

function frameOf(message: SubscriptionMessage): Buffer {
  switch (message.type) {
    case 'event':
      return eventFrame('SubscribeToShardEvent', message.event);
    case 'exception':
      return exceptionFrame(message.code, message.message);
    case 'end':
      return Buffer.alloc(0);
  }
}
