// The result of `consumer.status()`, and a pure function that lists all actors of its tree.
import type { OutOfRangePolicy, RecordDistribution } from '../core/record-placement.js';
import type { FailureKind } from './errors.js';
import type { FailedItem } from './failed-item.js';
import type { RetrievalReason, RetrievalWay } from './retrieval.js';
import type { Position } from '../core/position.js';

/** One actor of the tree. */
export interface ActorSnapshot {
  /** For example `shard-worker/shardId-000000000000#7`. */
  readonly path: string;
  /** `shard-worker`, `reducer`, … */
  readonly kind: string;
  /** `starting`: its first state is being made. `stopping`: it handles no more messages, and waits for children and calls. */
  readonly phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** The actor's own status; its members depend on its kind. */
  readonly state: object | undefined;
  /** How many messages wait for the actor. */
  readonly queued: number;
  /** The effects that run now, with their age. */
  readonly effects: readonly {
    /** What runs, such as `reduce` or `renew`. */
    readonly name: string;
    /** `user`: a call of your code, which a stop waits for. */
    readonly kind: 'io' | 'user';
    /** How long it has run, in milliseconds. */
    readonly ageMs: number;
  }[];
  /** The actors below this one, in start order. */
  readonly children: readonly ActorSnapshot[];
}

/** The oldest open record of a shard, and the actor that holds it. */
export interface OldestOpen extends Position {
  /** How long ago the record was admitted. */
  readonly ageMs: number;
  /** Path of the actor that has the record. */
  readonly actor: string;
  /**
   * `running`: in a call of user code. `folded`: done but not acknowledged. `waiting`: waits for another attempt, or behind one.
   * `queued`: waits for a reducer. `limited`: waits for the rate limit. `unknown`: on its way.
   */
  readonly doing: 'queued' | 'running' | 'folded' | 'waiting' | 'limited' | 'unknown';
  /** How long the record has been in that state. */
  readonly forMs: number;
}

/** How the records of a shard are fetched. */
export interface RetrievalSnapshot {
  /** `fan-out`: a subscription brings them. `polling`: GetRecords. */
  readonly by: RetrievalWay;
  /** For how long it has been so, in milliseconds. */
  readonly forMs: number;
  /** Why the shard is polled although fan-out is wanted; absent otherwise. */
  readonly why?: RetrievalReason;
  /** The message of the error behind it, if there is one. */
  readonly error?: string;
}

/** A shard that this process reads. */
export interface ShardSnapshot {
  /** The source's name. */
  readonly source: string;
  /** The id that Kinesis gave the shard, such as `shardId-000000000000`. */
  readonly shardId: string;
  /** The fence of its items; undefined until the first renewal has given one. */
  readonly fence: number | undefined;
  /** `paused`: the application has paused it by `consumer.pause`. `draining`: before a stop, a hand-over or the end of the shard. */
  readonly doing: 'starting' | 'reading' | 'paused' | 'draining' | 'ended';
  /** How many records are handed out and not settled. */
  readonly openRecords: number;
  /** The bytes of these records. */
  readonly openBytes: number;
  /** How much of `maxBytes` the shard holds: bytes requested, fetched and open. An aggregate counts until its last record is done. */
  readonly heldBytes: number;
  /** How many bytes of `heldBytes` were fetched ahead of the work. */
  readonly prefetchedBytes: number;
  /** Milliseconds behind the tip, as the service last reported; null if it has not reported any. */
  readonly millisBehindLatest: number | null;
  /** How its records are fetched now. */
  readonly retrieval: RetrievalSnapshot;
  /**
   * The age of the oldest record that is not settled, read or not, in milliseconds, from its arrival in the stream. 0: everything is
   * settled, and the last answer of the service, ten seconds old at most, reached the tip. Null while the first answer is awaited.
   */
  readonly lagMs: number | null;
  /** The age of the oldest record that no durable checkpoint covers: what would be delivered again after a crash. Null as `lagMs`. */
  readonly checkpointAgeMs: number | null;
  /** The record that holds the checkpoint back; null if no record is open. */
  readonly oldestOpen: OldestOpen | null;
}

/** How a stream places its records (`RecordDistributionStrategy`), and the consequences. */
export interface PlacementSnapshot {
  /** The stream's present strategy. */
  readonly distribution: RecordDistribution;
  /** False under AUTO, and for the stream's retention after that: records of one key may then be in several shards. */
  readonly perKeyOrder: boolean;
  /** The policy that now applies to user records outside their shard's hash range: `emit` on streams in on-demand mode. */
  readonly outOfRange: OutOfRangePolicy;
  /** ISO time until which no record is dropped because of its hash key; absent if AUTO has not been seen. */
  readonly keepsAllUntil?: string;
}

/** Calls of one operation that fail again and again. */
export interface FailingSnapshot {
  /** The call, as in the event `retrying`. */
  readonly operation: string;
  /** How the last call failed. */
  readonly kind: FailureKind;
  /** How many calls have failed in a row. `forMs` says for how long. */
  readonly attempts: number;
  /** The time since the first failure, in milliseconds. */
  readonly forMs: number;
  /** The error of the last call. */
  readonly error: string;
}

/** An item or a flush that has failed and waits for another attempt, or a record that gave no item and is not parked yet. */
export interface WaitingSnapshot {
  /** The source's name. */
  readonly source: string;
  /** The shard that the record came from. */
  readonly shardId: string;
  /** Of a flush: its oldest record. */
  readonly sequenceNumber: string;
  /** The item's key, behind which all later items of the key wait. Absent if the record gave no item. */
  readonly key?: string;
  /** The call that failed: see `FailedItem.at`. */
  readonly at: FailedItem['at'];
  /** How many attempts have failed: of the call, or to park a record that gave no item. `forMs` says since when. */
  readonly attempts: number;
  /** The time since the first failure, in milliseconds. */
  readonly forMs: number;
  /** The message of the last error, and those of its causes. */
  readonly error: string;
}

/** How far the application is behind, as this process knows. docs/lag.md says what each case means. */
export interface LagSnapshot {
  /**
   * The largest read lag of a shard that this process reads. If a shard of its tables has had no reader for longer than that: this time.
   * Null until something is known.
   */
  readonly maxMillisBehindLatest: number | null;
  /** The same for the largest `checkpointAgeMs` of a shard. */
  readonly checkpointAgeMs: number | null;
  /** The lease without a reader that has waited the longest; null if every shard that can be read has one. */
  readonly unread: {
    /** The lease table. */
    readonly table: string;
    /** The key of the lease's row. */
    readonly leaseKey: string;
    /** For how long this process has known that no worker reads the shard, in milliseconds. */
    readonly forMs: number;
  } | null;
}

/** One source of the consumer. */
export interface SourceSnapshot {
  /** The source's name. */
  readonly source: string;
  /** The lease table of the source. */
  readonly table: string;
  /**
   * `starting`: the source is not read yet; kinact keeps trying. `removing`: `removeSource` is under way. `failed`: the source is not
   * read again.
   */
  readonly state: 'starting' | 'running' | 'removing' | 'failed';
  /** Why the source is not running: its failure, or the last error of the calls that are repeated. */
  readonly error?: Error;
  /** How the stream places its records; absent until this is known. */
  readonly placement?: PlacementSnapshot;
}

/** A source or a shard that the application has paused. */
export interface PauseSnapshot {
  /** The source's name. */
  readonly source: string;
  /** The shard; absent if the whole source is paused. */
  readonly shardId?: string;
  /** For how long, in milliseconds. */
  readonly forMs: number;
}

/** The result of `consumer.status()`. docs/status.md says when to look at which member. */
export interface ConsumerStatus {
  /** `new`: `start` was not called. `closed`: stopped, or ended by an error. */
  readonly state: 'new' | 'starting' | 'running' | 'stopping' | 'closed';
  /** The name of this process in the lease table: the option `workerId`, or the one that kinact has made. */
  readonly workerId: string;
  /** For how long `consumer.pause()` has held, in milliseconds; null if the whole consumer is not paused. */
  readonly pausedForMs: number | null;
  /** The sources and shards that `consumer.pause({ source, shardId })` has paused in this process, the oldest pause first. */
  readonly paused: readonly PauseSnapshot[];
  /** The rate limit, and how many reducers wait for it now; null without a limit. */
  readonly limit: {
    /** How many items a second go to the application's code. */
    readonly perSecond: number;
    /** How many reducers wait for the limit now. */
    readonly waiting: number;
  } | null;
  /** How often the pipeline has restarted since the start. The crash of a lease coordinator restarts it, too. */
  readonly restarts: number;
  /** The shards that this process reads now. */
  readonly shards: readonly ShardSnapshot[];
  /** How far the application is behind, in one figure for reading and one for checkpoints. */
  readonly lag: LagSnapshot;
  /** Every source. If a source is not read, its `error` is the reason. */
  readonly sources: readonly SourceSnapshot[];
  /** `max`: the option `maxBytes`. `held`: bytes of records that this process holds. `waiting`: shards that wait for bytes. */
  readonly bytes: {
    /** The option `maxBytes`. */
    readonly max: number;
    /** Bytes of records that this process holds. */
    readonly held: number;
    /** How many shards wait for bytes before they are read further. */
    readonly waiting: number;
  };
  /** The polling calls of all sources: how many may be under way, how many are, and how many wait for the share of their source. */
  readonly polling: {
    /** The option `maxPollingCalls`. */
    readonly max: number;
    /** How many polling calls are under way. */
    readonly underWay: number;
    /** How many wait until their source has fewer calls under way. */
    readonly waiting: number;
  };
  /** The status of each lease table's coordinator: leases, owners, and what the coordinator waits for. */
  readonly leases: readonly {
    /** The name of the lease table. */
    readonly table: string;
    /** The coordinator's own status; undefined while it starts. */
    readonly state: object | undefined;
  }[];
  /** User effects that outlived a stop deadline and may still act. */
  readonly orphans: readonly string[];
  /**
   * Counters since the start, for incidents that need no alarm: `skippedItems`, `duplicateRecords`, `foldedAfterLoss`,
   * `deadLetter` (messages to actors that had stopped), … A counter that has never risen is absent. docs/status.md says what each
   * counter counts, and which ones rise in a healthy consumer.
   */
  readonly counters: Readonly<Record<string, number>>;
  /** All actors, with what each of them does now. */
  readonly tree: readonly ActorSnapshot[];
}

/** The result of `ready()` or `live()`. */
export interface Health {
  /** What a health check should answer: true for status 200, false for 503. */
  readonly ok: boolean;
  /** Why `ok` is false. Empty when `ok`, but `live()` of a stopped consumer is `ok` and says that it was stopped. */
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
