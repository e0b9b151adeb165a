// Decides which write a lease keeper sends next, and when the keeper must check again. The functions are pure: the result depends
// on the keeper's state and the time. Invariants: one write at a time. While a shard worker may settle records, the keeper sends only
// renewals (answers and checkpoints count as renewals). If several writes are due, the first of these goes: SHARD_END, release,
// hand-over, renewal, answer to a wish, extra checkpoint.
export type LeaseWriteKind =
  | 'wish'
  | 'withdrawWish'
  | 'take'
  | 'create'
  | 'renew'
  | 'checkpoint'
  | 'answer'
  | 'handOver'
  | 'release'
  | 'shardEnd';

export type KeeperPhase =
  /** The keeper asks the holder for the lease, by a wish in the row. */
  | 'wishing'
  /** The keeper makes this process the owner of the row. */
  | 'taking'
  /** The row of the held lease was deleted, and the keeper creates it again. */
  | 'recreating'
  /** This process has the lease: the keeper renews it. */
  | 'held'
  /** The keeper keeps nothing any more, and ends. */
  | 'over';

/**
 * Whether earlier shard workers have left calls of user code behind for this shard. `none`: the last shard worker's final report says that
 * none runs. `possible`: nothing waits for them, but only the next shard worker can prove that none runs. `awaited`: a release waits for
 * them.
 */
export type CallsLeftBehind = 'none' | 'possible' | 'awaited';

/** The phases of a hand-over (actors/lease-keeper/hand-over-holder.ts). */
export type ReceivedWishPhase =
  /** The wish is to be answered with `yielding`. */
  | 'asked'
  /** The answer is in the row, and the shard worker delivers until `drainStartsAt`. */
  | 'answered'
  /** The shard worker has been asked to pause, and the shard drains. */
  | 'draining'
  /** The shard is drained, and the next write hands the lease over. */
  | 'ready'
  /** The wish is to be answered with `refused`. */
  | 'refusing'
  /** The refusal is in the row. */
  | 'refused'
  /** The asker has not raised the wish for so long that it probably no longer waits for the lease. */
  | 'stale';

/**
 * The part of a keeper's state from which its schedule follows. `LeaseKeeperState` (actors/lease-keeper/state.ts) has the same members,
 * and more. Times are monotonic milliseconds.
 */
export interface KeeperSituation {
  readonly phase: KeeperPhase;
  /** This keeper's own wish, in the phase `wishing`. */
  readonly wishing:
    | {
        readonly raiseAt: number;
        readonly readRowAt: number;
        readonly readingRow: boolean;
        readonly until: number;
        /** The wish is to be withdrawn. At `until` the keeper forgets the wish in any case. */
        readonly withdrawal: { readonly until: number } | undefined;
      }
    | undefined;
  readonly writes: {
    /** The write under way. */
    readonly current: { readonly startedAt: number } | undefined;
    /** No write begins before this time, because of a back-off. */
    readonly retryAt: number;
  };
  /** The place in the queue for a permit to write. */
  readonly queuePlace: {
    /** The keeper waits for a permit: no write is due before the permit comes. */
    readonly queued: boolean;
    /** When to stop waiting for the permit of a first take. */
    readonly takeBy: number;
  };
  readonly timing: {
    readonly renewAt: number;
    /** When an extra checkpoint is due (see `checkpoint-cadence.ts`); Infinity when none is. */
    readonly extraAt: number;
  };
  readonly shardWorkers: {
    /** The request of a shard worker that waits for a renewal: the counter of that renewal becomes its fence. */
    readonly tenureRequest: unknown;
    /** No shard worker may start the shard now, so the time without a shard worker does not count as idle. */
    readonly mayNotStart: boolean;
    readonly idleSince: number;
  };
  readonly tenure: { readonly shared: { readonly deadline: number }; readonly revoked: boolean } | undefined;
  readonly leftovers: {
    readonly callsLeftBehind: CallsLeftBehind;
    /** How many calls of `onCheckpoint` and `onShardEnded` are running. */
    readonly hookCalls: number;
  };
  /** The wish of another worker for this lease. */
  readonly receivedWish:
    | { readonly phase: ReceivedWishPhase; readonly drainStartsAt: number; readonly refuseAt: number }
    | undefined;
  /** The lease is to be given up. actors/lease-keeper/lease-end.ts explains the three times. */
  readonly releaseOrder: { readonly cutAt: number; readonly writeAt: number; readonly until: number } | undefined;
  readonly shardEnd:
    | {
        /** When the shard worker reported the end, or when the keeper last had to wait for another shard's holder. */
        readonly since: number;
        readonly asking: boolean;
        readonly askAt: number;
        readonly blocked: boolean;
        /** `onShardEnded` has not succeeded yet. Default: there is no such hook. */
        readonly awaitsHook?: boolean;
        /** The children, once the coordinator has proven the end and each of them has a row. Until then SHARD_END is not due. */
        readonly childShardIds: readonly string[] | undefined;
        /** SHARD_END waits until this time for calls of `onCheckpoint`. */
        readonly callsUntil: number;
      }
    | undefined;
}

export interface ScheduleLimits {
  /** After this long without an answer, the outcome of a write counts as unknown. */
  readonly writeTimeoutMs: number;
  /**
   * The keeper gives the lease up after `idleLimitMs` without a shard worker, or after `endLimitMs` without proof that its shard has ended.
   */
  readonly idleLimitMs: number;
  readonly endLimitMs: number;
}

/** The write that is due now, if any. */
export function nextWrite(keeper: KeeperSituation, now: number): LeaseWriteKind | undefined {
  if (keeper.writes.current !== undefined || now < keeper.writes.retryAt) return undefined;
  switch (keeper.phase) {
    case 'over':
      return undefined;
    case 'wishing':
      return wishWrite(keeper.wishing, now);
    case 'taking':
      return 'take';
    case 'recreating':
      return 'create';
    case 'held':
      if (shardEndIsDue(keeper, now)) return 'shardEnd';
      if (releaseIsDue(keeper, now)) return 'release';
      // A hand-over goes before a renewal, because it replaces the renewal: it is this keeper's last write. `hookCalls`
      // is checked again, because the answer to an earlier write may have started a call since.
      if (
        keeper.receivedWish?.phase === 'ready' &&
        keeper.releaseOrder === undefined &&
        keeper.leftovers.hookCalls === 0
      )
        return 'handOver';
      if (keeper.shardWorkers.tenureRequest !== undefined || now >= keeper.timing.renewAt) return 'renew';
      if (keeper.receivedWish?.phase === 'asked' || keeper.receivedWish?.phase === 'refusing') return 'answer';
      return now >= keeper.timing.extraAt ? 'checkpoint' : undefined;
  }
}

/** Whether there is a tenure that its keeper has not revoked. */
export function isInForce<T extends { readonly revoked: boolean }>(tenure: T | undefined): tenure is T {
  return tenure?.revoked === false;
}

/** Whether another worker is about to get the lease: then no shard worker may begin. */
export function isHandingOver(receivedWish: KeeperSituation['receivedWish']): boolean {
  return receivedWish?.phase === 'draining' || receivedWish?.phase === 'ready';
}

function wishWrite(wishing: KeeperSituation['wishing'], now: number): LeaseWriteKind | undefined {
  if (wishing === undefined) return undefined;
  if (wishing.withdrawal !== undefined) return 'withdrawWish';
  return now >= wishing.raiseAt ? 'wish' : undefined;
}

/**
 * Whether SHARD_END may be written: the end is proven, `onShardEnded` has succeeded, and no `onCheckpoint` call runs, or its time is up
 * (`callsUntil`). The children start right after SHARD_END.
 */
function shardEndIsDue({ shardEnd, leftovers }: KeeperSituation, now: number): boolean {
  if (shardEnd?.childShardIds === undefined || shardEnd.awaitsHook === true) return false;
  return leftovers.hookCalls === 0 || now >= shardEnd.callsUntil;
}

/** Whether the release is due: the shard is drained, and no SHARD_END is about to replace the release; or its time is up. */
function releaseIsDue(keeper: KeeperSituation, now: number): boolean {
  const { leftovers, releaseOrder } = keeper;
  if (releaseOrder === undefined) return false;
  // Until `cutAt` the release waits for these calls: they must not run beside those of the next owner.
  if ((leftovers.callsLeftBehind === 'awaited' || leftovers.hookCalls > 0) && now < releaseOrder.cutAt) return false;

  if (keeper.tenure !== undefined) return keeper.tenure.revoked && now >= releaseOrder.writeAt;
  return keeper.shardEnd === undefined || keeper.shardEnd.blocked || now >= releaseOrder.cutAt;
}

/** Whether the write under way has gone unanswered for too long. */
export function isWriteOverdue(keeper: KeeperSituation, limits: ScheduleLimits, now: number): boolean {
  const { current } = keeper.writes;
  return current !== undefined && now >= current.startedAt + limits.writeTimeoutMs;
}

/** Whether the lease has been without a shard worker, or without proof of its shard's end, for too long and without an excuse. */
export function isIdleTooLong(keeper: KeeperSituation, limits: ScheduleLimits, now: number): boolean {
  return now >= idleUntil(keeper, limits);
}

function idleUntil(keeper: KeeperSituation, limits: ScheduleLimits): number {
  const excused =
    keeper.shardWorkers.mayNotStart ||
    keeper.phase !== 'held' ||
    isInForce(keeper.tenure) ||
    keeper.shardWorkers.tenureRequest !== undefined ||
    keeper.shardEnd?.childShardIds !== undefined ||
    keeper.releaseOrder !== undefined;
  if (excused) return Infinity;

  const { shardEnd } = keeper;
  return shardEnd === undefined
    ? keeper.shardWorkers.idleSince + limits.idleLimitMs
    : shardEnd.since + limits.endLimitMs;
}

/** Whether to ask the coordinator now whether SHARD_END may be written. */
export function shouldAskShardEnd(shardEnd: NonNullable<KeeperSituation['shardEnd']>, now: number): boolean {
  return shardEnd.childShardIds === undefined && !shardEnd.asking && now >= shardEnd.askAt;
}

/** The next time at which a result of these functions changes without a message; Infinity if none does. */
export function nextWakeAt(keeper: KeeperSituation, limits: ScheduleLimits, now: number): number {
  const { writes, timing, tenure, releaseOrder, shardEnd } = keeper;
  const { current } = writes;
  let at = Math.min(idleUntil(keeper, limits), nextWishStepAt(keeper, now));
  if (keeper.phase === 'wishing')
    return Math.min(at, current === undefined ? Infinity : current.startedAt + limits.writeTimeoutMs);

  if (current !== undefined) at = Math.min(at, current.startedAt + limits.writeTimeoutMs);
  else if (keeper.queuePlace.queued) at = Math.min(at, queuedUntil(keeper, now));
  else at = Math.min(at, writes.retryAt > now ? writes.retryAt : Math.min(timing.renewAt, timing.extraAt));

  if (isInForce(tenure)) at = Math.min(at, tenure.shared.deadline);
  if (releaseOrder !== undefined) {
    const moments = [releaseOrder.cutAt, releaseOrder.writeAt, releaseOrder.until];
    at = Math.min(at, ...moments.filter((moment) => moment > now));
  }
  if (shardEnd !== undefined && shardEnd.askAt > now) at = Math.min(at, shardEnd.askAt);
  if (shardEnd !== undefined && shardEnd.callsUntil > now) at = Math.min(at, shardEnd.callsUntil);

  return at;
}

/** The next time at which a wish, of this keeper or of another worker, needs a step. */
function nextWishStepAt(
  { phase, wishing, receivedWish, writes, queuePlace, releaseOrder }: KeeperSituation,
  now: number,
): number {
  if (phase !== 'wishing' || wishing === undefined) {
    const moments = receivedWish === undefined ? [] : [receivedWish.drainStartsAt, receivedWish.refuseAt];
    return Math.min(...moments.filter((moment) => moment > now), Infinity);
  }

  const { withdrawal, readingRow, readRowAt, raiseAt, until } = wishing;
  const moments = [withdrawal === undefined ? until : withdrawal.until];
  if (releaseOrder !== undefined) moments.push(releaseOrder.cutAt, releaseOrder.writeAt, releaseOrder.until);
  const mayWrite = writes.current === undefined && !queuePlace.queued;
  if (mayWrite) moments.push(withdrawal === undefined ? Math.max(raiseAt, writes.retryAt) : writes.retryAt);
  if (withdrawal === undefined && !readingRow) moments.push(readRowAt);
  return Math.min(...moments.filter((moment) => moment > now), Infinity);
}

/** Until when a write that waits in the queue needs no check. A take is given up at `takeBy`; an extra checkpoint becomes a renewal. */
function queuedUntil({ phase, timing, queuePlace }: KeeperSituation, now: number): number {
  if (phase === 'taking') return queuePlace.takeBy;
  return timing.renewAt > now ? timing.renewAt : Infinity;
}
