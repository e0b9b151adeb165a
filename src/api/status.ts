// What `consumer.status()` returns, and two readings of its tree: all actors, and the shards. Pure: a snapshot in,
// plain objects out.
import type { OutOfRangePolicy, RecordDistribution } from '../core/record-placement.js';
import type { FailureKind } from './errors.js';
import type { Position } from '../core/position.js';

/** One actor of the tree, as people read it. */
export interface ActorSnapshot {
  /** For instance `shard-worker/shardId-000000000000#7`. */
  readonly path: string;
  /** `shard-worker`, `reducer`, … */
  readonly kind: string;
  readonly phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** What the actor says of itself; its members depend on its kind. */
  readonly state: object | undefined;
  /** Messages that wait. */
  readonly queued: number;
  /** Work under way, with its age. */
  readonly effects: readonly { readonly name: string; readonly kind: 'io' | 'user'; readonly ageMs: number }[];
  readonly children: readonly ActorSnapshot[];
}

/** The oldest record of a shard that has not been dealt with, and who has it. */
export interface OldestOpen extends Position {
  /** Since it was admitted. */
  readonly ageMs: number;
  /** Path of the actor that holds it. */
  readonly holder: string;
  /** `running`: in a call of user code; `folded`: done but not acknowledged; `queued`: waiting; `unknown`: on its way. */
  readonly doing: 'queued' | 'running' | 'folded' | 'unknown';
  /** How long it has been doing that. */
  readonly forMs: number;
}

/** A shard this process reads. */
export interface ShardSnapshot {
  readonly source: string;
  readonly shardId: string;
  readonly fence: number | undefined;
  readonly doing: 'starting' | 'reading' | 'draining' | 'ended';
  readonly openRecords: number;
  readonly openBytes: number;
  /** What it holds of `maxBytes`: fetched, asked for, and open; an aggregate as a whole until its last record is done. */
  readonly heldBytes: number;
  /** How much of it was fetched ahead of the work. */
  readonly prefetchedBytes: number;
  /** Milliseconds behind the tip, as the service last said; null when it has not. */
  readonly millisBehindLatest: number | null;
  readonly oldestOpen: OldestOpen | null;
}

/** How a stream places its records (`RecordDistributionStrategy`), and the consequences. */
export interface PlacementSnapshot {
  readonly distribution: RecordDistribution;
  /** False under AUTO, and for the stream's retention after it: records of one key may be in several shards. */
  readonly perKeyOrder: boolean;
  /** What is done now with user records out of their shard's hash range: `emit` on streams in the on-demand mode. */
  readonly outOfRange: OutOfRangePolicy;
  /** ISO time until which nothing is dropped for its hash key; absent where AUTO has not been seen. */
  readonly keepsAllUntil?: string;
}

/** Calls of one kind that fail again and again. */
export interface FailingSnapshot {
  readonly operation: string;
  readonly kind: FailureKind;
  /** How many have failed in a row, and for how long. */
  readonly attempts: number;
  readonly forMs: number;
  /** What the last one failed with. */
  readonly error: string;
}

/** One source of the consumer. */
export interface SourceSnapshot {
  readonly source: string;
  /** The lease table it is in. */
  readonly table: string;
  /** `starting`: not read yet, and tried again. `failed`: read no more, for good. */
  readonly state: 'starting' | 'running' | 'failed';
  /** Why it is not running: the failure, or the last error of what is tried. */
  readonly error?: Error;
  /** How its records are placed, once that is known. */
  readonly placement?: PlacementSnapshot;
}

/** What `consumer.status()` returns; docs/status.md explains it member by member. */
export interface ConsumerStatus {
  readonly state: 'new' | 'starting' | 'running' | 'stopping' | 'closed';
  readonly workerId: string;
  /** Of the pipeline, since the start; a lease coordinator that crashes takes it along. */
  readonly restarts: number;
  readonly shards: readonly ShardSnapshot[];
  /** Every source, with the reason where one is not read. */
  readonly sources: readonly SourceSnapshot[];
  /** Bytes of records that this process holds, of `maxBytes`; and how many shards wait for some before they read on. */
  readonly bytes: { readonly max: number; readonly held: number; readonly waiting: number };
  /** Per lease table what its coordinator says: leases, owners, what is waited for. */
  readonly leases: readonly { readonly table: string; readonly state: object | undefined }[];
  /** User effects that outlived a stop deadline and may still act. */
  readonly orphans: readonly string[];
  /**
   * What deserves a number but no alarm, since the start: `skippedItems`, `duplicateRecords`, `foldedAfterLoss`,
   * `deadLetter` (messages to actors that had stopped), … Absent: never raised. docs/status.md says what each name
   * counts, and which are ordinary.
   */
  readonly counters: Readonly<Record<string, number>>;
  readonly tree: readonly ActorSnapshot[];
}

/** The verdict of `ready()` or `live()`. */
export interface Health {
  readonly ok: boolean;
  /** Empty when `ok`. */
  readonly reasons: readonly string[];
}

/** All actors of a tree, parents first. */
export function walk(tree: readonly ActorSnapshot[]): readonly ActorSnapshot[] {
  const actors: ActorSnapshot[] = [];
  const left = [...tree].reverse();
  for (let actor = left.pop(); actor !== undefined; actor = left.pop()) {
    actors.push(actor);
    for (const child of [...actor.children].reverse()) left.push(child);
  }
  return actors;
}
