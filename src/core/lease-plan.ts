// Decides from one scan which leases a worker takes, and which it wants from its peers, the other live workers. The age of a lease is
// how long this worker has seen its counter unchanged (KCL clause 2.2), because clocks of different machines cannot be compared. While a
// Java worker owns a row, kinact must use the KCL's formula (`planLikeKcl`), or leases would move back and forth forever. Otherwise it
// uses its own, `planEvenly`. Called by scan.ts after every scan of the lease table.
import { effectiveFailoverMs, freeMsOf, isFree } from './lease-failover.js';
import type { LeaseRow } from './lease.js';
import { isForeign } from './writer-signature.js';
import { hasEnded } from './shard-graph.js';

/** A row's counter as last seen. Times are monotonic milliseconds. */
export interface Observation {
  readonly counter: number;
  /** When the row was first seen with this counter. */
  readonly seenAt: number;
  /** The age counts from this time: normally `seenAt`; minus infinity if the row was first seen without an owner. */
  readonly since: number;
}

/** A row, and how long its counter has not changed. */
export interface ObservedLease {
  readonly row: LeaseRow;
  /** The age as the KCL counts it: infinite if the row was first seen without an owner. */
  readonly ageMs: number;
  /** For how long this worker has seen the lease free or expired. If it has an owner, 0 or less means that it has not expired. */
  readonly freeForMs: number;
  /** The larger of this worker's failover time and the owner's. */
  readonly effectiveFailoverMs: number;
}

/**
 * Updates the observations with a scan. If a row seen for the first time has an owner, its age counts from now, because the owner
 * may be alive. A new row without an owner counts as infinitely old. Rows that are gone are removed.
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

/** Adds the ages to the rows of a scan. `observations` must include this scan. */
export function observe(
  rows: readonly LeaseRow[],
  observations: ReadonlyMap<string, Observation>,
  now: number,
  ownFailoverMs: number,
): ObservedLease[] {
  return rows.map((row) => {
    const seen = observations.get(row.leaseKey) ?? { since: now, seenAt: now };
    const ageMs = now - seen.since;
    // A row that was first seen without an owner counts as infinitely old, but this worker has seen it free only since then.
    const unchangedForMs = row.leaseOwner === undefined ? now - seen.seenAt : ageMs;
    return {
      row,
      ageMs,
      freeForMs: freeMsOf(row, unchangedForMs, ownFailoverMs),
      effectiveFailoverMs: effectiveFailoverMs(row, ownFailoverMs),
    };
  });
}

export interface LeasePlanInput {
  readonly leases: readonly ObservedLease[];
  readonly workerId: string;
  readonly maxLeases: number;
  /** Keys of leases that this process holds or is about to take, whatever the scan shows. */
  readonly held: ReadonlySet<string>;
  /** Keys of leases that this process must neither take nor ask for now. */
  readonly avoid: ReadonlySet<string>;
  /**
   * Keys of leases that other workers have asked for, with the id of the worker that asked. Each counts as a lease of that
   * worker, and no other worker asks for it. Default: none.
   */
  readonly askedBy?: ReadonlyMap<string, string>;
  /** Keys of leases that this worker has asked for without success, and must not ask for again yet. Default: none. */
  readonly notToAskFor?: ReadonlySet<string>;
  /** Keys of rows with this worker as the owner. If no keeper of this process holds the lease, it may be taken back at once. */
  readonly reclaim: ReadonlySet<string>;
  /** Keys of the parents that leases held here wait for. Default: none. */
  readonly awaited?: ReadonlySet<string>;
  /** How many leases held here wait for parents: their shards are not read yet. Default: none. */
  readonly awaitingParents?: number;
  /** For this long, only workers below their target take an available lease. After that, the first worker that sees it takes it. */
  readonly belowTargetOnlyMs: number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}

export interface LeasePlan {
  /** Free or expired leases to take; each take is a conditional write that may fail. */
  readonly take: readonly LeaseRow[];
  /** Leases to get from live workers: by a wish if the owner supports wishes, otherwise by a conditional write. */
  readonly fromPeers: readonly LeaseRow[];
  /** How many leases this worker should hold. */
  readonly target: number;
  /** How many available leases this worker leaves to others only because of `maxLeases`. */
  readonly overflow: number;
  /** Whether this plan takes fewer leases than are available. */
  readonly leavesSome: boolean;
  /** Whether a Java worker owns a lease that has not expired: the KCL's formula then applies. */
  readonly hasForeignOwners: boolean;
  /** Whether another worker owns a lease that is not expired. */
  readonly hasPeers: boolean;
}

/** Whether a lease is free or has expired. */
export function isAvailable({ row, freeForMs }: ObservedLease): boolean {
  return isFree(row, freeForMs);
}

/** Fisher–Yates. Workers that scan the table at the same time then rarely try to take the same row. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list];
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [result[index], result[other]] = [result[other]!, result[index]!];
  }
  return result;
}

/** The leases of another worker. */
interface PeerLeases {
  /** The leases that this worker may ask for. */
  readonly rows: LeaseRow[];
  count: number;
  /** How many leases the worker has asked others for. It may not get them. */
  requested: number;
}

/** What a lease of the table counts as, for both formulas. */
type LeaseGroup =
  | 'ended'
  /** Another worker has asked for it, and its holder lives. */
  | 'askedFor'
  /** Held here; or its keeper crashed, and other workers count it as this worker's until it expires. */
  | 'own'
  /** This worker takes it back. */
  | 'reclaimed'
  /** Free or expired, and this worker may take it. */
  | 'available'
  /** It has another owner, and has neither ended nor expired. */
  | 'ofPeer'
  /** This worker leaves it alone, and counts it for no worker. */
  | 'uncounted';

function groupOf(lease: ObservedLease, { held, avoid, askedBy, reclaim, workerId }: LeasePlanInput): LeaseGroup {
  const { leaseKey, leaseOwner } = lease.row;
  if (hasEnded(lease.row)) return 'ended';
  if (askedBy?.has(leaseKey) === true && !isAvailable(lease) && !reclaim.has(leaseKey)) return 'askedFor';
  if (held.has(leaseKey)) return 'own';
  if (reclaim.has(leaseKey)) {
    if (!avoid.has(leaseKey)) return 'reclaimed';
    return isAvailable(lease) ? 'uncounted' : 'own';
  }
  if (isAvailable(lease)) return avoid.has(leaseKey) ? 'uncounted' : 'available';
  return leaseOwner === workerId ? 'uncounted' : 'ofPeer';
}

/** The leases of the table, sorted into the groups that both formulas use. */
interface SortedLeases {
  readonly input: LeasePlanInput;
  /** Available leases that this worker may take: not held here, not ended, not in `avoid`. */
  readonly available: readonly ObservedLease[];
  /** Leases of other workers that have neither ended nor expired, by owner. */
  readonly peers: ReadonlyMap<string, PeerLeases>;
  readonly reclaimed: readonly LeaseRow[];
  readonly ownCount: number;
  /** How many leases held here have been asked for by others; `ownCount` does not include them. */
  readonly promisedToOthers: number;
  /** How many leases of `ownCount` are held here but not in the scan, which may miss rows created just before it. */
  readonly heldButNotScanned: number;
}

function sortLeases(input: LeasePlanInput): SortedLeases {
  const available: ObservedLease[] = [];
  const peers = new Map<string, PeerLeases>();
  const leasesOf = (owner: string): PeerLeases => {
    const peer = peers.get(owner) ?? { rows: [], count: 0, requested: 0 };
    peers.set(owner, peer);
    return peer;
  };
  const reclaimed: LeaseRow[] = [];
  const notScanned = new Set(input.held);
  for (const { row } of input.leases) notScanned.delete(row.leaseKey);

  let ownCount = notScanned.size;
  let promisedToOthers = 0;

  for (const lease of input.leases) {
    const { row } = lease;
    switch (groupOf(lease, input)) {
      case 'ended':
      case 'uncounted':
        break;
      case 'askedFor':
        leasesOf(input.askedBy!.get(row.leaseKey)!).requested += 1;
        if (input.held.has(row.leaseKey)) promisedToOthers += 1;
        break;
      case 'own':
        ownCount += 1;
        break;
      case 'reclaimed':
        reclaimed.push(row);
        break;
      case 'available':
        available.push(lease);
        break;
      case 'ofPeer': {
        const peer = leasesOf(row.leaseOwner!);
        peer.count += 1;
        if (mayAskFor(row, input)) peer.rows.push(row);
      }
    }
  }

  return { input, available, peers, reclaimed, ownCount, promisedToOthers, heldButNotScanned: notScanned.size };
}

function mayAskFor({ leaseKey }: LeaseRow, { avoid, notToAskFor }: LeasePlanInput): boolean {
  return !avoid.has(leaseKey) && notToAskFor?.has(leaseKey) !== true;
}

/** Plans one round. */
export function planLeases(input: LeasePlanInput): LeasePlan {
  const sorted = sortLeases(input);
  const hasForeignOwners = input.leases.some(
    (lease) => isForeign(lease.row) && lease.row.leaseOwner !== input.workerId && !isAvailable(lease),
  );

  const reclaim = sorted.reclaimed.slice(0, Math.max(0, input.maxLeases - sorted.promisedToOthers - sorted.ownCount));
  const ownCount = sorted.ownCount + reclaim.length;
  const plan = hasForeignOwners ? planLikeKcl(sorted, ownCount) : planEvenly(sorted, ownCount);

  const take = [...reclaim, ...plan.take];
  return {
    ...plan,
    take: [...take, ...alsoTakeAwaitedParents(sorted, ownCount + plan.take.length, take)],
    leavesSome: sorted.available.length > plan.take.length,
    hasForeignOwners,
    hasPeers: sorted.peers.size > 0,
  };
}

/**
 * A worker with `maxLeases` leases that wait for unread parents would wait forever. So it may also take these parents, but it
 * never reads more than `maxLeases` shards.
 */
function alsoTakeAwaitedParents(
  { input, available }: SortedLeases,
  ownCount: number,
  take: readonly LeaseRow[],
): LeaseRow[] {
  const { awaited, awaitingParents = 0, maxLeases } = input;
  if (awaited === undefined || ownCount < maxLeases) return [];
  const free = rowsOf(available).filter((row) => awaited.has(row.leaseKey) && !take.includes(row));
  return free.slice(0, Math.max(0, maxLeases - (ownCount - awaitingParents)));
}

type Choice = Pick<LeasePlan, 'take' | 'fromPeers' | 'target' | 'overflow'>;

/**
 * The KCL 2.x taker's formula (KCL clause 2.2). Rows at SHARD_END count as leases. If some counters have not changed for three
 * failover times, the round takes only their leases, up to `maxLeases`, whatever the target is. From peers a round takes one at most.
 * Unlike the KCL, kinact never takes a row at SHARD_END, because nothing is left to read. So these rows never use up a round.
 */
function planLikeKcl(sorted: SortedLeases, ownCount: number): Choice {
  const { input, available } = sorted;
  const counts = new Map<string, number>([[input.workerId, ownCount]]);
  for (const lease of input.leases) {
    const { leaseKey, leaseOwner: owner } = lease.row;
    // `ownCount` already includes this worker's leases, except the ended ones: an ended row keeps its owner.
    const isCounted = input.held.has(leaseKey) || (input.reclaim.has(leaseKey) && !hasEnded(lease.row));
    if (owner === undefined || isAvailable(lease) || isCounted) continue;
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }

  const total = input.leases.length + sorted.heldButNotScanned;
  const share = counts.size >= total ? 1 : Math.ceil(total / counts.size);
  const target = Math.min(share, input.maxLeases);
  const room = Math.max(0, input.maxLeases - sorted.promisedToOthers - ownCount);
  const overflow = Math.max(0, available.length - room);

  const veryOld = available.filter((lease) => lease.ageMs > 3 * lease.effectiveFailoverMs);
  if (veryOld.length > 0)
    return { take: rowsOf(shuffled(veryOld, input.random)).slice(0, room), fromPeers: [], target, overflow };

  const needed = target - counts.get(input.workerId)!;
  if (needed <= 0) return { take: [], fromPeers: [], target, overflow };
  if (available.length > 0)
    return { take: rowsOf(shuffled(available, input.random)).slice(0, needed), fromPeers: [], target, overflow };
  return { take: [], fromPeers: chooseFromPeersLikeKcl(sorted, counts, needed, target), target, overflow };
}

function chooseFromPeersLikeKcl(
  sorted: SortedLeases,
  counts: ReadonlyMap<string, number>,
  needed: number,
  target: number,
): LeaseRow[] {
  let peer: string | undefined;
  let most = 0;
  for (const [owner, count] of counts) {
    if (owner !== sorted.input.workerId && count > most) [peer, most] = [owner, count];
  }

  const allowed = most > target || (most === target && needed > 1);
  if (peer === undefined || !allowed) return [];
  return shuffled(sorted.peers.get(peer)?.rows ?? [], sorted.input.random).slice(0, 1);
}

/**
 * kinact's own formula:
 *
 * 1. The target is the even share of the leases, rounded up, but at most `maxLeases`. Ended leases do not count. If the share were
 *    rounded down, some leases would have no taker.
 * 2. If leases are available, the worker asks its peers for none. It takes leases up to its target, and also, whatever its target is,
 *    those that have been available for `belowTargetOnlyMs`. It never takes more than `maxLeases` allows.
 * 3. If none is available, it chooses leases of its peers (`chooseFromPeers`), one by one, each from the peer that then has most. That
 *    peer must have at least two leases more than this worker, those chosen before included. Otherwise the peer would want it back.
 * 4. A worker that has its even share, rounded down, wants one lease more, which only some workers can get. Its *rivals* are the workers
 *    that may choose from the same peer, because they, too, have at least two leases less than the peer. The number `rivals` includes
 *    this worker. Each of them chooses with probability 1/`rivals`, so on average one does per round. If all did, they would empty the
 *    peer.
 */
function planEvenly(sorted: SortedLeases, ownCount: number): Choice {
  const { input, available, peers } = sorted;
  const live = input.leases.filter((lease) => !hasEnded(lease.row)).length + sorted.heldButNotScanned;
  const target = Math.min(Math.ceil(live / (peers.size + 1)), input.maxLeases);
  const room = Math.max(0, input.maxLeases - sorted.promisedToOthers - ownCount);

  if (available.length > 0) {
    const order = shuffled(available, input.random);
    const overdue = order.filter((lease) => lease.freeForMs >= input.belowTargetOnlyMs);
    const fresh = order.filter((lease) => lease.freeForMs < input.belowTargetOnlyMs);
    const toTake = Math.max(overdue.length, target - ownCount);
    return {
      take: rowsOf([...overdue, ...fresh]).slice(0, Math.min(room, toTake)),
      fromPeers: [],
      target,
      overflow: Math.max(0, overdue.length - room),
    };
  }
  return {
    take: [],
    fromPeers: chooseFromPeers(sorted, ownCount, Math.floor(live / (peers.size + 1))),
    target,
    overflow: 0,
  };
}

function chooseFromPeers(sorted: SortedLeases, ownCount: number, floor: number): LeaseRow[] {
  const { input } = sorted;
  const peers = [...sorted.peers.values()].map((worker) => ({ ...worker, rows: shuffled(worker.rows, input.random) }));
  const chosen: LeaseRow[] = [];

  for (let count = ownCount; count < input.maxLeases - sorted.promisedToOthers; count++) {
    const candidates = peers.filter((worker) => worker.count >= count + 2 && worker.rows.length > 0);
    const most = Math.max(...candidates.map((worker) => worker.count));
    const richest = candidates.filter((worker) => worker.count === most);
    if (richest.length === 0) break;
    if (count >= floor) {
      const rivals = 1 + peers.filter((worker) => most >= worker.count + worker.requested + 2).length;
      if (input.random() >= 1 / rivals) break;
    }

    const peer = richest[Math.floor(input.random() * richest.length)]!;
    chosen.push(peer.rows.pop()!);
    peer.count--;
  }
  return chosen;
}

function rowsOf(leases: readonly ObservedLease[]): LeaseRow[] {
  return leases.map((lease) => lease.row);
}
