// Passes events to the log and to listeners. If a listener throws, or returns a promise that rejects, the failure is counted and
// logged, and has no other effect.
import { callGuarded } from '../core/callback.js';
import { visible } from '../core/visible.js';
import type { ConsumerEventName, ConsumerEvents, KinactEvent } from '../api/events.js';
import type { Logger, LogLevel } from '../api/logger.js';
import { callback, oneOf } from '../options/option-table.js';

/** May be async: the emitter does not wait for the promise, and its rejection counts as a throw. */
export type Listener<Name extends ConsumerEventName> = (data: ConsumerEvents[Name]) => unknown;

export interface Emitter {
  /** Returns a function that unsubscribes. Throws INVALID_OPTION for an unknown event, or if `listener` is not a function. */
  on<Name extends ConsumerEventName>(name: Name, listener: Listener<Name>): () => void;
  emit(event: KinactEvent): void;
  /** How many listeners have thrown so far. */
  failures(): number;
}

/** The level at which each event is logged. */
export const levels: Readonly<Record<ConsumerEventName, LogLevel>> = {
  leaseTaken: 'info',
  leaseLost: 'warn',
  leaseReleased: 'info',
  leaseHandedOver: 'info',
  shardStarted: 'info',
  shardEnded: 'info',
  checkpoint: 'debug',
  recordSkipped: 'warn',
  itemRetrying: 'warn',
  itemRecovered: 'info',
  outageStarted: 'error',
  outageEnded: 'warn',
  outOfRange: 'warn',
  malformedAggregate: 'warn',
  trimmed: 'warn',
  throttled: 'debug',
  retrying: 'warn',
  recordDistribution: 'warn',
  malformedLease: 'error',
  leaseHole: 'error',
  leaseUnread: 'error',
  leaseContradiction: 'error',
  noProgress: 'error',
  sourceFailed: 'error',
  leaseTableBusy: 'error',
  warning: 'warn',
  pipelineRestarted: 'error',
  orphaned: 'error',
  actorCrashed: 'error',
  closed: 'info',
};

const eventName = oneOf(...(Object.keys(levels) as ConsumerEventName[]));

export function createEmitter(logger: Logger): Emitter {
  const listeners = new Map<ConsumerEventName, Set<(data: never) => unknown>>();
  let failures = 0;
  return {
    on: (name, listener) => {
      eventName.parse(name, 'event');
      callback().parse(listener, 'listener');
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    emit: (event) => {
      const { name, data } = readable(event);
      logger[levels[name]](data, name);
      const set = listeners.get(name);
      // A listener that is added during this loop gets only the next event. A listener that is removed during the loop is skipped.
      for (const listener of [...(set ?? [])]) {
        if (set?.has(listener) !== true) continue;
        const failed = (error: unknown): void => {
          failures += 1;
          logger.error({ event: name, error }, 'a listener threw');
        };
        callGuarded(() => listener(data as never), failed);
      }
    },
    failures: () => failures,
  };
}

/** Members that hold our own sentences, which may contain text from outside. All other members are data and stay as they are. */
const sentences = ['message', 'reason', 'complaint', 'remedy'] as const;

function readable(event: KinactEvent): KinactEvent {
  const data = event.data as Partial<Record<(typeof sentences)[number], unknown>>;
  const escaped = sentences.flatMap((name) => {
    const text = data[name];
    return typeof text === 'string' ? [[name, visible(text)]] : [];
  });
  return escaped.length === 0
    ? event
    : ({ ...event, data: { ...data, ...Object.fromEntries(escaped) } } as KinactEvent);
}
