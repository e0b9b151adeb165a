// Which leases a worker takes and which it steals, from one scan. Ages are local: how long the counter has been seen to
// stand still (kcl.md 2.2), never a clock of another machine. While a Java worker owns a row, both sides must share one
// formula (`planLikeKcl`), or leases would go to and fro for ever. Otherwise kinact uses `planEvenly`. The coordinator
// calls this after every scan.
import { honouredFailoverMs, isExpired } from './lease-failover.js';
import type { LeaseRow } from './lease.js';
import { isForeign } from './lease-writer.js';
import { hasEnded } from './shard-graph.js';

/** A row's counter as last seen, and when it was first seen to be that (monotonic milliseconds). */
export interface Observation {
  readonly counter: number;
  readonly seenAt: number;
  /** `seenAt`. Minus infinity for a row that had no owner when it was first seen, so that it counts as expired. */
  readonly since: number;
}

/** A row with how long its counter has stood still. */
export interface ObservedLease {
  readonly row: LeaseRow;
  /** The KCL's reckoning: infinite for a row that had no owner when it was seen for the first time. */
  readonly ageMs: number;
  /** Since this worker first saw this counter. */
  readonly seenMs: number;
  /** Its counter must have stood still for longer than this before it counts as expired: the larger of ours and its owner's. */
  readonly failoverMs: number;
}

/**
 * Brings the observations up to date with a scan. A row seen for the first time counts from now if it has an owner, which
 * may be alive. Without an owner it counts as infinitely old. Rows that are gone are forgotten.
 */
export function updateObservations(
  previous: ReadonlyMap<string, Observation>,
  rows: readonly LeaseRow[],
  now: number,
): Map<string, Observation> {
  const next = new Map<string, Observation>();
  for (const row of rows) {
    const seen = previous.get(row.leaseKey);
    if (seen !== undefined && seen.counter === row.leaseCounter) next.set(row.leaseKey, seen);
    else
      next.set(row.leaseKey, {
        counter: row.leaseCounter,
        seenAt: now,
        since: seen === undefined && row.leaseOwner === undefined ? -Infinity : now,
      });
  }
  return next;
}

/** The rows of a scan with their ages, by observations that are up to date with it. `failoverMs` is this worker's own. */
export function observe(
  rows: readonly LeaseRow[],
  observations: ReadonlyMap<string, Observation>,
  now: number,
  failoverMs: number,
): ObservedLease[] {
  return rows.map((row) => {
    const seen = observations.get(row.leaseKey) ?? { since: now, seenAt: now };
    const honouredMs = honouredFailoverMs(row, failoverMs);
    return { row, ageMs: now - seen.since, seenMs: now - seen.seenAt, failoverMs: honouredMs };
  });
}

export interface LeasePlanInput {
  readonly leases: readonly ObservedLease[];
  readonly workerId: string;
  readonly maxLeases: number;
  /** Keys this process holds or is about to take, whatever the scan says of them. */
  readonly held: ReadonlySet<string>;
  /** Keys this process must leave alone for now. */
  readonly avoid: ReadonlySet<string>;
  /**
   * Leases that other workers have asked for, with the asking worker: they count as that worker's, and nobody else asks
   * for them. Default: none.
   */
  readonly askedBy?: ReadonlyMap<string, string>;
  /** Keys of leases that this worker must not ask for now: it did, and did not get them. Default: none. */
  readonly notToAskFor?: ReadonlySet<string>;
  /** Keys of rows that carry this worker's id, are held by none of its keepers, and may be taken back at once. */
  readonly reclaim: ReadonlySet<string>;
  /** Keys of parents that leases held here wait for. Default: none. */
  readonly awaited?: ReadonlySet<string>;
  /** How many of the leases held here wait for parents, and read nothing. Default: none. */
  readonly waiting?: number;
  /**
   * An available lease is left to workers below their target for this long; then the first worker that sees it takes
   * it.
   */
  readonly spareMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface LeasePlan {
  /** Free or expired leases: each a conditional write that may fail. */
  readonly take: readonly LeaseRow[];
  /** Leases to steal, of workers that live: by asking those that know wishes, by a conditional write from the others. */
  readonly fromPeers: readonly LeaseRow[];
  /** How many leases this worker should hold. */
  readonly target: number;
  /** Available leases left to others only because of `maxLeases`. */
  readonly overflow: number;
  /** Whether leases remain available that this plan leaves to others for a moment. */
  readonly leavesSome: boolean;
  /** Whether a Java worker owns a row, so that its formula holds. */
  readonly foreign: boolean;
  /** Whether another worker owns a lease that is not expired. */
  readonly peers: boolean;
}

/** A lease is free when nobody owns it. It has expired as in `hasExpired`, whose time `observe` has worked out once. */
export function isAvailable({ row, ageMs, failoverMs }: ObservedLease): boolean {
  return row.leaseOwner === undefined || isExpired(ageMs, failoverMs);
}

/** Fisher–Yates, so that workers that look at the same table at once rarely reach for the same row. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list];
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [result[index], result[other]] = [result[other]!, result[index]!];
  }
  return result;
}

interface PeerLeases {
  /** Those that may be stolen. */
  readonly rows: LeaseRow[];
  count: number;
  /** Leases that it has asked others for, and may not get. */
  requested: number;
}

/** What both formulas start from. */
interface Table {
  readonly input: LeasePlanInput;
  /** Not held, not ended, not to be avoided: what this worker may take if it is available. */
  readonly available: readonly ObservedLease[];
  /** Live leases of other workers that are not expired, by owner. */
  readonly owned: ReadonlyMap<string, PeerLeases>;
  readonly reclaimed: readonly LeaseRow[];
  readonly ownCount: number;
  /** Held here, and asked for by others: not among `ownCount`. */
  readonly promisedToOthers: number;
  /** Leases held here, among `ownCount`, whose rows the scan lacks. It need not be consistent, and they were made a moment ago. */
  readonly heldButNotScanned: number;
}

function survey(input: LeasePlanInput): Table {
  const available: ObservedLease[] = [];
  const owned = new Map<string, PeerLeases>();
  const leasesOf = (owner: string): PeerLeases => {
    const peer = owned.get(owner) ?? { rows: [], count: 0, requested: 0 };
    owned.set(owner, peer);
    return peer;
  };
  const reclaimed: LeaseRow[] = [];
  const notScanned = new Set(input.held);
  for (const { row } of input.leases) notScanned.delete(row.leaseKey);
  let ownCount = notScanned.size;
  let promisedToOthers = 0;
  for (const lease of input.leases) {
    const { row } = lease;
    if (hasEnded(row)) continue;
    const asker = input.askedBy?.get(row.leaseKey);
    if (asker !== undefined && !isAvailable(lease) && !input.reclaim.has(row.leaseKey)) {
      leasesOf(asker).requested += 1;
      if (input.held.has(row.leaseKey)) promisedToOthers += 1;
    } else if (input.held.has(row.leaseKey)) ownCount++;
    else if (input.reclaim.has(row.leaseKey)) {
      if (!input.avoid.has(row.leaseKey)) reclaimed.push(row);
      // It is left alone for a moment, because its keeper crashed. Peers count it as this worker's until it expires.
      else if (!isAvailable(lease)) ownCount++;
    } else if (isAvailable(lease)) {
      if (!input.avoid.has(row.leaseKey)) available.push(lease);
    } else if (row.leaseOwner !== undefined && row.leaseOwner !== input.workerId) {
      const peer = leasesOf(row.leaseOwner);
      peer.count += 1;
      if (!input.avoid.has(row.leaseKey) && input.notToAskFor?.has(row.leaseKey) !== true) peer.rows.push(row);
    }
  }
  return { input, available, owned, reclaimed, ownCount, promisedToOthers, heldButNotScanned: notScanned.size };
}

/** Plans one round. */
export function planLeases(input: LeasePlanInput): LeasePlan {
  const table = survey(input);
  const foreign = input.leases.some(
    (lease) => isForeign(lease.row) && lease.row.leaseOwner !== input.workerId && !isAvailable(lease),
  );
  const reclaim = table.reclaimed.slice(0, Math.max(0, input.maxLeases - table.promisedToOthers - table.ownCount));
  const ownCount = table.ownCount + reclaim.length;
  const plan = foreign ? planLikeKcl(table, ownCount) : planEvenly(table, ownCount);
  const take = [...reclaim, ...plan.take];
  return {
    ...plan,
    take: [...take, ...alsoTakeAwaitedParents(table, ownCount + plan.take.length, take)],
    leavesSome: table.available.length > plan.take.length,
    foreign,
    peers: table.owned.size > 0,
  };
}

/**
 * A worker that may hold no more, and whose leases wait for parents that nobody reads, would wait for ever. So it takes
 * such parents all the same, but only so many that it reads no more than it may.
 */
function alsoTakeAwaitedParents({ input, available }: Table, ownCount: number, take: readonly LeaseRow[]): LeaseRow[] {
  const { awaited, waiting = 0, maxLeases } = input;
  if (awaited === undefined || ownCount < maxLeases) return [];
  const free = rowsOf(available).filter((row) => awaited.has(row.leaseKey) && !take.includes(row));
  return free.slice(0, Math.max(0, maxLeases - (ownCount - waiting)));
}

type Choice = Pick<LeasePlan, 'take' | 'fromPeers' | 'target' | 'overflow'>;

/**
 * The KCL 2.x taker's formula (kcl.md 2.2). Rows at SHARD_END count. What stood still for three failovers is taken
 * whatever the target is, and nothing else in that round. One lease is stolen at a time. One difference from the KCL: a
 * row at SHARD_END, where nothing is left to read, is never taken, so it never fills a round.
 */
function planLikeKcl(table: Table, ownCount: number): Choice {
  const { input, available } = table;
  const counts = new Map<string, number>([[input.workerId, ownCount]]);
  for (const lease of input.leases) {
    const { leaseKey, leaseOwner: owner } = lease.row;
    // Those of this worker are counted already, but for the ended ones, whose owner stays.
    const isCounted = input.held.has(leaseKey) || (input.reclaim.has(leaseKey) && !hasEnded(lease.row));
    if (owner === undefined || isAvailable(lease) || isCounted) continue;
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  const total = input.leases.length + table.heldButNotScanned;
  const share = counts.size >= total ? 1 : Math.ceil(total / counts.size);
  const target = Math.min(share, input.maxLeases);
  const room = Math.max(0, input.maxLeases - table.promisedToOthers - ownCount);
  const overflow = Math.max(0, available.length - room);
  const veryOld = available.filter((lease) => lease.ageMs > 3 * lease.failoverMs);
  if (veryOld.length > 0)
    return { take: rowsOf(shuffled(veryOld, input.random)).slice(0, room), fromPeers: [], target, overflow };
  const needed = target - (counts.get(input.workerId) ?? ownCount);
  if (needed <= 0) return { take: [], fromPeers: [], target, overflow };
  if (available.length > 0)
    return { take: rowsOf(shuffled(available, input.random)).slice(0, needed), fromPeers: [], target, overflow };
  return { take: [], fromPeers: stealLikeKcl(table, counts, needed, target), target, overflow };
}

function stealLikeKcl(table: Table, counts: ReadonlyMap<string, number>, needed: number, target: number): LeaseRow[] {
  let victim: string | undefined;
  let most = 0;
  for (const [owner, count] of counts) {
    if (owner !== table.input.workerId && count > most) [victim, most] = [owner, count];
  }
  const allowed = most > target || (most === target && needed > 1);
  if (victim === undefined || !allowed) return [];
  return shuffled(table.owned.get(victim)?.rows ?? [], table.input.random).slice(0, 1);
}

/**
 * Among kinact's workers only live leases count. Free ones are taken up to an even share, and after `spareMs` by
 * anybody. When none is available, leases are stolen, each from the worker that then has most. That worker must have at
 * least two more than this one, counting the steals so far, so that it never steals back. A worker that already has its
 * share steals with probability 1/`rivals`, so on average one rival steals per round. Otherwise all rivals would empty
 * the one that has too many.
 */
function planEvenly(table: Table, ownCount: number): Choice {
  const { input, available, owned } = table;
  const live = input.leases.filter((lease) => !hasEnded(lease.row)).length + table.heldButNotScanned;
  const target = Math.min(Math.ceil(live / (owned.size + 1)), input.maxLeases);
  const room = Math.max(0, input.maxLeases - table.promisedToOthers - ownCount);
  if (available.length > 0) {
    const order = shuffled(available, input.random);
    const freeMs = (lease: ObservedLease): number =>
      lease.row.leaseOwner === undefined ? lease.seenMs : lease.ageMs - lease.failoverMs;
    const overdue = order.filter((lease) => freeMs(lease) >= input.spareMs);
    const fresh = order.filter((lease) => freeMs(lease) < input.spareMs);
    const share = Math.max(overdue.length, target - ownCount);
    return {
      take: rowsOf([...overdue, ...fresh]).slice(0, Math.min(room, share)),
      fromPeers: [],
      target,
      overflow: Math.max(0, overdue.length - room),
    };
  }
  return {
    take: [],
    fromPeers: stealEvenly(table, ownCount, Math.floor(live / (owned.size + 1))),
    target,
    overflow: 0,
  };
}

function stealEvenly(table: Table, ownCount: number, floor: number): LeaseRow[] {
  const { input } = table;
  const peers = [...table.owned.values()].map((worker) => ({ ...worker, rows: shuffled(worker.rows, input.random) }));
  const chosen: LeaseRow[] = [];
  for (let count = ownCount; count < input.maxLeases - table.promisedToOthers; count++) {
    const candidates = peers.filter((worker) => worker.count >= count + 2 && worker.rows.length > 0);
    const most = Math.max(...candidates.map((worker) => worker.count));
    const victims = candidates.filter((worker) => worker.count === most);
    if (victims.length === 0) break;
    if (count >= floor) {
      const rivals = 1 + peers.filter((worker) => most >= worker.count + worker.requested + 2).length;
      if (input.random() >= 1 / rivals) break;
    }
    const victim = victims[Math.floor(input.random() * victims.length)]!;
    chosen.push(victim.rows.pop()!);
    victim.count--;
  }
  return chosen;
}

function rowsOf(leases: readonly ObservedLease[]): LeaseRow[] {
  return leases.map((lease) => lease.row);
}
