// Bounds the reads of idle shards by this process, over all its sources. A few hundred idle shards are each read every `idleMs`; more
// of them share the reads of so many. Invariant: no wait is longer than `longestMs`, so figures of lag stay fresh. A shard with
// records is not idle. Readers that poll call this once per answer, never per record.
import type { Clock } from '../../api/ports.js';

/** The idle shards of a process. Only the functions of this file change it. */
interface IdleReads {
  /** How many shards are idle. */
  idle: number;
  /** When (monotonic) the last of the shared reads is due. */
  lastAt: number;
}

/** What a reader knows of the idleness of its shard. */
export interface IdleShard {
  readonly all: IdleReads;
  /** Reads in a row that found the tip and no record. */
  emptyReads: number;
}

/** This many idle shards are each read every `idleMs`. */
export const unstretchedShards = 400;
/** A shard counts as idle from this many empty reads in a row on. */
const idleReads = 3;
/** The longest wait, as a multiple of `idleMs`. */
const longestFactor = 5;
/** No wait is stretched beyond this, because an answer is taken for fresh for ten seconds. */
const longestStretchedMs = 5_000;

/** One for each clock: a process has one clock, a test brings its own. */
const processes = new WeakMap<Clock, IdleReads>();

/** A shard that is not idle yet. */
export function joinIdleReads(clock: Clock): IdleShard {
  let all = processes.get(clock);
  if (all === undefined) processes.set(clock, (all = { idle: 0, lastAt: -Infinity }));
  return { all, emptyReads: 0 };
}

/** The shard has records, or is no longer polled: its next empty read is the first. */
export function leaveIdle(shard: IdleShard): void {
  if (shard.emptyReads >= idleReads) shard.all.idle -= 1;
  shard.emptyReads = 0;
}

/** How long to wait for the next read after one that began at `askedAt` and found the tip and no record. */
export function idleWaitMs(shard: IdleShard, idleMs: number, askedAt: number): number {
  const { all } = shard;
  shard.emptyReads += 1;
  if (shard.emptyReads === idleReads) all.idle += 1;
  if (shard.emptyReads < idleReads || all.idle <= unstretchedShards) return idleMs;

  const next = Math.max(askedAt + idleMs, all.lastAt + idleMs / unstretchedShards);
  const at = Math.min(next, askedAt + longestMs(idleMs));
  // A source with a shorter `idleMs` has a shorter longest wait, and does not take the turns of the others.
  all.lastAt = Math.max(all.lastAt, at);
  return at - askedAt;
}

function longestMs(idleMs: number): number {
  return Math.max(idleMs, Math.min(longestFactor * idleMs, longestStretchedMs));
}
