// I33: leases do not go to and fro. A lease changes hands only for a reason that the world knows: its holder was away or troubled
// for as long as a lease lasts, was asked to stop, failed with what it read, or gave it to another that had two fewer than it. Told by
// the writes. Java workers take as their own formula says; beside them, kinact counts as they do, and takes from them by force.
// I42: and in calm weather its holder reads it.
import { isJava, stopDeadlineMs } from './cluster.js';
import type { Written } from './oracle.js';

/** What the world knows of a process. */
export interface Condition {
  /** Changes with whatever harms it. */
  readonly troubles: string;
  /** It is troubled now, or gone. */
  readonly isTroubled: boolean;
  /** A call of the application in it will never be over: the watchdog ends its pipeline, and gives up what stands still again. */
  readonly hasHung: boolean;
}

export interface HandsOptions {
  /** World time. */
  readonly now: () => number;
  /** Of this process, and the longest of any. */
  readonly failoverMsOf: (process: string) => number;
  readonly longestFailoverMs: number;
  readonly tableOf: (leaseKey: string) => string;
  readonly conditionOf: (process: string) => Condition;
  /** What harms everybody at once: rows or streams that are not what they were. */
  readonly worldCondition: () => Condition;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Hands {
  wrote(written: Written): void;
  /** Its holder says that nobody reads it. */
  unread(process: string, leaseKey: string, reason: string): void;
  /** Whether this process, or the world, was troubled at some time since then. */
  wasTroubled(process: string, since: number): boolean;
  /** Leases that were taken from an owner or given back, since the start. */
  readonly changes: () => number;
}

/** From the look at the table to the write that follows from it, in calm weather. */
const lookMs = 3_000;
/** Who holds a lease reads it, if nothing was wrong for so long. */
const calmMs = 60_000;
/** Clocks drift by a thousandth, and a read may be a second old. */
const blurMs = 1_500;
/** A lease that nobody can be blamed for may move so often. */
const spare = 6;

interface Count {
  readonly at: number;
  readonly of: ReadonlyMap<string, ReadonlySet<string>>;
  /** With those that have ended. */
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
  let changes = 0;
  let takesByJava = 0;
  // A worker that was harmed gives back what it makes no progress with.
  const patienceMsOf = (process: string): number => stopDeadlineMs + failoverMsOf(process) + lookMs;

  // From the look at the table to the end of a wish that is answered at the last moment, and drained for as long as it may take.
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
    // The last one before the time that is looked at is what there was at its beginning.
    while ((kept[1]?.at ?? Infinity) < now() - wishLastsMs) kept.shift();
    counts.set(table, kept);
  };

  /** At any moment since then. A scan need not be consistent: it may show a parent that has ended beside its children. */
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
      // Java counts what has ended as long as its owner renews it: a Java worker does, kinact does not.
      const lost = new Set(seen.flatMap(({ of, all }) => [...((isBesideJava ? all : of).get(loser) ?? [])]));
      const least = Math.min(...seen.map(({ of }) => of.get(taker)?.size ?? 0));
      return lost.size - least >= 2;
    });
  };

  const given = (taker: string, loser: string, leaseKey: string): void => {
    if (!isOwed(tableOf(leaseKey), taker, loser, wishLastsMs) && !isExcused(taker, now() - wishLastsMs))
      violate('I33', `${loser} gave ${leaseKey} to ${taker}, who had asked for it and has as many`);
  };

  const taken = (taker: string, loser: string, leaseKey: string): void => {
    const moved = movedAt.get(leaseKey) ?? -Infinity;
    const stoodMs = Math.round(now() - moved);
    // The larger counts: a row says its holder's.
    const failoverMs = Math.max(failoverMsOf(taker), failoverMsOf(loser));
    if (stoodMs >= failoverMs - blurMs) {
      // So soon before that it may as well have been taken for balance.
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
    wrote: ({ process, leaseKey, before, after }) => {
      troubledAt.of(process);
      troubledAt.look();
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
  /** Looks at everybody known. */
  look(): void;
  /** When this one was last troubled, as far as it was seen. */
  of(name: string): number;
  /** How often somebody began to be troubled. */
  readonly episodes: () => number;
}

/** What comes within this is one episode. */
const episodeMs = 1_000;

function createTroubles(now: () => number, conditionOf: (name: string) => Condition): Troubles {
  const known = new Map<string, { troubles: string; at: number }>();
  let episodes = 0;
  const of = (name: string): number => {
    const { troubles, isTroubled } = conditionOf(name);
    // One that is new has joined, which is a reason by itself.
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
