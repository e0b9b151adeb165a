// The state of a lease coordinator. The list shows which files write each part; other files only read it.
//   start                   sources/start.ts, sources/start-outcome.ts
//   phase                   sources/start.ts, sources/source-failure.ts, streams/shard-sync.ts, release.ts
//   streams: opening        sources/start.ts, sources/source-failure.ts, streams/shard-sync.ts
//   streams: sync           streams/shard-sync.ts; dueAt also by `syncBy` (turn.ts), mayCreateRowsAt also failover-times.ts
//   streams: progress       streams/shard-sync-calls.ts, while the sync runs
//   streams: audit, cleanUp streams/audit.ts, streams/lineage-audit.ts, streams/clean-up.ts, and streams/shard-sync.ts before the
//                           first ones
//   streams: shardEnds      shard-end/judgement.ts; absences also streams/shard-sync.ts, leases/keepers.ts
//   streams: identity       sources/start.ts: opened, keyPrefix, idempotencyPrefix, rowStamp
//   streams: history        sources/source-failure.ts, streams/shard-sync.ts
//   streams: joining        sources/added-source.ts; leaving: sources/removed-source.ts, leases/keeper-news.ts
//   streams: others         ranges: streams/shard-sync.ts; contradictions: streams/contradictions.ts; reads:
//                           unread/failing-reads.ts; placement: streams/stream-placement.ts
//   publishing              leases/subscribers.ts; `changed` also the other files of leases, unread/unread-leases.ts
//   failing                 turn.ts
//   scan, table             scan/scan.ts, scan/deleted-rows.ts, scan/wish-planning.ts, failover-times.ts; scan also turn.ts, and
//                           table.lastError also sources/start.ts, and table.observations sources/removed-source.ts
//   (removed-source.ts also removes all that leftAlone, standstills, abandoned and unread have of a removed source)
//   leases, abandoned       leases/keepers.ts, release.ts; the fields of a lease also leases, unread and shard-end
//   leftAlone               unread/cool-downs.ts; entries are also removed by scan/*.ts and leases/ended-leases.ts
//   planning                scan/scan.ts, scan/untaken-leases.ts, scan/busy-table.ts
//   standstills             unread/standstill.ts; entries are also removed by scan/scan.ts and leases/ended-leases.ts
//   unread                  unread/unread-since.ts
//   pipelineBackAt          unread/unread-leases.ts; it has no other writer
//   endedHere               leases/ended-leases.ts, scan/scan.ts
//   incarnations, works     each file that spawns a keeper, or names an effect
//   release                 release.ts; a released lease also leases/keeper-news.ts
import type { Ref, ReplyTo } from '../protocol/actor.js';
import type { RepeatedFailure } from '../protocol/repeated-failure.js';
import type {
  CoordinatorSource,
  CoordinatorStarted,
  LeaseKeeperRequest,
  ReleaseOutcome,
  HeldLeases,
} from '../protocol/lease-messages.js';
import type { LeaseCoordinatorMessage, AskShardEnd } from './messages.js';
import type { DeletedRow, UnreadShard } from './options.js';
import type { LeasePlan, Observation } from '../../src/core/lease-plan.js';
import type { PlacementState } from '../../src/core/record-placement.js';
import type { SourceHistory } from '../../src/api/source-history.js';
import type { TokenBucket } from '../../src/core/token-bucket.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Wish } from '../../src/core/lease-wish.js';
import type { Absences } from '../../src/core/shard-proof.js';
import type { HashKeyRange } from '../../src/api/ports.js';

import type { StreamCalls } from './streams/stream-calls.js';
import type { RowProgress } from './streams/row-creation.js';

/** The opening of a stream: the coordinator asks for its identity. */
export interface Opening {
  attempt: number;
  /** Why the stream is not read yet. */
  error: unknown;
  /** Since when (monotonic), and how many times in a row, the service has found no such stream. */
  missing: { readonly since: number; readonly times: number } | undefined;
}

/** The shard sync of a stream: it compares the rows with the listed shards, creates missing rows and stamps unstamped ones. */
export interface Sync {
  running: boolean;
  /** Monotonic. Any part may bring it forward by `syncBy`; only a failed sync moves it back. */
  dueAt: number;
  attempt: number;
  /** The first sync has succeeded. */
  done: boolean;
  /**
   * Monotonic: from this time on, the coordinator may create missing rows. Before it, their holders may still create them again.
   * Undefined until the coordinator has looked for missing rows.
   */
  mayCreateRowsAt: number | undefined;
  /** The last sync has left some rows for their holders to create. */
  postponed: boolean;
  /** How many of the missing rows have been created. */
  readonly progress: RowProgress;
  stamping: boolean;
}

/** The audit of a stream: do its rows cover all hash keys, or all leaves? */
export interface Audit {
  dueAt: number;
  /** The holes of the last audit, each with the number of audits in a row that saw it. */
  holes: ReadonlyMap<string, number>;
  describing: boolean;
  /** Under `lineage`: how many listings more look for the children of shards that ended without any. */
  lateChildren: number;
}

export interface ShardEnds {
  /** Questions that wait for evidence. */
  readonly questions: AskShardEnd[];
  gathering: boolean;
  gatherDueAt: number;
  /** What is left of the requests that may be made soon after one another. */
  readonly gatherings: TokenBucket;
  /** Since when complete listings have lacked a shard that was asked about. */
  absences: Absences;
}

/** The removal of a source, until its last lease is gone. */
export interface Leaving {
  readonly deadlineAt: number;
  readonly replyTo: ReplyTo<readonly ReleaseOutcome[]>[];
  readonly report: ReleaseOutcome[];
}

/** One stream of this table. */
export interface Stream {
  readonly index: number;
  readonly sourceOptions: CoordinatorSource;
  readonly history: SourceHistory;
  /** Who waits for the source to be read, after `addSource`. */
  readonly joining: ReplyTo<CoordinatorStarted>[];
  /** The source is being removed. */
  leaving: Leaving | undefined;
  /** They end when the source has been removed. */
  readonly calls: StreamCalls;
  /** The identity of the stream is known. Before that, no row can be assigned to the stream. */
  opened: boolean;
  readonly opening: Opening;
  /** The prefix of the stream's lease keys; undefined in a single-stream table. */
  keyPrefix: string | undefined;
  /** The name of the stream in idempotency keys. */
  idempotencyPrefix: string;
  /** The `kinactStream` of its rows. */
  rowStamp: string;
  /** How the stream placed its records at the last shard sync. */
  placement: PlacementState | undefined;
  /** Hash ranges from the last complete listing, by shard id. */
  ranges: ReadonlyMap<string, HashKeyRange>;
  readonly sync: Sync;
  readonly audit: Audit;
  readonly cleanUp: { running: boolean; dueAt: number };
  readonly shardEnds: ShardEnds;
  /** Shards that the last listings showed open although their rows have ended, by shard id. */
  contradictions: ReadonlyMap<string, Contradiction>;
  /** How often in a row leases were given back because reads failed. Until `againAt`, the leases are left to other workers. */
  readonly reads: { failures: number; againAt: number };
}

/** One lease with a keeper. */
export interface Lease {
  readonly leaseKey: string;
  readonly shardId: string;
  readonly stream: Stream;
  readonly incarnation: number;
  keeper: Ref<LeaseKeeperRequest> | undefined;
  /** The row as the scan showed it and, after the take, as the take left it. */
  row: LeaseRow;
  /** `wishing`: the keeper asks the holder for the lease. */
  phase: 'wishing' | 'taking' | 'held';
  /** Parents that have not ended; undefined while that is not known. Read it by `mayStart` and `waitsForParents`. */
  awaited: readonly string[] | undefined;
  readingParents: boolean;
  fence: number | undefined;
  /** Monotonic: when a shard worker last began to deliver. */
  workingSince: number | undefined;
  /** How often SHARD_END was refused since the last `readOn`. */
  endRefusals: number;
  /** How often a listing showed the shard open since the last `readOn`. */
  openListings: number;
  /** Since when (monotonic) no shard worker reads the shard although a shard worker may. */
  idleSince: number | undefined;
  /** Why no shard worker reads the shard. */
  idleReason: string;
  /** The end of the shard waits for a row that the holder of another shard has to create. */
  waitsForOtherShard: boolean;
  /** The last end that a shard worker reached was false: the shard is still listed. */
  falseEnd: boolean;
  /** The lease has been reported as unread. */
  unreadReported: boolean;
  /** The last read of the shard succeeded. */
  readsWork: boolean;
  /** The lease is being given back because reads of the shard fail. */
  givenBack: boolean;
  /** The number of the keeper's last question about the end of the shard. A repeated question is dropped. */
  lastEndQuestion: number;
}

/** The stream of a message. `receive` drops the messages about streams that have been forgotten. */
export function streamAt({ streams }: Pick<CoordinatorState, 'streams'>, index: number): Stream {
  return streams.find((stream) => stream.index === index)!;
}

/** Whether the shard may start, because all its parents have ended. False while that is not known. */
export function mayStart({ awaited }: Pick<Lease, 'awaited'>): boolean {
  return awaited?.length === 0;
}

/** Whether parents are known that have not ended. As long as the parents are not known, neither this nor `mayStart` holds. */
export function waitsForParents(lease: Lease): lease is Lease & { readonly awaited: readonly string[] } {
  return lease.awaited !== undefined && lease.awaited.length > 0;
}

export interface Contradiction {
  readonly since: number;
  reported: boolean;
}

/** The consecutive tenures of one lease that made no progress, over all its keepers in this process. */
export interface Standstill {
  /** The fence of the last tenure that began. */
  fence: number;
  /** How many tenures in a row handed records over and did not move the frontier. A tenure counts once the next one begins. */
  tenures: number;
  /** When the first of these tenures began, monotonic milliseconds. */
  since: number;
  /** Why the last tenure ended without progress; undefined while it has not. */
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

export interface Release {
  readonly replyTo: ReplyTo<readonly ReleaseOutcome[] | undefined>[];
  readonly deadlineAt: number;
  readonly report: ReleaseOutcome[];
  /** An earlier coordinator may have held leases, and this one has not looked for them yet. */
  readonly isBlind: boolean;
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

/** The actors to inform about the leases that are held. */
export interface Publishing {
  readonly subscribers: Map<number, Ref<HeldLeases>>;
  version: number;
  /** Keys of held leases that have changed since subscribers were informed, or are to be sent again. */
  readonly changed: Set<string>;
}

/** The scans of the table; times are monotonic. */
export interface Scan {
  running: boolean;
  /** How many scans in a row have failed. */
  attempt: number;
  sentAt: number;
  answeredAt: number | undefined;
  /** When the timer of the next scan fires. */
  dueAt: number;
}

/** The table as the last scan showed it. */
export interface Table {
  /** The last error of opening or scanning the table; undefined after a success. */
  lastError: unknown;
  /** Monotonic: when the scan was sent. */
  seenAt: number;
  /** The service's time at the scan, and the monotonic time of that moment. */
  serviceTimeMs: number;
  serviceTimeAt: number;
  /** Every readable row. */
  rows: ReadonlyMap<string, LeaseRow>;
  malformed: ReadonlyMap<string, string>;
  /** The last readable version of each row in `malformed`. */
  lastReadable: ReadonlyMap<string, LeaseRow>;
  /** Rows that vanished, until they exist again or a shard sync has dealt with them. */
  readonly deletedRows: Map<string, DeletedRow>;
  /** The last scan found no table. */
  missing: boolean;
  entityType: string | undefined;
  observations: ReadonlyMap<string, Observation>;
  /** The wishes in the rows. */
  wishes: ReadonlyMap<string, StandingWish>;
}

/** Leases that this worker leaves alone for a while, by lease key. */
export interface LeftAlone {
  readonly coolDowns: Map<string, CoolDown>;
  /** This worker's wishes that were refused or not answered. */
  readonly failedWishes: Map<string, FailedWish>;
  /** Rows that this process wrote and takes again: how often in a row, and the earliest time of the next take. */
  readonly retakes: Map<string, { readonly count: number; readonly until: number }>;
}

/** The results of the last round of takes. */
export interface Planning {
  plan: LeasePlan | undefined;
  overflowing: boolean;
  /** The leases that have been reported because no worker takes them. */
  untaken: ReadonlySet<string>;
  /** Set while the table is too busy for another lease: how many leases have no owner, and the writes in the last second. */
  busy: { readonly leases: number; readonly writesPerSecond: number } | undefined;
}

export interface CoordinatorState {
  readonly self: Ref<LeaseCoordinatorMessage>;
  phase: 'opening' | 'syncing' | 'running' | 'releasing' | 'failed';
  readonly start: Start;
  streams: Stream[];
  /** The index of the next stream. No index is used twice. */
  nextStream: number;
  readonly publishing: Publishing;
  /** The calls that fail and are being repeated, by operation and stream. */
  readonly failing: Map<string, RepeatedFailure>;
  readonly scan: Scan;
  readonly table: Table;
  readonly leases: Map<string, Lease>;
  /** *Abandoned* leases, of keepers that died without final news, unless a worker has taken them since: this worker may still own them. */
  readonly abandoned: Map<string, Lease>;
  readonly leftAlone: LeftAlone;
  readonly planning: Planning;
  readonly standstills: Map<string, Standstill>;
  /** Since when each shard that nobody reads has been unread; that of `TableHistory`. */
  readonly unread: Map<string, UnreadShard>;
  /** When the pipeline starts again after a crash: until then no shard worker can read. Monotonic milliseconds. */
  pipelineBackAt: number;
  /** Keys of leases whose SHARD_END this process wrote. */
  readonly endedHere: Set<string>;
  incarnations: number;
  /** A counter that makes the names of effects unique. */
  works: number;
  release: Release | undefined;
}
