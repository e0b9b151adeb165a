// Passes events to the log and to listeners. If a listener throws, or returns a promise that rejects, the failure is counted and
// logged, and has no other effect.
import { callGuarded } from '../core/callback.js';
import { nearestName } from '../core/nearest-name.js';
import { visible } from '../core/visible.js';
import type { ConsumerEventName, ConsumerEvents, KinactEvent } from '../api/events.js';
import { refuseShown } from '../api/misplaced.js';
import type { Logger } from '../api/logger.js';
import { levels, listenerLine, logLine, type LogLine } from './log-line.js';
import { callback, oneOf } from '../options/option-table.js';

/** May be async: the emitter does not wait for the promise, and its rejection counts as a throw. */
export type Listener<Name extends ConsumerEventName> = (data: ConsumerEvents[Name]) => unknown;

export interface Emitter {
  /** Returns a function that unsubscribes. Throws INVALID_OPTION for an unknown event, or if `listener` is not a function. */
  on<Name extends ConsumerEventName>(name: Name, listener: Listener<Name>): () => void;
  emit(event: KinactEvent): void;
  /** Whether anyone listens to this event. */
  hears(name: ConsumerEventName): boolean;
  /** How many listeners have thrown so far. */
  failures(): number;
}

const eventName = oneOf(...(Object.keys(levels) as ConsumerEventName[]));

export function createEmitter(logger: Logger): Emitter {
  const listeners = new Map<ConsumerEventName, Set<(data: never) => unknown>>();
  let failures = 0;
  const log = ({ level, fields, text }: LogLine): void => logger[level](fields, text);
  return {
    on: (name, listener) => {
      if (typeof name === 'string' && !Object.hasOwn(levels, name)) {
        // Without a near name, all are listed.
        const near = nearestName(name, Object.keys(levels));
        if (near !== undefined)
          refuseShown('event', 'the name of an event', `'${visible(name)}'; did you mean '${near}'?`);
      }
      eventName.parse(name, 'event');
      callback().parse(listener, 'listener');
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    emit: (event) => {
      const shown = readable(event);
      const { name, data } = shown;
      log(logLine(shown));
      const set = listeners.get(name);
      // A listener that is added during this loop gets only the next event. A listener that is removed during the loop is skipped.
      for (const listener of [...(set ?? [])]) {
        if (set?.has(listener) !== true) continue;
        const failed = (error: unknown): void => {
          failures += 1;
          log(listenerLine(name, error));
        };
        callGuarded(() => listener(data as never), failed);
      }
    },
    hears: (name) => (listeners.get(name)?.size ?? 0) > 0,
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
