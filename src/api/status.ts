// The result of `consumer.status()`, and two pure functions that read its tree: one lists all actors, the other the shards.
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
  /** The actor's own status; its members depend on its kind. */
  readonly state: object | undefined;
  /** How many messages wait. */
  readonly queued: number;
  /** Work under way, with its age. */
  readonly effects: readonly { readonly name: string; readonly kind: 'io' | 'user'; readonly ageMs: number }[];
  readonly children: readonly ActorSnapshot[];
}

/** The oldest record of a shard that has not been dealt with, and who has it. */
export interface OldestOpen extends Position {
  /** How long ago the record was admitted. */
  readonly ageMs: number;
  /** Path of the actor that holds it. */
  readonly holder: string;
  /** `running`: in a call of user code; `folded`: done but not acknowledged; `queued`: waiting; `unknown`: on its way. */
  readonly doing: 'queued' | 'running' | 'folded' | 'unknown';
  /** How long the record has been in that state. */
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
  /** How much of `maxBytes` the shard holds: bytes fetched, asked for, and open. An aggregate counts until its last record is done. */
  readonly heldBytes: number;
  /** How many of these bytes were fetched ahead of the work. */
  readonly prefetchedBytes: number;
  /** Milliseconds behind the tip, as the service last said; null if it has not said so. */
  readonly millisBehindLatest: number | null;
  readonly oldestOpen: OldestOpen | null;
}

/** How a stream places its records (`RecordDistributionStrategy`), and the consequences. */
export interface PlacementSnapshot {
  readonly distribution: RecordDistribution;
  /** False under AUTO, and for the stream's retention after that: records of one key may then be in several shards. */
  readonly perKeyOrder: boolean;
  /** The policy now for user records outside their shard's hash range: `emit` on streams in the on-demand mode. */
  readonly outOfRange: OutOfRangePolicy;
  /** ISO time until which nothing is dropped for its hash key; absent where AUTO has not been seen. */
  readonly keepsAllUntil?: string;
}

/** Calls of one kind that fail again and again. */
export interface FailingSnapshot {
  readonly operation: string;
  readonly kind: FailureKind;
  /** How many calls have failed in a row, and for how long. */
  readonly attempts: number;
  readonly forMs: number;
  /** The error of the last call. */
  readonly error: string;
}

/** One source of the consumer. */
export interface SourceSnapshot {
  readonly source: string;
  /** The lease table that has its leases. */
  readonly table: string;
  /** `starting`: the source is not read yet, and is tried again. `failed`: it is read no more. */
  readonly state: 'starting' | 'running' | 'failed';
  /** Why the source is not running: its failure, or the last error of the calls that are tried again. */
  readonly error?: Error;
  /** How the stream places its records, once that is known. */
  readonly placement?: PlacementSnapshot;
}

/** The result of `consumer.status()`; docs/status.md explains it member by member. */
export interface ConsumerStatus {
  readonly state: 'new' | 'starting' | 'running' | 'stopping' | 'closed';
  readonly workerId: string;
  /** How often the pipeline has restarted since the start; the crash of a lease coordinator restarts it, too. */
  readonly restarts: number;
  readonly shards: readonly ShardSnapshot[];
  /** Every source; if a source is not read, with the reason. */
  readonly sources: readonly SourceSnapshot[];
  /** How many bytes of records this process holds, of `maxBytes`, and how many shards wait for bytes before they read on. */
  readonly bytes: { readonly max: number; readonly held: number; readonly waiting: number };
  /** The status of each lease table's coordinator: leases, owners, and what it waits for. */
  readonly leases: readonly { readonly table: string; readonly state: object | undefined }[];
  /** User effects that outlived a stop deadline and may still act. */
  readonly orphans: readonly string[];
  /**
   * Counts since the start of what deserves a number but no alarm: `skippedItems`, `duplicateRecords`, `foldedAfterLoss`,
   * `deadLetter` (messages to actors that had stopped), … A counter that is absent has never risen. docs/status.md says what each
   * name counts, and which counters are ordinary.
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
