// Every message of every actor, and every effect: the compiler holds the names against the unions of `actors`, the tests hold
// them against what the scenarios reach. What is not reached says why.
import type { CoordinatorSelf, ShardEndPlan } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { ShardEndResult } from '../../actors/lease-coordinator/results.js';
import type { KeeperNews, LeaseKeeperMessage } from '../../actors/lease-keeper/lease-keeper.js';
import type { Write } from '../../actors/lease-keeper/state.js';
import type { ReducerMessage } from '../../actors/reducer/reducer.js';
import type { ShardWorkerMessage } from '../../actors/shard-worker/shard-worker.js';
import type { ShardWorkerSupervisorMessage } from '../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import type { StageMessage } from '../../actors/stage/stage.js';
import type { TenureGranted, WorkerEnd } from '../../actors/protocol/tenure.js';
import type { ReadResult, WishOutcome, WriteOutcome } from '../../src/api/ports.js';
import type { ReducerMessage as ToBehaviour } from '../../src/api/reducer.js';
import type { Message as SupervisorMessage } from '../../supervision/supervisor-message.js';

/** Reached by a scenario, or why by none. */
type Reach = true | string;

/** The names of a union; a message that stands for several things has one name for each. */
type Names<All extends string, Parts extends Partial<Record<All, string>>> =
  | Exclude<All, keyof Parts>
  | { [Name in keyof Parts & string]: `${Name}/${Parts[Name] & string}` }[keyof Parts & string];

const stage: Record<StageMessage['type'], Reach> = {
  join: true,
  notify: true,
  extract: true,
  collect: true,
  punctuate: true,
  locate: true,
  retire: true,
  disposed: true,
  punctuated: true,
  workerDown: true,
  beat: true,
};

const reducer: Record<ReducerMessage['type'], Reach> = {
  items: true,
  punctuation: true,
  heartbeat: true,
  revoked: true,
  locate: true,
  folded: true,
  flushed: true,
  behaved: true,
  broken: true,
  flushDue: true,
  called: true,
};

type Worker = { tenure: TenureGranted['type']; read: ReadResult['type'] };
const shardWorker: Record<Names<ShardWorkerMessage['type'], Worker>, Reach> = {
  revoked: true,
  drain: true,
  pause: true,
  resume: true,
  'tenure/granted': true,
  'tenure/refused': true,
  'read/records': true,
  'read/shardEnd': true,
  readFailed: true,
  notice: true,
  notified: true,
  collected: true,
  punctuated: true,
  admit: 'only an admission that takes longer than its slice of time goes on in another turn: test/issues/busy-worker',
  pressed: true,
  located: true,
  watchdog: true,
  askFailed: true,
};

const shardWorkerSupervisor: Record<ShardWorkerSupervisorMessage['type'], Reach> = {
  held: true,
  started: true,
  ended: true,
  again: true,
};

type Keeper = {
  workerEnded: WorkerEnd['type'];
  shardEndPlanned: ShardEndPlan['type'];
  written: WriteOutcome['type'];
  wished: WishOutcome['type'];
};
const leaseKeeper: Record<Names<LeaseKeeperMessage['type'], Keeper>, Reach> = {
  beginTenure: true,
  frontier: true,
  reads: true,
  'workerEnded/shardEnd': true,
  'workerEnded/drained': true,
  'workerEnded/tenureDead': true,
  'workerEnded/stopShard': true,
  streamDoubted: true,
  release: true,
  waiting: true,
  wake: true,
  turnCame: 'a table on which so few write lets everybody write at once: test/issues/busy-table',
  'written/written': true,
  'written/refused': true,
  created: true,
  'wished/written': true,
  'wished/refused': true,
  looked: true,
  lookFailed: true,
  writeFailed: true,
  workerDown: true,
  'shardEndPlanned/ready': true,
  'shardEndPlanned/blocked': true,
  'shardEndPlanned/open': true,
  called: true,
  callsEnded: true,
};

type Coordinator = { keeperNotice: KeeperNews['type']; shardEndPrepared: ShardEndResult['type'] };
const leaseCoordinator: Record<Names<CoordinatorSelf['type'], Coordinator>, Reach> = {
  subscribe: true,
  prepareShardEnd: true,
  releaseAll: true,
  callsEnded: 'a pipeline ends for good in no scenario; test/issues/drained-is-exact.test.ts has it',
  awaitStart: true,
  'keeperNotice/taken': true,
  'keeperNotice/notTaken': true,
  'keeperNotice/working': true,
  'keeperNotice/advanced': true,
  'keeperNotice/idle': true,
  'keeperNotice/readsWork': true,
  'keeperNotice/readsFail':
    'reads fail for a minute in no scenario; test/actors/lease-coordinator-unread.test.ts has it',
  'keeperNotice/lost': true,
  'keeperNotice/workerIdInUse': true,
  'keeperNotice/released': true,
  'keeperNotice/ended': true,
  'keeperNotice/handedOver': true,
  'keeperNotice/streamDoubted': true,
  streamOpened: true,
  streamNotOpened: true,
  openStreamAgain: true,
  tableOpened: true,
  tableNotOpened: true,
  openTableAgain: true,
  startOverdue: true,
  scanDue: true,
  scanned: true,
  scanFailed: true,
  synced: true,
  syncFailed: true,
  stamped: true,
  described: true,
  cleaned: true,
  cleanUpFailed: true,
  parentsRead: true,
  parentsUnread: true,
  childrenRead: true,
  childrenUnread: true,
  'shardEndPrepared/ready': true,
  'shardEndPrepared/blocked': true,
  'shardEndPrepared/open': true,
  'shardEndPrepared/changed': 'the source of another stream fails before; the coordinator’s own tests reach it',
  gatherDue: true,
  gathered: true,
  ungathered: true,
  shardEndFailed: true,
  keeperSpawned: true,
  keeperDown: true,
  subscriberDown: true,
  releaseOverdue: true,
};

const neverSent =
  'nobody in the tree starts or ends children of a supervisor by request; the supervisor’s own tests do';
const supervisor: Record<SupervisorMessage['type'], Reach> = {
  startChild: neverSent,
  terminateChild: neverSent,
  children: 'only the root and the pipeline are asked',
  childStarted: true,
  childEnding: true,
  childDown: true,
  childDidNotStart: 'a supervisor says it to itself within one turn: it never is mail',
};

/** By the actor's kind. */
export const messages: Readonly<Record<string, Readonly<Record<string, Reach>>>> = {
  stage,
  reducer,
  'shard-worker': shardWorker,
  'shard-worker-supervisor': shardWorkerSupervisor,
  'lease-keeper': leaseKeeper,
  'lease-coordinator': leaseCoordinator,
  pipeline: { ...supervisor, children: true },
  coordinators: { ...supervisor, childDown: 'the crash of a coordinator ends it at once, before that one is down' },
  consumer: { ...supervisor, children: true },
};

const behaviourCalls: Record<ToBehaviour['type'], true> = {
  items: true,
  heartbeat: true,
  flush: true,
  revoked: true,
  drain: true,
};
const writes: Record<Write['kind'], true> = {
  take: true,
  create: true,
  renew: true,
  checkpoint: true,
  release: true,
  shardEnd: true,
  wish: true,
  unwish: true,
  answer: true,
  handOver: true,
};

/** By the actor's kind, the names of what it does outside. */
export const effects: Readonly<Record<string, readonly string[]>> = {
  reducer: ['reduce', ...Object.keys(behaviourCalls)],
  'shard-worker': ['read'],
  'lease-keeper': [...Object.keys(writes), 'look', 'onCheckpoint'],
  'lease-coordinator': [
    'openStream',
    'openTable',
    'scan',
    'sync',
    'stamp',
    'describe',
    'cleanUp',
    'parents',
    'children',
    'evidence',
    'shardEnd',
  ],
};
