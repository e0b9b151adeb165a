// The state of a lease coordinator.
import type { Effect, Ref, ReplyTo } from '../protocol/actor.js';
import type { Failing } from '../protocol/repeated-failure.js';
import type { CoordinatorStarted, KeeperMessage, ReleasedLease, HeldLeases } from '../protocol/leasing.js';
import type { CoordinatorSelf, AskShardEnd } from './messages.js';
import type { CoordinatorSource, KeeperArguments, TableHistory, DeletedRow } from './options.js';
import type { LeasePlan, Observation } from '../../src/core/lease-plan.js';
import type { PlacementState } from '../../src/core/record-placement.js';
import type { SourceHistory } from '../../src/api/failures.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Wish } from '../../src/core/lease-wish.js';
import type { Absences } from '../../src/core/shard-proof.js';
import type { Clock, HashKeyRange, LeaseStore, Random } from '../../src/api/ports.js';

import type { RowProgress } from './streams/row-making.js';

/** The options with their defaults filled in. */
export interface Settings {
  readonly store: LeaseStore;
  readonly traffic?: LeaseTraffic;
  readonly sources: readonly CoordinatorSource[];
  readonly multiStream: boolean;
  readonly isSuccessor: boolean;
  readonly workerId: string;
  /** The text that each `kinactWriter` of this process starts with. */
  readonly nonce: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  readonly tableHistory: TableHistory;
  readonly maxLeases: number;
  readonly startDeadlineMs: number;
  readonly stopDeadlineMs: number;
  readonly scanIntervalMs: number;
  readonly idleScanIntervalMs: number;
  readonly shardSyncIntervalMs: number;
  readonly auditIntervalMs: number;
  readonly cleanUpIntervalMs: number;
  readonly coolDownMs: number;
  readonly coolDownCapMs: number;
  /** The effect that spawns a keeper. */
  readonly spawnKeeper: (args: KeeperArguments, incarnation: number) => Effect<CoordinatorSelf>;
}

/** The first look at a stream. */
export interface Opening {
  attempt: number;
  /** Why the stream is not read yet. */
  error: unknown;
  /** Since when (monotonic), and how often in a row, the service has said that there is no such stream. */
  missing: { readonly since: number; readonly times: number } | undefined;
}

/** The shard sync of a stream: its rows are compared with its shards, and made or stamped where they are not as they should be. */
export interface Sync {
  running: boolean;
  dueAt: number;
  attempt: number;
  /** The first one has succeeded. */
  done: boolean;
  /**
   * Monotonic. Until this time, the holders of rows that were missing when this coordinator first looked may be about to create
   * these rows. Undefined until the coordinator has looked.
   */
  makesRowsAt: number | undefined;
  /** The last sync has left some rows for their holders to create. */
  postponed: boolean;
  /** The progress of the rows that it makes. */
  readonly progress: RowProgress;
  stamping: boolean;
}

/** The audit of a stream: do its rows cover all hash keys? */
export interface Audit {
  dueAt: number;
  /** The holes of the last one, each with the number of audits in a row that saw it. */
  holes: ReadonlyMap<string, number>;
  describing: boolean;
}

export interface ShardEnds {
  /** Questions that wait for evidence. */
  readonly asked: AskShardEnd[];
  gathering: boolean;
  gatherDueAt: number;
  /** Since when complete listings have lacked a shard that was asked about. */
  absences: Absences;
}

/** One stream of this table. */
export interface Stream {
  readonly index: number;
  readonly options: CoordinatorSource;
  readonly history: SourceHistory;
  /** The stream has shown its identity. Before that, no row is known to be its own. */
  opened: boolean;
  readonly opening: Opening;
  /** How row keys name the stream; undefined in a single-stream table. */
  keyPrefix: string | undefined;
  /** How idempotency keys name the stream. */
  idempotencyName: string;
  /** The `kinactStream` of its rows. */
  rowStamp: string;
  /** How the stream places its records, as the last shard sync found it. */
  placement: PlacementState | undefined;
  /** Hash ranges from the last complete listing, by shard id. */
  ranges: ReadonlyMap<string, HashKeyRange>;
  readonly sync: Sync;
  readonly audit: Audit;
  readonly cleanUp: { running: boolean; dueAt: number };
  readonly shardEnds: ShardEnds;
  /** Ended rows of shards that the last listings showed open. */
  contradictions: ReadonlyMap<string, Contradiction>;
  /** How often in a row leases were given back because reads failed. No lease of the stream is taken before `againAt`. */
  readonly reads: { failures: number; againAt: number };
}

/** One lease with a keeper. */
export interface Lease {
  readonly leaseKey: string;
  readonly shardId: string;
  readonly stream: Stream;
  readonly incarnation: number;
  keeper: Ref<KeeperMessage> | undefined;
  /** The row as far as this coordinator knows it. */
  row: LeaseRow;
  /** `wishing`: the keeper asks the holder for the lease. */
  phase: 'wishing' | 'taking' | 'held';
  /** Parents that have not ended; undefined while that is not known. If the list is empty, the shard may start. */
  awaited: readonly string[] | undefined;
  readingParents: boolean;
  fence: number | undefined;
  /** Monotonic; when a worker last began to deliver. */
  workingSince: number | undefined;
  /** How often the keeper has asked for SHARD_END without getting it, and how often a listing then showed the shard open. */
  endRefusals: number;
  openListings: number;
  /** Since when (monotonic) no worker reads the shard although one may, and why; `unreadTold`: that was reported. */
  idleSince: number | undefined;
  idleReason: string;
  /** The end of the shard waits for a row that the holder of another shard has to make. */
  endWaits: boolean;
  /** The last end that a worker of the shard reached was a false one. */
  falseEnd: boolean;
  unreadTold: boolean;
  /** The last read of the shard succeeded. */
  readsWork: boolean;
  /** The lease is being given back because reads of the shard fail. */
  givenBack: boolean;
  /** The number of the keeper's last question about the end of the shard: a repeated question is dropped. */
  lastEndQuestion: number;
}

export interface Contradiction {
  readonly since: number;
  told: boolean;
}

/** What is known of the tenures of one lease, over all its keepers in this process. */
export interface Standstill {
  /** The fence of the last tenure that began. */
  fence: number;
  /** How many tenures in a row handed records over and ended without moving the frontier, the last tenure included. */
  tenures: number;
  /** When the first of these tenures began, monotonic milliseconds. */
  since: number;
  /** How the last of these tenures ended; undefined while it has not. */
  ended: string | undefined;
  reason: string;
}

/** A shard that is left alone for a while. */
export interface CoolDown {
  readonly until: number;
  readonly count: number;
  /** `reads`: only reads of the shard failed. `worker`: the pipeline or a keeper crashed, or gave the shard up. */
  readonly cause: 'worker' | 'reads';
}

export interface Releasing {
  readonly replyTo: ReplyTo<readonly ReleasedLease[] | undefined>[];
  readonly deadlineAt: number;
  readonly report: ReleasedLease[];
  /** A predecessor may have held leases that this coordinator has not looked for yet. */
  readonly blind: boolean;
  answered: boolean;
}

export interface StandingWish {
  readonly wish: Wish;
  readonly text: string;
  /** Monotonic: since when scans have shown this text. */
  readonly seenAt: number;
}

export interface FailedWish {
  /** `kinactWriter` of the keeper that was asked. */
  readonly holder: string | undefined;
  readonly count: number;
  readonly until: number;
}

/** The start, until its outcome is known. */
export interface Start {
  openingTable: boolean;
  openAttempt: number;
  outcome: CoordinatorStarted | undefined;
  readonly waiters: ReplyTo<CoordinatorStarted>[];
}

/** Who is informed of the leases that are held. */
export interface Publishing {
  readonly subscribers: Map<number, Ref<HeldLeases>>;
  version: number;
  /** The held leases have changed since subscribers were informed. */
  changed: boolean;
}

/** The scans of the table; times are monotonic. */
export interface Scan {
  running: boolean;
  /** How many in a row have failed. */
  attempt: number;
  sentAt: number;
  answeredAt: number | undefined;
  /** When the timer of the next one fires. */
  dueAt: number;
}

/** The table as the last scan showed it. */
export interface Table {
  /** Why it could not be opened or scanned; undefined while it can. */
  lastError: unknown;
  /** Monotonic: when the scan was sent. */
  seenAt: number;
  /** The service's time at the scan, and the monotonic time of that moment. */
  serviceTimeMs: number;
  serviceTimeAt: number;
  /** Every readable row. */
  rows: ReadonlyMap<string, LeaseRow>;
  malformed: ReadonlyMap<string, string>;
  /** The rows of `malformed` as they were when they could last be read. */
  lastReadable: ReadonlyMap<string, LeaseRow>;
  /** Rows that vanished, until they are back or a shard sync has dealt with them. */
  readonly deletedRows: Map<string, DeletedRow>;
  /** There was no table. */
  missing: boolean;
  entityType: string | undefined;
  observations: ReadonlyMap<string, Observation>;
  /** Wishes that stand in the rows. */
  wishes: ReadonlyMap<string, StandingWish>;
}

/** Leases that are left alone for a while, each by its key. */
export interface Pauses {
  readonly coolDowns: Map<string, CoolDown>;
  /** This worker's wishes that were refused or not answered. */
  readonly failedWishes: Map<string, FailedWish>;
  /** Rows of this process that it takes again: how often in a row, and the earliest time of the next take. */
  readonly retakes: Map<string, { readonly count: number; readonly until: number }>;
}

/** What the last round of takes decided. */
export interface Planning {
  plan: LeasePlan | undefined;
  overflowing: boolean;
  /** Leases that no worker takes and that have been reported. */
  untaken: ReadonlySet<string>;
  /** Set while the table carries no further lease: how many leases have no owner, and its writes in the last second. */
  busy: { readonly leases: number; readonly writesPerSecond: number } | undefined;
}

export interface CoordinatorState {
  readonly self: Ref<CoordinatorSelf>;
  phase: 'opening' | 'syncing' | 'running' | 'releasing' | 'failed';
  readonly start: Start;
  readonly streams: Stream[];
  readonly publishing: Publishing;
  /** The calls that fail and are being repeated, by operation and stream. */
  readonly failing: Map<string, Failing>;
  readonly scan: Scan;
  readonly table: Table;
  readonly leases: Map<string, Lease>;
  /** Leases whose keepers died without a last word and that nobody has taken since: the rows may still be this worker's. */
  readonly abandoned: Map<string, Lease>;
  readonly pauses: Pauses;
  readonly planning: Planning;
  /** The record of each lease's tenures in this process, by lease. */
  readonly standstills: Map<string, Standstill>;
  /** Keys of shards whose SHARD_END this process wrote. */
  readonly endedHere: Set<string>;
  incarnations: number;
  /** The number of the last effect whose name must be unique. */
  works: number;
  releasing: Releasing | undefined;
}
