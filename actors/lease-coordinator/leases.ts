// Handles the leases that this process holds or is taking: spawns keepers, acts on their notices, decides which shards may start,
// and informs subscribers. Invariant: a lease is in `state.leases` exactly as long as its keeper has not sent its last word.
import { effect } from '../protocol/actor.js';
import type { LeaseKeeperOptions } from '../lease-keeper/lease-keeper.js';
import type { KeeperNotice, HeldLease, HeldLeases } from '../protocol/leasing.js';
import { noteFailedWish, coolDown, retakeLater } from './unread/cool-downs.js';
import type { LeaseCoordinatorMessage, Message } from './messages.js';
import { noteTenureAdvanced, noteTenureBegan, noteTenureEnded } from './unread/standstill.js';
import { tellKeepersCallsEnded, finishRelease } from './releasing.js';
import { doubtStream, giveBack } from './sources/sources.js';
import {
  isOwn,
  streamOfLease,
  retrying,
  scanWithin,
  serviceNow,
  signature,
  warn,
  clearFailure,
  isActive,
} from './turn.js';
import type { Lease } from './state.js';
import type { CoordinatorTurn } from './turn.js';
import { readParents, readRows } from './streams/table-work.js';
import { beganIdle, beganReading, noteRead, readsFail, readsWork } from './unread/unread.js';
import { compareCheckpoints } from '../../src/core/checkpoint.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import { leaseKeyOf } from '../../src/core/lease-key.js';
import { durableCheckpoint } from '../../src/core/lease-state.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { hasEnded, hasProgress } from '../../src/core/shard-graph.js';
import { withoutAbsence } from '../../src/core/shard-proof.js';
import { KinactError } from '../../src/api/errors.js';

/** Spawns a keeper that tries to take the lease of this row or, with `wish`, asks the holder for the lease. */
export function spawnKeeper(turn: CoordinatorTurn, row: LeaseRow, wish?: LeaseKeeperOptions['wish']): void {
  const { options, state } = turn;
  const place = streamOfLease(state, row.leaseKey);
  if (place === undefined || !isActive(place.stream)) return;
  if (state.phase !== 'running' || state.leases.has(row.leaseKey)) return;
  const { stream, shardId } = place;
  // The row belongs to another stream. The shard sync, which is due now, reports that.
  if (!isOwn(stream, row)) return;
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
        idempotencyPrefix: `${stream.idempotencyName}:${shardId}`,
        stream: stream.rowStamp,
        seen: row,
        ...(wish === undefined ? {} : { wish }),
        workerId: options.workerId,
        writerPrefix: options.writerPrefix,
        writer: signature(turn, incarnation),
        initialPosition,
        ...(hashKeyRange === undefined ? {} : { hashKeyRange }),
        serviceTimeMs: serviceNow(turn),
        waiting: !startsAtOnce,
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

function leaseOf(turn: CoordinatorTurn, leaseKey: string, incarnation: number): Lease | undefined {
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
  if (state.releasing !== undefined)
    effects.push(
      effect.send(keeper, {
        type: 'release',
        reason: 'stopping',
        deadlineMs: Math.max(0, state.releasing.deadlineAt - now),
      }),
    );
  else if (lease.stream.history.failure !== undefined) giveBack(turn, lease, lease.stream.history.failure);
}

/** Handles a keeper that died before its last word. Its lease is taken like any other; after a crash, a growing cool-down begins. */
export function keeperDown(turn: CoordinatorTurn, { leaseKey, incarnation, how }: Message<'keeperDown'>): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  turn.state.abandoned.set(leaseKey, lease);
  drop(turn, lease);
  if (how.reason === 'crash') coolDown(turn, lease, turn.options.scanIntervalMs);
  scanWithin(turn, turn.options.scanIntervalMs);
}

export function keeperNotice(turn: CoordinatorTurn, { keeper, leaseKey, news }: KeeperNotice): void {
  const { options, state, effects, now } = turn;
  const lease = state.leases.get(leaseKey);
  if (lease === undefined || (lease.keeper !== undefined && lease.keeper.id !== keeper.id)) {
    effects.push(effect.count('staleKeeperNotice'));
    return;
  }
  lease.keeper = keeper;
  switch (news.type) {
    case 'taken':
      lease.phase = 'held';
      lease.row = news.row;
      state.publishing.changed = true;
      beganIdle(turn, lease, 'no worker has begun to read it');
      return checkParents(turn, lease);
    case 'working':
      lease.fence = news.fence;
      lease.workingSince = now;
      beganReading(lease);
      return noteTenureBegan(turn, lease, news);
    case 'advanced':
      noteRead(lease);
      return noteTenureAdvanced(turn, lease, news);
    case 'streamDoubted':
      return doubtStream(turn, lease.stream);
    case 'idle':
      lease.fence = undefined;
      beganIdle(turn, lease, news.reason);
      return noteTenureEnded(turn, lease, news);
    case 'readsWork':
      return readsWork(turn, lease);
    case 'readsFail':
      return readsFail(turn, lease, news.forMs);
    case 'notTaken':
      drop(turn, lease);
      if (news.wishFailed === true) noteFailedWish(turn, lease);
      if (news.retake) scanWithin(turn, retakeLater(turn, lease));
      return;
    case 'handedOver':
      noteLeft(turn, leaseKey, news.at);
      drop(turn, lease);
      return scanWithin(turn, options.scanIntervalMs);
    case 'lost':
      drop(turn, lease);
      // The new owner may have joined since the last scan. The next scan shows which leases may be stolen in return.
      return scanWithin(turn, news.retake ? retakeLater(turn, lease) : options.scanIntervalMs);
    case 'workerIdInUse':
      drop(turn, lease);
      coolDown(turn, lease, options.coolDownMs);
      return warnWorkerIdInUse(turn, lease, news.current);
    case 'released':
      state.releasing?.report.push(news.lease);
      noteLeft(turn, leaseKey, news.lease);
      drop(turn, lease);
      if (news.coolDown) coolDown(turn, lease, options.coolDownMs);
      return scanWithin(turn, options.scanIntervalMs);
    case 'ended':
      return ended(turn, lease, news.childShardIds);
  }
}

/** Notes a keeper's last checkpoint. If the row vanishes before the next scan, it is created again at this checkpoint. */
function noteLeft({ options }: CoordinatorTurn, leaseKey: string, at: Checkpoint): void {
  const { rows } = options.tableHistory;
  const row = rows?.get(leaseKey);
  if (row === undefined || compareCheckpoints(at, durableCheckpoint(row)) <= 0) return;
  rows?.set(leaseKey, { ...row, checkpoint: at.checkpoint, checkpointSubSequenceNumber: at.subSequenceNumber });
}

function warnWorkerIdInUse(turn: CoordinatorTurn, lease: Lease, current: LeaseRow): void {
  const { workerId } = turn.options;
  const message = `Another process uses the worker id ${workerId}: it has written to the lease ${lease.leaseKey} (kinactWriter ${current.kinactWriter ?? 'absent'}). Give every process a worker id of its own.`;
  warn(turn, message, {
    error: new KinactError('WORKER_ID_IN_USE', message, { data: { leaseKey: lease.leaseKey } }),
    source: lease.stream.sourceOptions.source.name,
    shardId: lease.shardId,
  });
}

function drop(turn: CoordinatorTurn, lease: Lease): void {
  const { state } = turn;
  state.leases.delete(lease.leaseKey);
  lease.stream.shardEnds.absences = withoutAbsence(lease.stream.shardEnds.absences, lease.shardId);
  if (lease.phase === 'held') state.publishing.changed = true;
  finishRelease(turn);
}

/** Handles a durable SHARD_END: leases that waited for it may start, and its children are taken without waiting for a scan. */
function ended(turn: CoordinatorTurn, lease: Lease, childShardIds: readonly string[]): void {
  const { options, state, effects } = turn;
  const { keyPrefix } = lease.stream;
  state.endedHere.add(lease.leaseKey);
  state.standstills.delete(lease.leaseKey);
  drop(turn, lease);
  state.pauses.coolDowns.delete(lease.leaseKey);
  for (const other of state.leases.values()) {
    if (other.stream === lease.stream && other.phase === 'held' && other.awaited?.length !== 0)
      checkParents(turn, other);
  }
  const children = childShardIds
    .map((shardId) => leaseKeyOf(keyPrefix, shardId))
    .filter((leaseKey) => !state.leases.has(leaseKey));
  if (children.length === 0 || state.phase !== 'running') return;
  effects.push(
    effect.run({
      name: `children/${++state.works}`,
      kind: 'io',
      start: (signal) => readRows(options.store, children, signal),
      done: (rows): LeaseCoordinatorMessage => ({ type: 'childrenRead', rows }),
      failed: (): LeaseCoordinatorMessage => ({ type: 'childrenReadFailed' }),
    }),
  );
}

export function childrenRead(turn: CoordinatorTurn, { rows }: Message<'childrenRead'>): void {
  const { options, state, now } = turn;
  for (const row of rows) {
    const coolDown = state.pauses.coolDowns.get(row.leaseKey);
    const room = state.leases.size < options.maxLeases;
    if (row.leaseOwner === undefined && !hasEnded(row) && room && (coolDown === undefined || coolDown.until <= now))
      spawnKeeper(turn, row);
  }
}

/**
 * Finds out whether a held lease may start (docs/kcl-compatibility.md, 2.8). It may start at once if it has progress, or if this
 * process has written SHARD_END for all parents. Otherwise the parents' rows are read consistently. Called when the lease is
 * taken, and when the answer may have changed.
 */
export function checkParents(turn: CoordinatorTurn, lease: Lease): void {
  const { options, state, effects } = turn;
  const { row, leaseKey, incarnation } = lease;
  const { keyPrefix } = lease.stream;
  if (hasProgress(row) || row.parentShardIds.every((parent) => state.endedHere.has(leaseKeyOf(keyPrefix, parent))))
    return setAwaited(turn, lease, []);
  if (lease.readingParents) return;
  lease.readingParents = true;
  effects.push(
    effect.run({
      name: `parents/${leaseKey}/${++state.works}`,
      kind: 'io',
      start: (signal) => readParents(options.store, row, keyPrefix, signal),
      done: (awaited): LeaseCoordinatorMessage => ({ type: 'parentsRead', leaseKey, incarnation, awaited }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'parentsReadFailed', leaseKey, incarnation, error }),
    }),
  );
}

const parentReading = 'reading the parents of a lease';

/** Handles a failed read of parents' rows. The next scan repeats the read. */
export function parentsReadFailed(
  turn: CoordinatorTurn,
  { leaseKey, incarnation, error }: Message<'parentsReadFailed'>,
): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  lease.readingParents = false;
  const { stream, shardId } = lease;
  retrying(turn, parentReading, { error, delayMs: Math.max(0, turn.state.scan.dueAt - turn.now), stream, shardId });
}

export function parentsRead(turn: CoordinatorTurn, { leaseKey, incarnation, awaited }: Message<'parentsRead'>): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  lease.readingParents = false;
  clearFailure(turn, parentReading, lease.stream);
  if (lease.awaited?.length === 0) return;
  const { endedHere, table } = turn.state;
  const keyOf = (parent: string): string => leaseKeyOf(lease.stream.keyPrefix, parent);
  // A parent with a deleted row counts as open: its holder may still be reading the parent, and creates the row again.
  const deleted = lease.row.parentShardIds.filter((parent) => table.deletedRows.has(keyOf(parent)));
  const open = new Set([...awaited, ...deleted]);
  setAwaited(
    turn,
    lease,
    [...open].filter((parent) => !endedHere.has(keyOf(parent))),
  );
}

function setAwaited(turn: CoordinatorTurn, lease: Lease, awaited: readonly string[]): void {
  const wasStartable = lease.awaited?.length === 0;
  lease.awaited = awaited;
  if (wasStartable || awaited.length > 0) return;
  lease.idleSince = turn.now;
  turn.state.publishing.changed = true;
  if (lease.keeper !== undefined) turn.effects.push(effect.send(lease.keeper, { type: 'mayStart' }));
}

/** After a scan, checks the parents of each waiting lease again, unless the scan shows that one of them has not ended. */
export function reconsiderWaiting(turn: CoordinatorTurn): void {
  const { state } = turn;
  for (const lease of state.leases.values()) {
    if (lease.phase !== 'held' || lease.awaited?.length === 0) continue;
    const stillRead = (lease.awaited ?? []).some((parent) => {
      const leaseKey = leaseKeyOf(lease.stream.keyPrefix, parent);
      const row = state.table.rows.get(leaseKey);
      const gone = state.table.malformed.has(leaseKey) || state.table.deletedRows.has(leaseKey);
      return gone || (row !== undefined && !hasEnded(row));
    });
    if (!stillRead) checkParents(turn, lease);
  }
}

export function subscribe(turn: CoordinatorTurn, { subscriber }: Message<'subscribe'>): void {
  const { state, effects } = turn;
  if (!state.publishing.subscribers.has(subscriber.id)) {
    // A new subscriber is a new pipeline. It begins only when the calls of the last pipeline have settled, or are orphans.
    tellKeepersCallsEnded(turn);
    state.publishing.subscribers.set(subscriber.id, subscriber);
    effects.push(
      effect.watch(subscriber, (): LeaseCoordinatorMessage => ({ type: 'subscriberDown', id: subscriber.id })),
    );
  }
  effects.push(effect.send(subscriber, heldLeases(turn)));
}

export function subscriberDown({ state }: CoordinatorTurn, { id }: Message<'subscriberDown'>): void {
  state.publishing.subscribers.delete(id);
}

/** Called at the end of each turn: informs every subscriber if the held leases have changed. */
export function publish(turn: CoordinatorTurn): void {
  const { state, effects } = turn;
  if (!state.publishing.changed) return;
  state.publishing.changed = false;
  state.publishing.version++;
  const held = heldLeases(turn);
  for (const subscriber of state.publishing.subscribers.values()) effects.push(effect.send(subscriber, held));
}

function heldLeases({ options, state }: CoordinatorTurn): HeldLeases {
  const leases: HeldLease[] = [];
  for (const { phase, keeper, leaseKey, shardId, stream, awaited } of state.leases.values()) {
    if (phase === 'held' && keeper !== undefined)
      leases.push({
        leaseKey,
        shardId,
        source: stream.sourceOptions.source.name,
        keeper,
        startable: awaited?.length === 0,
      });
  }
  return { type: 'held', table: options.store.tableName, version: state.publishing.version, leases };
}
