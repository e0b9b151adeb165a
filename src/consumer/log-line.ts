// The log line of an event. The text begins with the event's name and says in words what the event says, so that a person needs no
// fields. The fields are the event's data: `event` is the name, and `err` is the error, because pino, bunyan and winston show an
// error under that name only. Listeners get the data unchanged. Called by the emitter.
import { chainText } from '../core/thrown.js';
import { isKinactError } from '../api/errors.js';
import type { ConsumerEventName, KinactEvent } from '../api/events.js';
import type { LogLevel } from '../api/logger.js';

/**
 * The level at which each event is logged. `closed` is an error if the consumer has ended by itself. `retrievalChanged` is a warning if
 * only people can end its reason.
 */
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
  readingStopped: 'warn',
  readingResumed: 'warn',
  outageStarted: 'error',
  outageEnded: 'warn',
  itemParked: 'warn',
  parkingFailed: 'error',
  outOfRange: 'warn',
  malformedAggregate: 'warn',
  retentionAtRisk: 'warn',
  trimmed: 'warn',
  throttled: 'debug',
  retrying: 'warn',
  retrievalChanged: 'info',
  subscriptionTakenOver: 'error',
  recordDistribution: 'warn',
  malformedLease: 'error',
  checkpointBeyondTip: 'error',
  leaseHole: 'error',
  leaseUnread: 'error',
  leaseContradiction: 'error',
  noProgress: 'error',
  sourceFailed: 'error',
  leaseTableBusy: 'error',
  paused: 'warn',
  resumed: 'warn',
  warning: 'warn',
  pipelineRestarted: 'error',
  orphaned: 'error',
  actorCrashed: 'error',
  closed: 'info',
};

export interface LogLine {
  readonly level: LogLevel;
  readonly fields: object;
  readonly text: string;
}

/** The members whose text is part of the line, in this order. The error comes last. */
const spoken = ['operation', 'actor', 'key', 'message', 'reason', 'complaint', 'remedy'] as const;
/** What an event means whose data are only a place. */
const meanings: Partial<Record<ConsumerEventName, string>> = {
  trimmed: 'records may have expired before they were read',
};
/** A line longer than this is cut; the fields have everything. */
const maxCharacters = 2_000;

export function logLine({ name, data }: KinactEvent): LogLine {
  const { error, ...rest } = data as { readonly error?: unknown } & Readonly<Record<string, unknown>>;
  const level = levelOf(name, error);
  const fields = { event: name, ...rest, ...(error === undefined ? {} : { err: error }) };
  return { level, fields, text: textOf(name, rest, error) };
}

function levelOf(name: ConsumerEventName, error: unknown): LogLevel {
  if (name === 'closed' && error !== undefined) return 'error';
  if (name === 'retrievalChanged' && isKinactError(error) && error.code === 'FAN_OUT_UNAVAILABLE') return 'warn';
  return levels[name];
}

function textOf(name: ConsumerEventName, data: Readonly<Record<string, unknown>>, error: unknown): string {
  const parts = [placeOf(data), meanings[name], ...spoken.map((member) => data[member])].filter(
    (part) => typeof part === 'string',
  );
  const why = error === undefined ? '' : chainText(error);
  // A warning may say what its error says, too.
  if (why !== '' && !parts.some((part) => part.includes(why))) parts.push(why);
  const text = [name, ...parts].join(': ');
  return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
}

/** The shard, or the lease, and the record. */
function placeOf({ source, shardId, leaseKey, sequenceNumber }: Readonly<Record<string, unknown>>): string | undefined {
  const place = shardId === undefined ? leaseKey : [source, shardId].filter((part) => part !== undefined).join('/');
  if (typeof place !== 'string') return undefined;
  return typeof sequenceNumber === 'string' ? `${place}, record ${sequenceNumber}` : place;
}

/** The line for a listener that has thrown. */
export function listenerLine(name: ConsumerEventName, thrown: unknown): LogLine {
  return {
    level: 'error',
    fields: { event: name, err: thrown },
    text: `a listener of ${name} threw: ${chainText(thrown)}`,
  };
}
