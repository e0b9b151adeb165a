// The actor of one lease table: it finds shards, plans and takes leases, decides which shards may start, and cleans up. Between
// scans it only reacts to messages. Invariant: only the keeper of a held lease writes to its row. This file dispatches each
// message to its part; the other files of this folder are the parts.
import { spawn } from '../protocol/actor.js';
import type { Behaviour, Effect } from '../protocol/actor.js';
import * as leases from './leases.js';
import type { CoordinatorSelf } from './messages.js';
import type { LeaseCoordinatorOptions } from './options.js';
import * as releasing from './releasing.js';
import { scan, scanFailed, scanned } from './scan/scan.js';
import * as sources from './sources/sources.js';
import * as ends from './shard-end/shard-end.js';
import * as start from './sources/start.js';
import { newStream } from './streams/streams.js';
import type { CoordinatorState, Settings, CoordinatorTurn } from './state.js';
import { coordinatorStatus } from './status.js';
import * as streams from './streams/streams.js';
import { writerNonce } from '../../src/core/writer-signature.js';
import { KinactError } from '../../src/api/errors.js';
import type { CoordinatorStatus } from './status.js';

export type { CoordinatorMessage, CoordinatorStarted, ReleasedLease, ShardEndPlan } from '../protocol/leasing.js';
export type * from './messages.js';

/** Throws INVALID_OPTION when several sources share a table whose keys do not distinguish streams. */
export function leaseCoordinator<KeeperState, KeeperSelf>(
  options: LeaseCoordinatorOptions<KeeperState, KeeperSelf>,
): Behaviour<CoordinatorState, CoordinatorSelf, CoordinatorStatus> {
  const settings = settingsOf(options);
  const turnOf = (state: CoordinatorState): CoordinatorTurn => ({
    settings,
    state,
    now: settings.clock.now(),
    effects: [],
  });
  return {
    kind: 'lease-coordinator',
    initial(self) {
      const turn = turnOf(newState(self, settings));
      turn.effects.push({
        type: 'after',
        key: 'startDeadline',
        ms: settings.startDeadlineMs,
        message: { type: 'startOverdue' },
      });
      start.open(turn);
      return [turn.state, turn.effects];
    },
    receive(state, message) {
      const turn = turnOf(state);
      handle(turn, message);
      leases.publish(turn);
      return [state, turn.effects];
    },
    status: (state) => coordinatorStatus(settings, state),
  };
}

function settingsOf<KeeperState, KeeperSelf>(options: LeaseCoordinatorOptions<KeeperState, KeeperSelf>): Settings {
  const { makeKeeper, processNonce, multiStream = false, maxLeases = Infinity, ...given } = options;
  if (!multiStream && given.sources.length !== 1) {
    throw new KinactError(
      'INVALID_OPTION',
      `A lease table serves one stream unless leases.multiStream is true; got ${given.sources.length}.`,
      {
        data: { option: 'leases.multiStream', table: given.store.tableName },
      },
    );
  }
  return {
    isSuccessor: false,
    tableHistory: { longestFailoverMs: 0, failoverTold: false },
    startDeadlineMs: 60_000,
    stopDeadlineMs: 30_000,
    scanIntervalMs: 1_000,
    idleScanIntervalMs: 5_000,
    shardSyncIntervalMs: 60_000,
    auditIntervalMs: 120_000,
    cleanUpIntervalMs: 60_000,
    coolDownMs: 10_000,
    coolDownCapMs: 600_000,
    ...given,
    multiStream,
    maxLeases,
    nonce: writerNonce(given.workerId, processNonce),
    spawnKeeper: (args, incarnation): Effect<CoordinatorSelf> =>
      spawn(args.leaseKey, makeKeeper(args), {
        spawned: (keeper): CoordinatorSelf => ({ type: 'keeperSpawned', leaseKey: args.leaseKey, incarnation, keeper }),
        down: (_, how): CoordinatorSelf => ({ type: 'keeperDown', leaseKey: args.leaseKey, incarnation, how }),
      }),
  };
}

function newState(self: CoordinatorState['self'], settings: Settings): CoordinatorState {
  return {
    self,
    phase: 'opening',
    openingTable: false,
    openAttempt: 0,
    lastError: undefined,
    started: undefined,
    waiters: [],
    streams: settings.sources.map(newStream),
    subscribers: new Map(),
    version: 0,
    changed: false,
    failing: new Map(),
    scanning: false,
    scanAttempt: 0,
    scanSentAt: settings.clock.now(),
    rowsSeenAt: settings.clock.now(),
    scannedAt: undefined,
    scanDueAt: Infinity,
    serviceTimeMs: settings.clock.wallNow(),
    serviceTimeAt: settings.clock.now(),
    rows: new Map(),
    malformed: new Map(),
    lastReadable: new Map(),
    vanishedRows: (settings.tableHistory.vanishedRows ??= new Map()),
    tableMissing: false,
    entityType: undefined,
    observations: new Map(),
    leases: new Map(),
    abandoned: new Map(),
    coolDowns: new Map(),
    retakes: new Map(),
    wishes: new Map(),
    failedWishes: new Map(),
    standstills: new Map(),
    endedHere: new Set(),
    incarnations: 0,
    works: 0,
    plan: undefined,
    overflowing: false,
    untaken: new Set(),
    busy: undefined,
    releasing: undefined,
  };
}

type Handlers = {
  readonly [Type in CoordinatorSelf['type']]: (
    turn: CoordinatorTurn,
    message: Extract<CoordinatorSelf, { readonly type: Type }>,
  ) => void;
};

/** Dispatches each message to the part that handles it. */
const handlers: Handlers = {
  subscribe: (turn, { subscriber }) => leases.subscribe(turn, subscriber),
  subscriberDown: ({ state }, { id }) => void state.subscribers.delete(id),
  awaitStart: (turn, { replyTo }) => sources.awaitStart(turn, replyTo),
  askShardEnd: (turn, message) => ends.shardEndAsked(turn, message),
  releaseAll: (turn, { deadlineMs, replyTo }) => {
    sources.abandonStart(turn);
    releasing.releaseAll(turn, deadlineMs, replyTo);
  },
  callsEnded: (turn) => releasing.callsEnded(turn),
  releaseOverdue: (turn) => releasing.releaseOverdue(turn),
  keeperSpawned: (turn, { leaseKey, incarnation, keeper }) => leases.keeperSpawned(turn, leaseKey, incarnation, keeper),
  keeperDown: (turn, { leaseKey, incarnation, how }) => leases.keeperDown(turn, leaseKey, incarnation, how),
  keeperNotice: (turn, notice) => leases.keeperNotice(turn, notice),
  parentsRead: (turn, { leaseKey, incarnation, awaited }) => leases.parentsRead(turn, leaseKey, incarnation, awaited),
  parentsReadFailed: (turn, { leaseKey, incarnation, error }) =>
    leases.parentsReadFailed(turn, leaseKey, incarnation, error),
  childrenRead: (turn, { rows }) => leases.childrenRead(turn, rows),
  // The next scan finds the children like any other row.
  childrenReadFailed: () => undefined,
  streamOpened: (turn, { stream, description }) => start.streamOpened(turn, stream, description),
  openStreamFailed: (turn, { stream, error }) => start.openStreamFailed(turn, stream, error),
  openStreamAgain: (turn, { stream }) => start.openStream(turn, turn.state.streams[stream]!),
  tableOpened: (turn) => {
    start.tableOpened(turn);
    scan(turn);
  },
  openTableFailed: (turn, { error }) => start.openTableFailed(turn, error),
  openTableAgain: (turn) => start.openTable(turn),
  startOverdue: (turn) => sources.startOverdue(turn),
  scanDue: (turn) => scan(turn),
  scanned: (turn, { scan: result }) => {
    if (turn.state.phase !== 'failed') scanned(turn, result);
  },
  scanFailed: (turn, { error }) => scanFailed(turn, error),
  synced: (turn, { stream, result }) => streams.synced(turn, stream, result),
  syncFailed: (turn, { stream, error }) => streams.syncFailed(turn, stream, error),
  stamped: (turn, { stream, error }) => streams.stamped(turn, stream, error),
  described: (turn, { stream, error }) => streams.described(turn, stream, error),
  cleaned: (turn, { stream, result }) => streams.cleaned(turn, stream, result),
  cleanUpFailed: (turn, { stream, error }) => streams.cleanUpFailed(turn, stream, error),
  gatherDue: (turn, { stream }) => ends.gather(turn, turn.state.streams[stream]!),
  gathered: (turn, { stream, asked, evidence }) => ends.gathered(turn, stream, asked, evidence),
  evidenceFailed: (turn, { stream, asked, error }) => ends.evidenceFailed(turn, stream, asked, error),
  shardEndJudged: (turn, { asked, result }) => ends.shardEndJudged(turn, asked, result),
  shardEndFailed: (turn, { asked, error }) => ends.shardEndFailed(turn, asked, error),
};

function handle(turn: CoordinatorTurn, message: CoordinatorSelf): void {
  // An unknown message is only counted, so that nothing breaks.
  if (!Object.hasOwn(handlers, message.type)) return void turn.effects.push({ type: 'count', what: 'unknownMessage' });
  (handlers[message.type] as (turn: CoordinatorTurn, message: CoordinatorSelf) => void)(turn, message);
}
