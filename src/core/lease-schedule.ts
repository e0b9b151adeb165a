// Decides which write a lease keeper sends next, and when the keeper must check again. The functions are pure: the result depends
// on the keeper's state and the time. Invariants: one write at a time. While a worker may settle records, the keeper sends only
// renewals (answers and checkpoints count as renewals). SHARD_END goes before a release, a release before a renewal, and a
// renewal before an extra checkpoint.
export type LeaseWriteKind =
  | 'wish'
  | 'unwish'
  | 'take'
  | 'create'
  | 'renew'
  | 'checkpoint'
  | 'answer'
  | 'handOver'
  | 'release'
  | 'shardEnd';

/** The part of a keeper's state that decides the next write. Times are monotonic milliseconds. */
export interface LeaseWants {
  readonly phase: 'wishing' | 'taking' | 'recreating' | 'held' | 'over';
  readonly writes: WriteWants;
  /** Default: every write begins at once. */
  readonly traffic?: TrafficWants;
  readonly timing: TimingWants;
  readonly workers: WorkerWants;
  readonly tenure: { readonly shared: { readonly deadline: number }; readonly revoked: boolean } | undefined;
  /** Default: nothing is open. */
  readonly open?: OpenWants;
  readonly release: { readonly cutAt: number; readonly writeAt: number; readonly until: number } | undefined;
  readonly shardEnd: ShardEndWants | undefined;
  /** This keeper's own wish, in the phase `wishing`. */
  readonly wishing?: WishWants | undefined;
  /** The wish of another worker for this lease. Default: no worker has asked. */
  readonly yielding?: YieldingWants | undefined;
}

export interface WriteWants {
  /** The write under way. */
  readonly current: { readonly startedAt: number } | undefined;
  /** No write begins before this time, because of a back-off. */
  readonly retryAt: number;
}

export interface TrafficWants {
  /** The keeper waits for a permit: no write is due before the permit comes. */
  readonly queued: boolean;
  /** When to stop waiting for the permit of a first take. */
  readonly takeBy: number;
}

export interface TimingWants {
  readonly renewAt: number;
  /** When an extra checkpoint is due (see `checkpoint-cadence.ts`); Infinity when none is. */
  readonly extraAt: number;
}

export interface WorkerWants {
  /** A worker that waits for a renewal: the counter of that renewal becomes its fence. */
  readonly waitingWorker: unknown;
  readonly idleSince: number;
  /** No worker may start the shard now, so the time without a worker does not count as idle. */
  readonly waiting: boolean;
}

export interface OpenWants {
  /** Calls of user code for this shard may still run, although the shard has no worker. */
  readonly userCallsLeftBehind: boolean;
  /** How many calls of `onCheckpoint` are running. */
  readonly onCheckpointCalls: number;
}

export interface WishWants {
  readonly raiseAt: number;
  readonly readRowAt: number;
  readonly readingRow: boolean;
  readonly until: number;
  /** The wish is to be withdrawn. At `until` the keeper forgets the wish in any case. */
  readonly withdrawal: { readonly until: number } | undefined;
}

/** The phases of a hand-over (actors/lease-keeper/hand-over-holder.ts). */
export type YieldingPhase =
  /** The wish is to be answered with `yielding`. */
  | 'asked'
  /** The answer is in the row, and the worker delivers until `drainStartsAt`. */
  | 'answered'
  /** The worker has been asked to pause, and the shard drains. */
  | 'draining'
  /** The shard is drained, and the next write hands the lease over. */
  | 'ready'
  /** The wish is to be answered with `refused`. */
  | 'refusing'
  /** The refusal is in the row. */
  | 'refused'
  /** The author has not raised the wish for so long that it probably no longer waits for the lease. */
  | 'stale';

export interface YieldingWants {
  readonly phase: YieldingPhase;
  readonly drainStartsAt: number;
  readonly refuseAt: number;
}

export interface ShardEndWants {
  /** When the worker reported the end, or when the keeper last had to wait for another shard's holder. */
  readonly since: number;
  readonly asking: boolean;
  readonly askAt: number;
  readonly blocked: boolean;
  readonly childShardIds: readonly string[] | undefined;
  /** SHARD_END waits until this time for calls of `onCheckpoint`. */
  readonly callsUntil: number;
}

export interface LeaseTimes {
  /** After this long without an answer, the outcome of a write counts as unknown. */
  readonly writeTimeoutMs: number;
  /** The keeper gives the lease up after `idleLimitMs` without a worker, or after `endLimitMs` without proof that its shard has ended. */
  readonly idleLimitMs: number;
  readonly endLimitMs: number;
}

/** The write that is due now, if any. */
export function nextWrite(wants: LeaseWants, now: number): LeaseWriteKind | undefined {
  if (wants.writes.current !== undefined || now < wants.writes.retryAt) return undefined;
  switch (wants.phase) {
    case 'over':
      return undefined;
    case 'wishing':
      return wishWrite(wants.wishing, now);
    case 'taking':
      return 'take';
    case 'recreating':
      return 'create';
    case 'held':
      if (shardEndIsDue(wants, now)) return 'shardEnd';
      if (releaseIsDue(wants, now)) return 'release';
      // A hand-over goes before a renewal, because it replaces the renewal: it is this keeper's last write. `onCheckpointCalls`
      // is checked again, because the answer to an earlier write may have started a call since.
      if (
        wants.yielding?.phase === 'ready' &&
        wants.release === undefined &&
        (wants.open?.onCheckpointCalls ?? 0) === 0
      )
        return 'handOver';
      if (wants.workers.waitingWorker !== undefined || now >= wants.timing.renewAt) return 'renew';
      if (wants.yielding?.phase === 'asked' || wants.yielding?.phase === 'refusing') return 'answer';
      return now >= wants.timing.extraAt ? 'checkpoint' : undefined;
  }
}

/** Whether another worker is about to get the lease: then no shard worker may begin. */
export function isHandingOver(yielding: YieldingWants | undefined): boolean {
  return yielding?.phase === 'draining' || yielding?.phase === 'ready';
}

function wishWrite(wishing: WishWants | undefined, now: number): LeaseWriteKind | undefined {
  if (wishing === undefined) return undefined;
  if (wishing.withdrawal !== undefined) return 'unwish';
  return now >= wishing.raiseAt ? 'wish' : undefined;
}

/**
 * Whether SHARD_END may be written: the end is proven, and no `onCheckpoint` call runs, or its time is up (`callsUntil`). The
 * children start right after SHARD_END.
 */
function shardEndIsDue({ shardEnd, open }: LeaseWants, now: number): boolean {
  if (shardEnd?.childShardIds === undefined) return false;
  return (open?.onCheckpointCalls ?? 0) === 0 || now >= shardEnd.callsUntil;
}

/** Whether the release is due: the shard is drained, and no SHARD_END is about to replace the release; or its time is up. */
function releaseIsDue(wants: LeaseWants, now: number): boolean {
  const { open, release } = wants;
  if (release === undefined) return false;
  // Until `cutAt` the release waits for these calls: they must not run beside the worker of the next owner.
  if (open !== undefined && (open.userCallsLeftBehind || open.onCheckpointCalls > 0) && now < release.cutAt)
    return false;
  if (wants.tenure !== undefined) return wants.tenure.revoked && now >= release.writeAt;
  return wants.shardEnd === undefined || wants.shardEnd.blocked || now >= release.cutAt;
}

/** Whether the write under way has gone unanswered for too long. */
export function writeIsOverdue(wants: LeaseWants, times: LeaseTimes, now: number): boolean {
  const { current } = wants.writes;
  return current !== undefined && now >= current.startedAt + times.writeTimeoutMs;
}

/** Whether the lease has been without a worker, or without proof of its shard's end, for too long and without an excuse. */
export function idleTooLong(wants: LeaseWants, times: LeaseTimes, now: number): boolean {
  return now >= idleEnd(wants, times);
}

function idleEnd(wants: LeaseWants, times: LeaseTimes): number {
  const excused =
    wants.workers.waiting ||
    wants.phase !== 'held' ||
    wants.tenure?.revoked === false ||
    wants.workers.waitingWorker !== undefined ||
    wants.shardEnd?.childShardIds !== undefined ||
    wants.release !== undefined;
  if (excused) return Infinity;
  const { shardEnd } = wants;
  return shardEnd === undefined ? wants.workers.idleSince + times.idleLimitMs : shardEnd.since + times.endLimitMs;
}

/** Whether to ask the coordinator now whether SHARD_END may be written. */
export function shardEndIsToAsk(shardEnd: ShardEndWants, now: number): boolean {
  return shardEnd.childShardIds === undefined && !shardEnd.asking && now >= shardEnd.askAt;
}

/** The next time at which a result of these functions changes without a message; Infinity if none does. */
export function nextWakeAt(wants: LeaseWants, times: LeaseTimes, now: number): number {
  const { writes, timing, tenure, release, shardEnd } = wants;
  const { current } = writes;
  let at = Math.min(idleEnd(wants, times), askedLook(wants, now));
  if (wants.phase === 'wishing')
    return Math.min(at, current === undefined ? Infinity : current.startedAt + times.writeTimeoutMs);
  if (current !== undefined) at = Math.min(at, current.startedAt + times.writeTimeoutMs);
  else if (wants.traffic?.queued === true) at = Math.min(at, queuedUntil(wants, now));
  else at = Math.min(at, writes.retryAt > now ? writes.retryAt : Math.min(timing.renewAt, timing.extraAt));
  if (tenure?.revoked === false) at = Math.min(at, tenure.shared.deadline);
  if (release !== undefined) {
    const moments = [release.cutAt, release.writeAt, release.until];
    at = Math.min(at, ...moments.filter((moment) => moment > now));
  }
  if (shardEnd !== undefined && shardEnd.askAt > now) at = Math.min(at, shardEnd.askAt);
  if (shardEnd !== undefined && shardEnd.callsUntil > now) at = Math.min(at, shardEnd.callsUntil);
  return at;
}

/** The next time at which a wish, of this keeper or of another worker, needs a step. */
function askedLook({ phase, wishing, yielding, writes, traffic, release }: LeaseWants, now: number): number {
  if (phase !== 'wishing' || wishing === undefined) {
    const times = yielding === undefined ? [] : [yielding.drainStartsAt, yielding.refuseAt];
    return Math.min(...times.filter((time) => time > now), Infinity);
  }
  const { withdrawal, readingRow, readRowAt, raiseAt, until } = wishing;
  const times = [withdrawal === undefined ? until : withdrawal.until];
  if (release !== undefined) times.push(release.cutAt, release.writeAt, release.until);
  const mayWrite = writes.current === undefined && traffic?.queued !== true;
  if (mayWrite) times.push(withdrawal === undefined ? Math.max(raiseAt, writes.retryAt) : writes.retryAt);
  if (withdrawal === undefined && !readingRow) times.push(readRowAt);
  return Math.min(...times.filter((time) => time > now), Infinity);
}

/** Until when a write that waits in the queue needs no check. A take is given up at `takeBy`; an extra checkpoint becomes a renewal. */
function queuedUntil({ phase, timing, traffic }: LeaseWants, now: number): number {
  if (phase === 'taking') return traffic?.takeBy ?? Infinity;
  return timing.renewAt > now ? timing.renewAt : Infinity;
}
