// I33: leases do not move to and fro. A lease changes hands only for a reason that the world knows. Its holder was away or troubled for
// as long as a lease lasts, was told to stop, or could not process the records. Or it gave the lease to a worker with two leases fewer.
// Java workers take by their own formula. Beside them, kinact counts as they do, and takes from them by force. I42: in calm weather,
// the holder of a lease reads its shard. I33 looks at the writes, I42 at the events of holders.
import { readWish } from '../../src/core/lease-wish.js';
import { isJava, callDeadlineMs } from './cluster.js';
import type { Written } from './oracle.js';

/** The state of a process as the world knows it. */
export interface Condition {
  /** Changes with everything that harms the process. */
  readonly troubles: string;
  /** It is troubled now, or gone. */
  readonly isTroubled: boolean;
  /** A call of the application in it will never end: the watchdog ends the pipeline, and a shard that stalls again is given up. */
  readonly hasHung: boolean;
}

export interface HandsOptions {
  /** World time. */
  readonly now: () => number;
  /** The failover time of this process, and the longest of any. */
  readonly failoverMsOf: (process: string) => number;
  readonly longestFailoverMs: number;
  readonly tableOf: (leaseKey: string) => string;
  readonly conditionOf: (process: string) => Condition;
  /** Harm to all processes at once, such as garbled rows or deleted streams. */
  readonly worldCondition: () => Condition;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Hands {
  wrote(written: Written): void;
  /** The holder reports that no worker reads the shard. */
  unread(process: string, leaseKey: string, reason: string): void;
  /** Whether this process, or the world, was troubled at some time since then. */
  wasTroubled(process: string, since: number): boolean;
  /** How often a lease was taken from an owner or given back, since the start. */
  readonly changes: () => number;
}

/** The time from a scan to the write that follows from it, in calm weather. */
const lookMs = 3_000;
/** If nothing was wrong for this long, the holder of a lease reads its shard. */
const calmMs = 60_000;
/** Clocks drift by a thousandth, and a read may be a second old. */
const blurMs = 1_500;
/** How often a lease may move without a known reason. */
const spare = 6;

interface Count {
  readonly at: number;
  readonly of: ReadonlyMap<string, ReadonlySet<string>>;
  /** Includes the leases of ended shards. */
  readonly all: ReadonlyMap<string, ReadonlySet<string>>;
}

export function createHands(options: HandsOptions): Hands {
  const { now, failoverMsOf, longestFailoverMs, tableOf, conditionOf, worldCondition, violate } = options;
  const troubledAt = createTroubles(now, (name) => (name === '' ? worldCondition() : conditionOf(name)));
  const movedAt = new Map<string, number>();
  const ownerOf = new Map<string, string>();
  const ownerOfEnded = new Map<string, string>();
  const counts = new Map<string, Count[]>();
  const changesOf = new Map<string, number>();
  /** The last wish for each lease: who wrote it, and whether its holder had two leases more then. */
  const wishes = new Map<string, { readonly taker: string; readonly isTrue: boolean }>();
  let changes = 0;
  let takesByJava = 0;
  // Within this time after harm, a worker may give back leases without progress.
  const patienceMsOf = (process: string): number => callDeadlineMs + failoverMsOf(process) + lookMs;

  // The longest time from a scan to the end of a wish: the answer comes at the last moment, and the drain takes as long as it may.
  const wishLastsMs = 4 * longestFailoverMs + lookMs;

  const isExcused = (process: string, since: number): boolean =>
    troubledAt.of(process) >= since || troubledAt.of('') >= since;

  const counted = (table: string): void => {
    const owned = (owners: readonly (readonly [string, string])[]): Count['of'] => {
      const of = new Map<string, Set<string>>();
      for (const [leaseKey, owner] of owners)
        if (tableOf(leaseKey) === table) of.set(owner, (of.get(owner) ?? new Set()).add(leaseKey));
      return of;
    };
    const kept = counts.get(table) ?? [];
    kept.push({ at: now(), of: owned([...ownerOf]), all: owned([...ownerOf, ...ownerOfEnded]) });
    // The last count before the period is the state at its beginning.
    while ((kept[1]?.at ?? Infinity) < now() - wishLastsMs) kept.shift();
    counts.set(table, kept);
  };

  /** Whether, at any moment of that time, `loser` had two leases more. A scan may be inconsistent: an ended parent beside its children. */
  const isOwed = (table: string, taker: string, loser: string, withinMs: number): boolean => {
    const all = counts.get(table) ?? [];
    const kept = all.slice(
      Math.max(
        0,
        all.findLastIndex(({ at }) => at < now() - withinMs),
      ),
    );
    const isBesideJava = kept.some(({ all }) => [...all.keys()].some(isJava));
    return kept.some(({ at }, last) => {
      const first = kept.findLastIndex((each) => each.at < at - blurMs);
      const seen = kept.slice(Math.max(0, first), last + 1);
      // Java counts the lease of an ended shard while its owner renews it. A Java worker renews it, kinact does not.
      const lost = new Set(seen.flatMap(({ of, all }) => [...((isBesideJava ? all : of).get(loser) ?? [])]));
      const least = Math.min(...seen.map(({ of }) => of.get(taker)?.size ?? 0));
      return lost.size - least >= 2;
    });
  };

  /** Notes a new wish. A drain goes on while the frontier moves, so what was true at the wish may be long ago when it is granted. */
  const noteWish = ({ leaseKey, before, after }: Written): void => {
    const [old, wish] = [readWish(before?.kinactWish), readWish(after?.kinactWish)];
    if (wish === undefined || wish.writer === old?.writer) return;
    const isTrue = isOwed(tableOf(leaseKey), wish.workerId, before?.leaseOwner ?? '', longestFailoverMs + lookMs);
    wishes.set(leaseKey, { taker: wish.workerId, isTrue });
  };

  const given = (taker: string, loser: string, leaseKey: string): void => {
    const wish = wishes.get(leaseKey);
    if (wish?.taker === taker && wish.isTrue) return;
    if (!isOwed(tableOf(leaseKey), taker, loser, wishLastsMs) && !isExcused(taker, now() - wishLastsMs))
      violate('I33', `${loser} gave ${leaseKey} to ${taker}, who had asked for it and has as many`);
  };

  const taken = (taker: string, loser: string, leaseKey: string): void => {
    const moved = movedAt.get(leaseKey) ?? -Infinity;
    const stoodMs = Math.round(now() - moved);
    // The larger failover time counts, because the row has the holder's.
    const failoverMs = Math.max(failoverMsOf(taker), failoverMsOf(loser));
    if (stoodMs >= failoverMs - blurMs) {
      // If the loser had two leases more, the take may have been for balance.
      if (!isOwed(tableOf(leaseKey), taker, loser, longestFailoverMs + lookMs) && !isExcused(loser, moved - failoverMs))
        violate(
          'I33',
          `${taker} took ${leaseKey}, for ${loser} had not renewed it for ${stoodMs} ms, although nothing was wrong with it`,
        );
    } else if (isJava(taker) || isExcused(taker, now() - failoverMs - lookMs)) return;
    else if (isJava(loser)) {
      if (!isOwed(tableOf(leaseKey), taker, loser, longestFailoverMs + lookMs) && !isExcused(loser, moved - failoverMs))
        violate('I33', `${taker} took ${leaseKey} from ${loser}, a Java worker, which has no more than it`);
    } else
      violate(
        'I33',
        `${taker} took ${leaseKey} from ${loser} by force, who had renewed it ${stoodMs} ms ago and knows of wishes`,
      );
  };

  const changed = (leaseKey: string): void => {
    changes += 1;
    const times = (changesOf.get(leaseKey) ?? 0) + 1;
    changesOf.set(leaseKey, times);
    const most = troubledAt.episodes() + takesByJava + spare;
    if (times === most + 1)
      violate('I33', `${leaseKey} has changed hands ${times} times, and there were ${most - spare} reasons for it`);
  };

  return {
    wrote: (written) => {
      const { process, leaseKey, before, after } = written;
      troubledAt.of(process);
      troubledAt.look();
      noteWish(written);
      if (before?.leaseCounter === after?.leaseCounter) return;
      const [loser, owner] = [before?.leaseOwner, after?.leaseOwner];
      const isLive = after !== undefined && after.checkpoint !== 'SHARD_END';
      if (isLive && before !== undefined && loser !== undefined && loser !== owner) {
        if (owner !== undefined) {
          if (process === loser) given(owner, loser, leaseKey);
          else taken(owner, loser, leaseKey);
          if (isJava(owner)) takesByJava += 1;
          changed(leaseKey);
        } else {
          const patienceMs = patienceMsOf(process);
          if (!isExcused(process, now() - patienceMs) && !conditionOf(process).hasHung)
            violate(
              'I33',
              `${process} has given ${leaseKey} back, although nothing was wrong with it for ${patienceMs} ms`,
            );
          if (!conditionOf(process).isTroubled) changed(leaseKey);
        }
      }
      movedAt.set(leaseKey, now());
      if (isLive && owner !== undefined) ownerOf.set(leaseKey, owner);
      else ownerOf.delete(leaseKey);
      if (!isLive && owner !== undefined) ownerOfEnded.set(leaseKey, owner);
      else ownerOfEnded.delete(leaseKey);
      counted(tableOf(leaseKey));
    },
    unread: (process, leaseKey, reason) => {
      troubledAt.look();
      if (isExcused(process, now() - calmMs) || conditionOf(process).hasHung) return;
      violate('I42', `nobody reads ${leaseKey} of ${process} (${reason}), although nothing was wrong for ${calmMs} ms`);
    },
    wasTroubled: isExcused,
    changes: () => changes,
  };
}

interface Troubles {
  /** Looks at every known process. */
  look(): void;
  /** When this process was last seen to be troubled. */
  of(name: string): number;
  /** How often a process began to be troubled. */
  readonly episodes: () => number;
}

/** Troubles of a process within this time are one episode. */
const episodeMs = 1_000;

function createTroubles(now: () => number, conditionOf: (name: string) => Condition): Troubles {
  const known = new Map<string, { troubles: string; at: number }>();
  let episodes = 0;
  const of = (name: string): number => {
    const { troubles, isTroubled } = conditionOf(name);
    // A new process has joined, which is a reason for changes by itself.
    const last = known.get(name) ?? { troubles: '', at: -Infinity };
    if (isTroubled || last.troubles !== troubles) {
      if (now() - last.at > episodeMs) episodes += 1;
      last.at = now();
    }
    last.troubles = troubles;
    known.set(name, last);
    return last.at;
  };
  return {
    look: () => {
      of('');
      for (const name of known.keys()) of(name);
    },
    of,
    episodes: () => episodes,
  };
}
