// Acts on the notices of keepers: how far a keeper is with its lease, and whether shard workers read the shard.
import { effect } from '../../protocol/actor.js';
import type { KeeperNotice } from '../../protocol/lease-messages.js';
import { noteFailedWish, coolDown, retakeLater } from '../unread/cool-downs.js';
import { noteTenureAdvanced, noteTenureBegan, noteTenureEnded, reportIfDue } from '../unread/standstill.js';
import { doubtStream } from '../sources/source-failure.js';
import { scanWithin, warn, type CoordinatorTurn } from '../turn.js';
import type { Lease } from '../state.js';
import { readsFail, readsWork } from '../unread/failing-reads.js';
import { noteAdvanced, noteIdle, noteShardWorkerBegan } from '../unread/unread-leases.js';
import { compareCheckpoints, type Checkpoint } from '../../../src/core/checkpoint.js';
import { durableCheckpoint } from '../../../src/core/lease-state.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { KinactError } from '../../../src/api/errors.js';
import { dropLease } from './keepers.js';
import { checkParents } from './parents.js';
import { leaseEnded } from './ended-leases.js';

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
      state.publishing.changed.add(leaseKey);
      noteIdle(turn, lease, 'no shard worker has begun to read it');
      return checkParents(turn, lease);
    case 'working':
      lease.fence = news.fence;
      lease.workingSince = now;
      noteShardWorkerBegan(turn, lease);
      return reportIfDue(turn, lease, noteTenureBegan(turn, lease, news));
    case 'advanced':
      noteAdvanced(turn, lease);
      return noteTenureAdvanced(turn, lease, news);
    case 'streamDoubted':
      return doubtStream(turn, lease.stream);
    case 'idle':
      lease.fence = undefined;
      noteIdle(turn, lease, news.reason);
      return noteTenureEnded(turn, lease, news);
    case 'readsWork':
      return readsWork(turn, lease);
    case 'readsFail':
      return readsFail(turn, lease, news.forMs);
    case 'notTaken':
      if (news.wishFailed === true) noteFailedWish(turn, lease);
      if (news.retake) scanWithin(turn, retakeLater(turn, lease));
      return dropLease(turn, lease);
    case 'handedOver':
      noteLastCheckpoint(turn, leaseKey, news.at);
      dropLease(turn, lease);
      return scanWithin(turn, options.scanIntervalMs);
    case 'lost':
      // The new owner may have joined since the last scan. The next scan shows which leases may be stolen in return.
      scanWithin(turn, news.retake ? retakeLater(turn, lease) : options.scanIntervalMs);
      return dropLease(turn, lease);
    case 'workerIdInUse':
      coolDown(turn, lease, options.coolDownMs);
      dropLease(turn, lease);
      return warnWorkerIdInUse(turn, lease, news.current);
    case 'released':
      state.release?.report.push(news.lease);
      lease.stream.leaving?.report.push(news.lease);
      noteLastCheckpoint(turn, leaseKey, news.lease);
      if (news.coolDown) coolDown(turn, lease, options.coolDownMs);
      dropLease(turn, lease);
      return scanWithin(turn, options.scanIntervalMs);
    case 'ended':
      return leaseEnded(turn, lease, news.childShardIds);
  }
}

/** Notes a keeper's last checkpoint. If the row vanishes before the next scan, it is created again at this checkpoint. */
function noteLastCheckpoint({ options }: CoordinatorTurn, leaseKey: string, at: Checkpoint): void {
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
