// Moves leases between living workers: decides which holders this worker asks and how often, and reads the wishes of other workers.
// Invariants: a lease is never stolen by force from a living holder that can be asked. Few wishes are open at a time. After a wish has
// failed, this worker does not ask the same holder for that lease, for a time that doubles with each failure.
import { askHolder, takeLease } from '../leases/keepers.js';
import type { CoordinatorTurn } from '../turn.js';
import { holderCanBeAsked, wishLastsMs, wishOf } from '../../../src/core/lease-wish.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { isWriterOf } from '../../../src/core/writer-signature.js';

/** At most this many wishes of one worker are open at a time. */
const maxOpenWishes = 4;

/**
 * After every scan, notes the standing wishes, which are those that the rows have, and since when each has had its text. Forgets
 * failed wishes of leases with a new holder.
 */
export function noteWishes({ state, now }: CoordinatorTurn, rows: readonly LeaseRow[]): void {
  const before = state.table.wishes;
  const standingWishes = rows.flatMap((row) => {
    const wish = wishOf(row);
    const text = row.kinactWish;
    if (wish === undefined || text === undefined) return [];
    const known = before.get(row.leaseKey);
    return [[row.leaseKey, known?.text === text ? known : { wish, text, seenAt: now }] as const];
  });
  state.table.wishes = new Map(standingWishes);

  for (const [leaseKey, { holder }] of state.leftAlone.failedWishes)
    if (rows.find((row) => row.leaseKey === leaseKey)?.kinactWriter !== holder)
      state.leftAlone.failedWishes.delete(leaseKey);
}

/** The leases that other workers have asked for, with the asking worker. The plan counts the lease as that worker's. */
export function askedByOthers({ options, state, now }: CoordinatorTurn): Map<string, string> {
  const askers = new Map<string, string>();
  for (const [leaseKey, { wish, seenAt }] of state.table.wishes) {
    if (wish.workerId === options.workerId || now - seenAt >= wishLastsMs(wish, options.failoverMs)) continue;
    askers.set(leaseKey, wish.workerId);
  }
  return askers;
}

/**
 * Resumes the wishes of keepers of this process that died, perhaps with their coordinator. Otherwise a holder would hand over a
 * lease that no keeper takes. `rows`: the rows of living holders.
 */
export function askAgain(
  turn: CoordinatorTurn,
  rows: readonly LeaseRow[],
  isLeftAlone: (leaseKey: string) => boolean,
): void {
  const { options, state } = turn;
  for (const row of rows) {
    const standing = state.table.wishes.get(row.leaseKey);
    if (standing === undefined || isLeftAlone(row.leaseKey) || !isWriterOf(options.writerPrefix, standing.wish.writer))
      continue;
    // Counted only for a row with such a wish: rows and leases may be thousands.
    if (countOpenWishes(turn) >= maxOpenWishes || state.leases.size >= options.maxLeases) return;
    askHolder(turn, row, standing.text);
  }
}

function countOpenWishes({ state }: CoordinatorTurn): number {
  return [...state.leases.values()].filter(({ phase }) => phase === 'wishing').length;
}

/** Asks the holders for these leases, within `maxOpenWishes`. Takes by force each lease with a holder that cannot be asked. */
export function askOrTake(turn: CoordinatorTurn, rows: readonly LeaseRow[]): void {
  const { options, state, now } = turn;
  let openCount = countOpenWishes(turn);
  for (const row of rows) {
    if (!holderCanBeAsked(row)) takeLease(turn, row);
    else if (openCount < maxOpenWishes) {
      openCount += 1;
      const standing = state.table.wishes.get(row.leaseKey);
      const isStale = standing !== undefined && now - standing.seenAt >= wishLastsMs(standing.wish, options.failoverMs);
      askHolder(turn, row, isStale ? standing.text : undefined);
    }
  }
}
