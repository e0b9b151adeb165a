// A turn is one call of `receive`, with its inputs and its effects. Every part of the coordinator takes a turn and adds effects to
// it. This file also has what every part needs of a turn: it reports failed calls, signs writes, and schedules scans and syncs.
import { effect, type Effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import type { LeaseCoordinatorMessage } from './messages.js';
import type { CoordinatorState, Stream } from './state.js';
import type { CoordinatorOptions } from './options.js';
import { writerOf } from '../../src/core/writer-signature.js';
import type { KinactEvent } from '../../src/api/events.js';

/** One call of `receive`. */
export interface CoordinatorTurn {
  readonly options: CoordinatorOptions;
  readonly state: CoordinatorState;
  readonly now: number;
  readonly effects: Effect<LeaseCoordinatorMessage>[];
}

export function emit(turn: CoordinatorTurn, event: KinactEvent): void {
  turn.effects.push(effect.emit(event));
}

/** Reports that a call has failed, and when it will be repeated. `stream`: the stream that the call concerned, if any. */
export function reportRetry(
  turn: CoordinatorTurn,
  operation: string,
  failure: { readonly error: unknown; readonly delayMs: number; readonly stream?: Stream; readonly shardId?: string },
): void {
  const { state, now } = turn;
  const { error, delayMs, stream, shardId } = failure;
  const key = failingKey(operation, stream);
  const failing = failedAgain(state.failing.get(key), operation, error, now);
  state.failing.set(key, failing);

  const about = {
    ...(stream === undefined ? {} : { source: stream.sourceOptions.source.name }),
    ...(shardId === undefined ? {} : { shardId }),
  };
  emit(turn, retryingEvent(failing, delayMs, about));
}

/**
 * Reports that an operation has failed and is repeated at its next regular time, `at`. Infinity: the scan or sync that repeats it is
 * under way. It may end at once, so the least delay is 0.
 */
export function reportRetryAt(
  turn: CoordinatorTurn,
  operation: string,
  failure: { readonly stream: Stream; readonly error: unknown; readonly at: number; readonly shardId?: string },
): void {
  const { at, ...rest } = failure;
  reportRetry(turn, operation, { ...rest, delayMs: at === Infinity ? 0 : Math.max(0, at - turn.now) });
}

/** Forgets the failures of an operation that has succeeded: the next failure counts as the first. */
export function clearFailure({ state }: CoordinatorTurn, operation: string, stream?: Stream): void {
  state.failing.delete(failingKey(operation, stream));
}

function failingKey(operation: string, stream: Stream | undefined): string {
  return `${operation}/${stream?.index ?? ''}`;
}

/** The index of the stream in a key from `failingKey`; empty if the operation concerned no stream. */
export function failingStreamOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

export function warn(
  turn: CoordinatorTurn,
  message: string,
  about: { readonly error?: unknown; readonly source?: string; readonly shardId?: string } = {},
): void {
  emit(turn, { name: 'warning', data: { message, ...about } });
}

/**
 * The `kinactWriter` of the keeper with this incarnation; 0 signs rows that the coordinator creates itself. The coordinator's own
 * id distinguishes its keepers from the keepers of an earlier coordinator.
 */
export function signature({ options, state }: CoordinatorTurn, incarnation: number): string {
  return writerOf(options.writerPrefix, `${state.self.id}.${incarnation}`);
}

/** The service's time now: its time at the last scan, plus the time that has passed on the local clock. */
export function serviceNow(turn: CoordinatorTurn): number {
  const { state, now } = turn;
  return state.table.serviceTimeMs + (now - state.table.serviceTimeAt);
}

/** Whether the stream's shards have been listed and its leases may be taken. */
export function isActive({ sync, history }: Stream): boolean {
  return sync.done && history.failure === undefined;
}

export function hasFailed({ history }: Stream): boolean {
  return history.failure !== undefined;
}

/** Schedules the next scan in `ms`, unless a scan is running or due earlier. */
export function scanWithin(turn: CoordinatorTurn, ms: number): void {
  const { state, now, effects } = turn;
  const scans = state.phase === 'syncing' || state.phase === 'running';
  if (!scans || state.scan.running || now + ms >= state.scan.dueAt) return;
  state.scan.dueAt = now + ms;
  effects.push(effect.after('scan', Math.ceil(ms), { type: 'scanDue' }));
}

/** Brings the next shard sync of a stream forward to `at`. The sync follows the first scan from then on: see `scanWithin`. */
export function syncBy({ sync }: Stream, at: number): void {
  sync.dueAt = Math.min(sync.dueAt, at);
}

/** Varies a time by up to a tenth in either direction, so that workers do not act in step. */
export function jittered(turn: CoordinatorTurn, ms: number): number {
  return ms * (0.9 + 0.2 * turn.options.random.next());
}
