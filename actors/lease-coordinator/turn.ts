// A turn is one call of `receive`, with its inputs and its effects. Every part of the coordinator takes a turn and adds effects to
// it. This file also has the few functions that every part needs.
import { effect, type Effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import type { LeaseCoordinatorMessage } from './messages.js';
import type { CoordinatorState, CoordinatorOptions, Stream } from './state.js';
import type { StreamRows } from './streams/stream-check.js';
import { otherEpochShardId, shardIdOf } from '../../src/core/lease-key.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { isSameStream } from '../../src/core/stream-identity.js';
import type { ShardRow } from '../../src/core/stream-verdict.js';
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
export function retrying(
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

/** The stream and the shard id of a row; undefined if the coordinator does not serve the stream, or has not opened it yet. */
export function streamOfLease(
  state: CoordinatorState,
  leaseKey: string,
): { readonly stream: Stream; readonly shardId: string } | undefined {
  for (const stream of state.streams) {
    if (!stream.opened) continue;
    const shardId = shardIdOf(stream.keyPrefix, leaseKey);
    if (shardId !== undefined) return { stream, shardId };
  }
  return undefined;
}

/** Whether the stream's shards have been listed and its leases may be taken. */
export function isActive({ sync, history }: Stream): boolean {
  return sync.done && history.failure === undefined;
}

export function hasFailed({ history }: Stream): boolean {
  return history.failure !== undefined;
}

/** Whether a row may belong to this stream: its stamp matches, or it has no stamp. */
export function isOwn({ rowStamp }: Stream, { kinactStream }: LeaseRow): boolean {
  return kinactStream === undefined || isSameStream(kinactStream, rowStamp);
}

const none: ReadonlyMap<string, LeaseRow | undefined> = new Map();

/**
 * The rows of one stream in the last scan. `more`: rows to add as if the scan had shown them; a key without a row counts as
 * malformed.
 */
export function rowsOf(
  state: CoordinatorState,
  stream: Stream,
  more: ReadonlyMap<string, LeaseRow | undefined> = none,
): StreamRows {
  const { keyPrefix, rowStamp } = stream;
  const rows = new Map<string, LeaseRow>();
  const otherEpochs: ShardRow[] = [];
  for (const [leaseKey, row] of [...more, ...state.table.rows]) {
    const shardId = shardIdOf(keyPrefix, leaseKey);
    if (row === undefined) continue;
    if (shardId !== undefined) rows.set(shardId, row);
    else if (keyPrefix !== undefined) {
      const other = otherEpochShardId(keyPrefix, leaseKey);
      if (other !== undefined) otherEpochs.push({ shardId: other, row });
    }
  }
  const malformed = new Set<string>();
  const unknown = [...more].flatMap(([leaseKey, row]) => (row === undefined ? [leaseKey] : []));
  for (const leaseKey of [...state.table.malformed.keys(), ...unknown]) {
    const shardId = shardIdOf(keyPrefix, leaseKey);
    if (shardId !== undefined) malformed.add(shardId);
  }
  return { rows, malformed, keyPrefix, otherEpochs, rowStamp, entityType: state.table.entityType };
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
