// Spawns the keepers of leases, and keeps the leases that this process holds or is taking. Invariant: a lease is in `state.leases`
// exactly as long as its keeper has not sent its final news.
import { effect } from '../../protocol/actor.js';
import type { LeaseKeeperOptions } from '../../lease-keeper/lease-keeper.js';
import { coolDown } from '../unread/cool-downs.js';
import { noteUnread } from '../unread/unread-since.js';
import type { Message } from '../messages.js';
import { finishRelease } from '../release.js';
import { finishLeaving } from '../sources/removed-source.js';
import { orderRelease } from '../sources/source-failure.js';
import { mayBelongTo, streamOfLease } from '../streams/stream-rows.js';
import { scanWithin, serviceNow, signature, hasFailed, isActive, type CoordinatorTurn } from '../turn.js';
import type { Lease } from '../state.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { hasProgress } from '../../../src/core/shard-graph.js';
import { withoutAbsence } from '../../../src/core/shard-proof.js';

/** Spawns a keeper that takes the lease of this row: by force if it has a living holder. The take is a conditional write. */
export function takeLease(turn: CoordinatorTurn, row: LeaseRow): void {
  spawnKeeper(turn, row, undefined);
}

/**
 * Spawns a keeper that asks the holder of this row for the lease, by a wish. `staleWish`: the text of a wish in the row that the
 * new wish may replace.
 */
export function askHolder(turn: CoordinatorTurn, row: LeaseRow, staleWish: string | undefined): void {
  spawnKeeper(turn, row, { stale: staleWish });
}

function spawnKeeper(turn: CoordinatorTurn, row: LeaseRow, wish: LeaseKeeperOptions['wish']): void {
  const { options, state } = turn;
  const leasedShard = streamOfLease(state, row.leaseKey);
  if (leasedShard === undefined || !isActive(leasedShard.stream)) return;
  if (state.phase !== 'running' || state.leases.has(row.leaseKey)) return;
  const { stream, shardId } = leasedShard;
  // The row belongs to another stream. The shard sync, which is due now, reports that.
  if (!mayBelongTo(stream, row)) return;

  const incarnation = ++state.incarnations;
  const { source, initialPosition } = stream.sourceOptions;
  const { startingHashKey, endingHashKey } = row;
  const listed = stream.ranges.get(shardId);
  const hashKeyRange =
    startingHashKey === undefined || endingHashKey === undefined ? listed : { startingHashKey, endingHashKey };
  const startsAtOnce = hasProgress(row) || row.parentShardIds.length === 0;

  state.abandoned.delete(row.leaseKey);
  state.leases.set(
    row.leaseKey,
    newLease(row, { stream, shardId, incarnation, phase: wish === undefined ? 'taking' : 'wishing' }, startsAtOnce),
  );
  turn.effects.push(
    options.spawnKeeper(
      {
        leaseKey: row.leaseKey,
        shardId,
        source: source.name,
        idempotencyPrefix: `${stream.idempotencyPrefix}:${shardId}`,
        stream: stream.rowStamp,
        seenRow: row,
        ...(wish === undefined ? {} : { wish }),
        workerId: options.workerId,
        writerPrefix: options.writerPrefix,
        writer: signature(turn, incarnation),
        initialPosition,
        ...(hashKeyRange === undefined ? {} : { hashKeyRange }),
        serviceTimeMs: serviceNow(turn),
        mayNotStart: !startsAtOnce,
        coordinator: state.self,
      },
      incarnation,
    ),
  );
}

function newLease(
  row: LeaseRow,
  known: Pick<Lease, 'stream' | 'shardId' | 'incarnation' | 'phase'>,
  startsAtOnce: boolean,
): Lease {
  return {
    ...known,
    leaseKey: row.leaseKey,
    keeper: undefined,
    row,
    awaited: startsAtOnce ? [] : undefined,
    readingParents: false,
    fence: undefined,
    workingSince: undefined,
    endRefusals: 0,
    openListings: 0,
    idleSince: undefined,
    idleReason: '',
    waitsForOtherShard: false,
    falseEnd: false,
    unreadReported: false,
    readsWork: false,
    givenBack: false,
    lastEndQuestion: 0,
  };
}

export function leaseOf(turn: CoordinatorTurn, leaseKey: string, incarnation: number): Lease | undefined {
  const lease = turn.state.leases.get(leaseKey);
  return lease?.incarnation === incarnation ? lease : undefined;
}

export function keeperSpawned(
  turn: CoordinatorTurn,
  { leaseKey, incarnation, keeper }: Message<'keeperSpawned'>,
): void {
  const { state, effects, now } = turn;
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  lease.keeper = keeper;
  if (state.release !== undefined)
    effects.push(
      effect.send(keeper, {
        type: 'release',
        reason: 'stopping',
        deadlineMs: Math.max(0, state.release.deadlineAt - now),
      }),
    );
  else if (hasFailed(lease.stream)) orderRelease(turn, lease);
}

/** Handles a keeper that died before its final news. Its lease is taken like any other; after a crash, a growing cool-down begins. */
export function keeperDown(turn: CoordinatorTurn, { leaseKey, incarnation, how }: Message<'keeperDown'>): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  if (lease.phase === 'held') noteUnread(turn, leaseKey);
  turn.state.abandoned.set(leaseKey, lease);
  if (how.reason === 'crash') coolDown(turn, lease, turn.options.scanIntervalMs);
  dropLease(turn, lease);
  scanWithin(turn, turn.options.scanIntervalMs);
}

/** Forgets a lease. What its end begins, as a cool-down, is noted before: with the last lease of a removed source all that is forgotten. */
export function dropLease(turn: CoordinatorTurn, lease: Lease): void {
  const { state } = turn;
  state.leases.delete(lease.leaseKey);
  lease.stream.shardEnds.absences = withoutAbsence(lease.stream.shardEnds.absences, lease.shardId);
  if (lease.phase === 'held') state.publishing.changed.add(lease.leaseKey);
  finishRelease(turn);
  finishLeaving(turn, lease.stream);
}
