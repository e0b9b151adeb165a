// The actor of one lease table. It finds shards, creates their rows, plans which leases this process takes, decides which shards may
// start, and cleans up. It takes no lease itself: it spawns a keeper for each. Invariant: only a keeper moves the owner, counter or
// checkpoint of a row. This file dispatches each message to its part; the other files of this folder are the parts.
import { effect, type Behaviour, type Effect } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import { childrenRead } from './leases/ended-leases.js';
import { keeperNotice } from './leases/keeper-news.js';
import { keeperDown, keeperSpawned } from './leases/keepers.js';
import { parentsRead, parentsReadFailed } from './leases/parents.js';
import { publish, subscribe, subscriberDown } from './leases/subscribers.js';
import type { LeaseCoordinatorMessage } from './messages.js';
import type { LeaseCoordinatorOptions, CoordinatorOptions } from './options.js';
import * as release from './release.js';
import { pipelineDelayed } from './unread/unread-leases.js';
import { scan, scanFailed, scanned } from './scan/scan.js';
import * as startOutcome from './sources/start-outcome.js';
import * as shardEnd from './shard-end/judgement.js';
import * as start from './sources/start.js';
import * as audit from './streams/audit.js';
import * as cleanUp from './streams/clean-up.js';
import * as shardSync from './streams/shard-sync.js';
import { newStream } from './sources/new-stream.js';
import { addSource, joinOverdue } from './sources/added-source.js';
import { abandonJoins } from './sources/joins.js';
import { removeSource } from './sources/removed-source.js';
import { streamAt, type CoordinatorState } from './state.js';
import type { CoordinatorTurn } from './turn.js';
import { coordinatorStatus, type CoordinatorStatus } from './status.js';
import { writerPrefixOf } from '../../src/core/writer-signature.js';
import { KinactError } from '../../src/api/errors.js';

export type {
  LeaseCoordinatorRequest,
  CoordinatorStarted,
  ReleaseOutcome,
  ShardEndPlan,
} from '../protocol/lease-messages.js';
export type * from './messages.js';

/** Throws INVALID_OPTION for several sources, unless `multiStream` is true: then keys distinguish streams. */
export function leaseCoordinator<KeeperState, KeeperMessage>(
  given: LeaseCoordinatorOptions<KeeperState, KeeperMessage>,
): Behaviour<CoordinatorState, LeaseCoordinatorMessage, CoordinatorStatus> {
  const options = withDefaults(given);
  const turnOf = (state: CoordinatorState): CoordinatorTurn => ({
    options,
    state,
    now: options.clock.now(),
    effects: [],
  });
  return {
    kind: 'lease-coordinator',
    initial(self) {
      const turn = turnOf(initialState(options, self));
      startOutcome.beginDeadline(turn);
      start.openSources(turn);
      return [turn.state, turn.effects];
    },
    receive(state, message) {
      const turn = turnOf(state);
      // The result of a call that was under way when its source was forgotten.
      if ('stream' in message && streamAt(state, message.stream) === undefined) return [state, []];
      handle(handlers, turn, message);
      publish(turn);
      return [state, turn.effects];
    },
    status: (state) => coordinatorStatus(options, state),
  };
}

function withDefaults<KeeperState, KeeperMessage>(
  given: LeaseCoordinatorOptions<KeeperState, KeeperMessage>,
): CoordinatorOptions {
  const { makeKeeper, processNonce, multiStream = false, maxLeases = Infinity, ...others } = given;
  if (!multiStream && others.sources.length > 1) {
    throw new KinactError(
      'INVALID_OPTION',
      `A lease table serves one stream unless leases.multiStream is true; got ${others.sources.length}.`,
      {
        data: { option: 'leases.multiStream', table: others.store.tableName },
      },
    );
  }
  return {
    // The consumer always sets these four. Their defaults are for tests.
    isSuccessor: false,
    tableHistory: { longestFailoverMs: 0, failoverReported: false },
    startDeadlineMs: 60_000,
    callDeadlineMs: 30_000,

    // Only tests set these.
    scanIntervalMs: 1_000,
    idleScanIntervalMs: 5_000,
    shardSyncIntervalMs: 60_000,
    auditIntervalMs: 120_000,
    cleanUpIntervalMs: 60_000,
    coolDownMs: 10_000,
    coolDownCapMs: 600_000,
    ...others,
    multiStream,
    maxLeases,
    writerPrefix: writerPrefixOf(others.workerId, processNonce),
    spawnKeeper: (args, incarnation): Effect<LeaseCoordinatorMessage> =>
      effect.spawn(args.leaseKey, makeKeeper(args), {
        spawned: (keeper): LeaseCoordinatorMessage => ({
          type: 'keeperSpawned',
          leaseKey: args.leaseKey,
          incarnation,
          keeper,
        }),
        down: (_, how): LeaseCoordinatorMessage => ({ type: 'keeperDown', leaseKey: args.leaseKey, incarnation, how }),
      }),
  };
}

function initialState(options: CoordinatorOptions, self: CoordinatorState['self']): CoordinatorState {
  const { clock, sources: given, tableHistory } = options;
  const now = clock.now();
  return {
    self,
    phase: 'opening',
    start: { openingTable: false, openAttempt: 0, outcome: undefined, waiters: [] },
    streams: given.map(newStream),
    nextStream: given.length,
    publishing: { subscribers: new Map(), version: 0, changed: new Set() },
    failing: new Map(),
    scan: { running: false, attempt: 0, sentAt: now, answeredAt: undefined, dueAt: Infinity },
    table: {
      lastError: undefined,
      seenAt: now,
      serviceTimeMs: clock.wallNow(),
      serviceTimeAt: now,
      rows: new Map(),
      malformed: new Map(),
      lastReadable: new Map(),
      deletedRows: (tableHistory.deletedRows ??= new Map()),
      missing: false,
      entityType: undefined,
      observations: new Map(),
      wishes: new Map(),
    },
    leases: new Map(),
    abandoned: new Map(),
    leftAlone: { coolDowns: new Map(), failedWishes: new Map(), retakes: new Map() },
    planning: { plan: undefined, overflowing: false, untaken: new Set(), busy: undefined },
    standstills: new Map(),
    unread: (tableHistory.unread ??= new Map()),
    pipelineBackAt: 0,
    endedHere: new Set(),
    incarnations: 0,
    works: 0,
    release: undefined,
  };
}

const handlers: Handlers<CoordinatorTurn, LeaseCoordinatorMessage> = {
  subscribe,
  subscriberDown,
  awaitStart: startOutcome.awaitStart,
  askShardEnd: shardEnd.shardEndAsked,
  releaseAll: (turn, message) => {
    startOutcome.abandonStart(turn);
    abandonJoins(turn);
    release.releaseAll(turn, message);
  },
  addSource,
  removeSource,
  joinOverdue,
  callsEnded: release.tellKeepersCallsEnded,
  pipelineDelayed,
  releaseOverdue: release.releaseOverdue,
  keeperSpawned,
  keeperDown,
  keeperNotice,
  parentsRead,
  parentsReadFailed,
  childrenRead,
  // Nothing to do: the next scan finds the children like any other row.
  childrenReadFailed: () => undefined,
  streamOpened: start.streamOpened,
  openStreamFailed: start.openStreamFailed,
  openStreamAgain: start.openStreamAgain,
  tableOpened: (turn) => {
    start.tableOpened(turn);
    scan(turn);
  },
  openTableFailed: start.openTableFailed,
  openTableAgain: start.openTable,
  startOverdue: startOutcome.startOverdue,
  scanDue: scan,
  scanned,
  scanFailed,
  synced: shardSync.synced,
  syncFailed: shardSync.syncFailed,
  stamped: shardSync.stamped,
  described: audit.described,
  cleaned: cleanUp.cleaned,
  cleanUpFailed: cleanUp.cleanUpFailed,
  gatherDue: shardEnd.gatherDue,
  gathered: shardEnd.gathered,
  evidenceFailed: shardEnd.evidenceFailed,
  shardEndJudged: shardEnd.shardEndJudged,
  shardEndFailed: shardEnd.shardEndFailed,
};
