// I47: every wish ends, and no worker asks for more than the planner promises. The author of a wish raises or withdraws it. No worker
// has more than four open wishes. A worker asks only workers with at least two leases more, counting leases that are asked for as
// moved. The law looks at the writes.
import { isJava } from './cluster.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Written } from './oracle.js';
import { writeMs } from './takes.js';

export interface WishesOptions {
  /** World time. */
  readonly now: () => number;
  readonly failoverMsOf: (process: string) => number;
  readonly tableOf: (leaseKey: string) => string;
  /** The current row. */
  readonly rowOf: (leaseKey: string) => LeaseRow | undefined;
  /** Whether this process, or the world, was troubled at some time since then. */
  readonly wasTroubled: (process: string, since: number) => boolean;
  /** How much longer than in calm weather a call of this process to the table may take now. */
  readonly wayMsOf: (process: string) => number;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Wishes {
  wrote(written: Written): void;
  /** The leases for which this process has an open wish. */
  of(process: string): readonly string[];
}

const mostOpen = 4;
/** The time from a scan to the write that follows from it, and the possible age of a read. */
const lookMs = 3_000;
const blurMs = 1_500;
/** A renewal is due after a third of the failover time. A renewal after this part of it has waited for the table. */
const lateShare = 0.45;

interface Standing {
  readonly author: string;
  /** The writer of the keeper that asks. */
  readonly writer: string;
  readonly text: string;
  readonly since: number;
  /** A slow write may arrive long after its author has moved on (seed 640510). */
  readonly sentAt: number;
}

interface Live {
  readonly owner: string;
  readonly standing: Standing | undefined;
}

/** Leases of one table, per worker. `own`: those without a wish, and those it asks for. `kept`: those without a fresh wish. */
interface Count {
  readonly at: number;
  readonly own: ReadonlyMap<string, ReadonlySet<string>>;
  readonly kept: ReadonlyMap<string, ReadonlySet<string>>;
}

export function createWishes(options: WishesOptions): Wishes {
  const { now, failoverMsOf, tableOf, rowOf, wasTroubled, wayMsOf, violate } = options;
  const rows = new Map<string, Live>();
  const counts = new Map<string, Count[]>();
  const tablesOfJava = new Set<string>();
  /** When a row of a table was last created, as after a split or a deletion: scans then show too few rows (seed 612861). */
  const madeAt = new Map<string, number>();
  const asked = new Set<string>();
  const left = new Set<string>();
  /** When the counter of a row last rose, and when a worker last renewed late in a table: wishes wait for renewals (seed 812427). */
  const movedAt = new Map<string, number>();
  const lateAt = new Map<string, number>();
  /** When the table was last slow for a worker. Its renewals may then take all places in its queue, and leave wishes none (seed 930024). */
  const slowAt = new Map<string, number>();

  /** A live author has raised the wish within this time, unless the wish no longer counts. */
  const isFresh = ({ author, since }: Standing): boolean => now() - since < failoverMsOf(author) / 2;

  /** The wish in the row, if it is addressed to the current holder. */
  const standingIn = ({ leaseKey, kinactWish: text, kinactWriter }: LeaseRow, sentAt: number): Standing | undefined => {
    if (text === undefined) return undefined;
    const [writer = '', , , holder, ...author] = text.split(' ');
    if (holder !== kinactWriter) return undefined;
    const before = rows.get(leaseKey)?.standing;
    return before?.text === text ? before : { author: author.join(' '), writer, text, since: now(), sentAt };
  };

  const count = (table: string): void => {
    const [own, kept] = [new Map<string, Set<string>>(), new Map<string, Set<string>>()];
    const add = (to: Map<string, Set<string>>, worker: string, leaseKey: string): void =>
      void to.set(worker, (to.get(worker) ?? new Set()).add(leaseKey));
    for (const [leaseKey, { owner, standing }] of rows) {
      if (tableOf(leaseKey) !== table) continue;
      const asker = standing !== undefined && isFresh(standing) ? standing.author : undefined;
      if (asker === undefined) add(kept, owner, leaseKey);
      if (asker !== undefined) add(own, asker, leaseKey);
      else if (standing === undefined) add(own, owner, leaseKey);
    }
    const all = counts.get(table) ?? [];
    all.push({ at: now(), own, kept });
    while ((all[1]?.at ?? Infinity) < now() - lookMs - blurMs) all.shift();
    counts.set(table, all);
  };

  const isThere = (leaseKey: string): boolean => rowOf(leaseKey) !== undefined;

  /** Whether `loser` has two leases more in a recent scan. No scan shows the author's leases whose rows are deleted (seed 823658). */
  const isOwed = (table: string, author: string, loser: string): boolean => {
    const all = counts.get(table) ?? [];
    const had = new Set(all.flatMap(({ kept }) => [...(kept.get(loser) ?? [])]));
    const least = Math.min(...all.map(({ own }) => [...(own.get(author) ?? [])].filter(isThere).length));
    return had.size - least >= 2;
  };

  const isNew = (leaseKey: string, owner: string, { author, writer }: Standing): void => {
    const table = tableOf(leaseKey);
    if (asked.has(`${writer} ${leaseKey}`) || tablesOfJava.has(table)) return;
    asked.add(`${writer} ${leaseKey}`);
    const since = now() - failoverMsOf(author) - lookMs;
    if (wasTroubled(author, since) || (madeAt.get(table) ?? -Infinity) >= since) return;
    if (!isOwed(table, author, owner))
      violate('I47', `${author} asks ${owner} for ${leaseKey}, who has as many, less what others have asked for`);
    let open = 1;
    for (const [other, { standing }] of rows)
      if (other !== leaseKey && standing?.author === author && tableOf(other) === table && isFresh(standing)) open += 1;
    if (open > mostOpen) violate('I47', `${author} asks for ${open} leases at a time`);
  };

  /** Runs whenever the row is written: a live holder keeps writing it. */
  const hasEnded = (leaseKey: string, { author, text, since, sentAt }: Standing): void => {
    if (wayMsOf(author) > 0) slowAt.set(author, now());
    const excusedAt = lateAt.get(`${author} ${tableOf(leaseKey)}`) ?? since;
    const ms = Math.round(now() - Math.max(since, excusedAt));
    if (ms <= failoverMsOf(author) + writeMs || left.has(text) || wasTroubled(author, sentAt)) return;
    // The author tries to withdraw a wish for failoverMs. After that it forgets the wish, and the others soon ignore it.
    if ((slowAt.get(author) ?? -Infinity) >= sentAt) return;
    left.add(text);
    violate('I47', `the wish of ${author} for ${leaseKey} was raised ${ms} ms ago for the last time, and stands`);
  };

  return {
    wrote: ({ process, leaseKey, before: known, after, sentAt }) => {
      const table = tableOf(leaseKey);
      if (known?.leaseCounter !== after?.leaseCounter) {
        const isRenewal =
          known?.leaseOwner === process && after?.leaseOwner === process && known.kinactWriter === after.kinactWriter;
        const sinceMs = now() - (movedAt.get(leaseKey) ?? now());
        if (isRenewal && sinceMs > lateShare * failoverMsOf(process)) lateAt.set(`${process} ${table}`, now());
        movedAt.set(leaseKey, now());
      }
      if (known === undefined && after !== undefined) madeAt.set(table, now());
      const owner = after?.leaseOwner;
      if (owner !== undefined && isJava(owner)) tablesOfJava.add(table);
      if (after === undefined || owner === undefined || after.checkpoint === 'SHARD_END') rows.delete(leaseKey);
      else {
        const before = rows.get(leaseKey)?.standing;
        const standing = isJava(owner) ? undefined : standingIn(after, sentAt);
        if (standing !== undefined && standing !== before) isNew(leaseKey, owner, standing);
        rows.set(leaseKey, { owner, standing });
        if (standing !== undefined) hasEnded(leaseKey, standing);
      }
      count(table);
    },
    of: (process) => [...rows].flatMap(([leaseKey, { standing }]) => (standing?.author === process ? [leaseKey] : [])),
  };
}
