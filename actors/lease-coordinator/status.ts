// The status of a coordinator for `status()`: the table as last scanned, and the reasons why the coordinator waits.
import { isKinactError } from '../../src/api/errors.js';
import { streamOfLease } from './streams/stream-rows.js';
import { placementSnapshot } from './streams/stream-placement.js';
import { contradictionsOf } from './streams/contradictions.js';
import { longestUnread } from './unread/unread-age.js';
import { unreadLeases } from './unread/unread-leases.js';
import { standingStill } from './unread/standstill.js';
import { failingStreamOf, hasFailed } from './turn.js';
import { mayStart, type CoordinatorState, type Stream } from './state.js';
import type { CoordinatorOptions } from './options.js';
import { wishOf } from '../../src/core/lease-wish.js';
import { chainText } from '../../src/core/thrown.js';
import { failingStatus, type RepeatedFailure } from '../protocol/repeated-failure.js';
import type { FailingSnapshot, SourceSnapshot } from '../../src/api/status.js';

export interface LeaseStatus {
  readonly leaseKey: string;
  readonly owner: string | undefined;
  readonly counter: number;
  readonly checkpoint: string;
  readonly subSequenceNumber: number;
  readonly parents: readonly string[];
  readonly children: readonly string[];
  /** Present for leases with a keeper in this process. */
  readonly here?: {
    readonly phase: 'wishing' | 'taking' | 'held';
    readonly keeper: string | undefined;
    readonly fence: number | undefined;
    readonly startable: boolean;
    /** Parents that have not ended; undefined until their rows have been read. */
    readonly awaits: readonly string[] | undefined;
  };
  readonly coolDownMs?: number;
  /** The worker that has left a wish in the row. */
  readonly askedBy?: string;
  /** How long this worker does not ask for the lease again, because its last wish failed. */
  readonly notAskedMs?: number;
}

export interface CoordinatorStatus {
  readonly table: string;
  readonly phase: CoordinatorState['phase'];
  readonly held: number;
  readonly startable: number;
  readonly scanAgeMs: number | undefined;
  readonly target: number | undefined;
  /** Whether a Java worker owns leases of this table. */
  readonly foreignOwners: boolean;
  /** Calls that fail and are being repeated. */
  readonly failing: readonly FailingSnapshot[];
  readonly sources: readonly Omit<SourceSnapshot, 'table'>[];
  /** Malformed rows. `isOurs`: the row is of a source of this worker. */
  readonly malformed: readonly { readonly leaseKey: string; readonly reason: string; readonly isOurs: boolean }[];
  /** Set while the table is too busy for another lease. */
  readonly busy: CoordinatorState['planning']['busy'];
  /** Leases held here with several tenures in a row that ended before the frontier moved. */
  readonly standingStill: readonly { readonly leaseKey: string; readonly tenures: number; readonly reason: string }[];
  /** Leases held here that no shard worker reads, without an excuse such as a parent that has not ended. */
  readonly unread: readonly { readonly leaseKey: string; readonly unreadMs: number; readonly reason: string }[];
  /** The shard that has had no reader for the longest time, as far as this worker knows. */
  readonly longestUnread: { readonly leaseKey: string; readonly ms: number } | undefined;
  /** Keys of rows at SHARD_END, of shards that listings show open. */
  readonly contradictions: readonly string[];
  readonly leases: readonly LeaseStatus[];
}

export function coordinatorStatus(options: CoordinatorOptions, state: CoordinatorState): CoordinatorStatus {
  const now = options.clock.now();
  const keys = new Set([...state.table.rows.keys(), ...state.leases.keys()]);
  const rows = [...keys].sort().map((leaseKey) => leaseStatus(state, leaseKey, now));
  const held = [...state.leases.values()].filter((lease) => lease.phase === 'held');

  return {
    table: options.store.tableName,
    phase: state.phase,
    held: held.length,
    startable: held.filter(mayStart).length,
    scanAgeMs: state.scan.answeredAt === undefined ? undefined : now - state.scan.answeredAt,
    target: state.planning.plan?.target,
    foreignOwners: state.planning.plan?.hasForeignOwners ?? false,
    failing: failingStatus(repeatedCalls(state), now),
    sources: state.streams.map((stream) => sourceStatus(stream, state.table.lastError)),
    malformed: [...state.table.malformed].map(([leaseKey, reason]) => ({
      leaseKey,
      reason,
      isOurs: streamOfLease(state, leaseKey) !== undefined,
    })),
    busy: state.planning.busy,
    standingStill: standingStill(state.standstills, state.leases),
    unread: unreadLeases(options, state),
    longestUnread: longestUnread(options, state),
    contradictions: contradictionsOf(state.streams),
    leases: rows,
  };
}

/** The calls that are being repeated. Calls for failed sources are left out, and all calls once every source has failed. */
function repeatedCalls({ failing, streams, phase }: CoordinatorState): readonly RepeatedFailure[] {
  if (phase === 'failed') return [];
  const ended = new Set(streams.filter(hasFailed).map(({ index }) => String(index)));
  return [...failing].filter(([key]) => !ended.has(failingStreamOf(key))).map(([, each]) => each);
}

function leaseStatus(state: CoordinatorState, leaseKey: string, now: number): LeaseStatus {
  const lease = state.leases.get(leaseKey);
  const scanned = state.table.rows.get(leaseKey);
  // Both rows may be older than the table. The row with the higher counter is the newer one.
  const row =
    scanned !== undefined && (lease === undefined || scanned.leaseCounter >= lease.row.leaseCounter)
      ? scanned
      : lease!.row;

  const coolDown = state.leftAlone.coolDowns.get(leaseKey);
  const askedBy = wishOf(row)?.workerId;
  const failedWish = state.leftAlone.failedWishes.get(leaseKey);

  return {
    leaseKey,
    owner: row.leaseOwner,
    counter: row.leaseCounter,
    checkpoint: row.checkpoint,
    subSequenceNumber: row.checkpointSubSequenceNumber,
    parents: row.parentShardIds,
    children: row.childShardIds,
    ...(lease === undefined
      ? {}
      : {
          here: {
            phase: lease.phase,
            keeper: lease.keeper?.path,
            fence: lease.fence,
            startable: mayStart(lease),
            awaits: lease.awaited,
          },
        }),
    ...(coolDown === undefined || coolDown.until <= now ? {} : { coolDownMs: coolDown.until - now }),
    ...(askedBy === undefined ? {} : { askedBy }),
    ...(failedWish === undefined || failedWish.until <= now ? {} : { notAskedMs: failedWish.until - now }),
  };
}

/** A starting source without an error of its own shows the error of the table, because it waits for the table. */
function sourceStatus(stream: Stream, tableError: unknown): Omit<SourceSnapshot, 'table'> {
  const { placement } = stream;
  const named = {
    source: stream.sourceOptions.source.name,
    ...(placement === undefined ? {} : { placement: placementSnapshot(placement) }),
  };

  if (stream.history.removed === true) return { ...named, state: 'removing' };
  if (hasFailed(stream)) return { ...named, state: 'failed', error: stream.history.failure! };
  if (stream.sync.done) return { ...named, state: 'running' };
  const error = stream.opening.error ?? tableError;
  if (error === undefined) return { ...named, state: 'starting' };
  return { ...named, state: 'starting', error: isKinactError(error) ? error : legibleError(error) };
}

/** Makes an error whose message `JSON.stringify` shows. */
function legibleError(cause: unknown): Error {
  const value = chainText(cause);
  return Object.defineProperty(new Error(value, { cause }), 'message', { value, enumerable: true });
}
