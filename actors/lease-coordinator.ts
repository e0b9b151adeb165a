// One per lease table: finds shards, plans and takes leases, knows who may start, cleans up. Between scans it only reacts;
// a held lease is its keeper's alone to write. The parts are in the folder of the same name; here is who gets which message.
import { spawn } from './actor.js';
import type { Behaviour, Effect } from './actor.js';
import * as leases from './lease-coordinator/leases.js';
import type { CoordinatorSelf, LeaseCoordinatorOptions } from './lease-coordinator/messages.js';
import { scan, scanFailed, scanned } from './lease-coordinator/scan.js';
import * as start from './lease-coordinator/start.js';
import { newStream } from './lease-coordinator/state.js';
import type { CoordinatorState, Settings, Turn } from './lease-coordinator/state.js';
import { coordinatorStatus } from './lease-coordinator/status.js';
import * as streams from './lease-coordinator/streams.js';
import { writerNonce } from '../src/core/lease-writer.js';
import { KinactError } from '../src/errors.js';

export type * from './lease-coordinator/messages.js';

/** Throws INVALID_OPTION where several sources are to share a table whose keys do not tell streams apart. */
export function leaseCoordinator<KeeperState, KeeperSelf>(
  options: LeaseCoordinatorOptions<KeeperState, KeeperSelf>,
): Behaviour<CoordinatorState, CoordinatorSelf> {
  const settings = settingsOf(options);
  const turnOf = (state: CoordinatorState): Turn => ({ settings, state, now: settings.clock.now(), effects: [] });
  return {
    kind: 'lease-coordinator',
    initial(self) {
      const turn = turnOf(newState(self, settings));
      turn.effects.push({ type: 'after', key: 'startDeadline', ms: settings.startDeadlineMs, message: { type: 'startOverdue' } });
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
    throw new KinactError('INVALID_OPTION', `A lease table serves one stream unless leases.multiStream is true; got ${given.sources.length}.`, {
      data: { option: 'leases.multiStream', table: given.store.tableName },
    });
  }
  return {
    startDeadlineMs: 60_000,
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
      spawn(
        `lease-keeper/${args.leaseKey}`,
        makeKeeper(args),
        (keeper): CoordinatorSelf => ({ type: 'keeperSpawned', leaseKey: args.leaseKey, incarnation, keeper }),
        (_, how): CoordinatorSelf => ({ type: 'keeperDown', leaseKey: args.leaseKey, incarnation, how }),
      ),
  };
}

function newState(self: CoordinatorState['self'], settings: Settings): CoordinatorState {
  return {
    self,
    phase: 'opening',
    bornAt: settings.clock.now(),
    openAttempt: 0,
    lastError: undefined,
    started: undefined,
    waiters: [],
    streams: settings.sources.map(newStream),
    subscribers: new Map(),
    version: 0,
    changed: false,
    scanning: false,
    scanAttempt: 0,
    scannedAt: undefined,
    scanDueAt: Infinity,
    serviceTimeMs: settings.clock.wallNow(),
    rows: new Map(),
    malformed: new Map(),
    entityType: undefined,
    sightings: new Map(),
    leases: new Map(),
    coolDowns: new Map(),
    endedHere: new Set(),
    incarnations: 0,
    works: 0,
    plan: undefined,
    spilling: false,
    releasing: undefined,
  };
}

function handle(turn: Turn, message: CoordinatorSelf): void {
  switch (message.type) {
    case 'subscribe':
      return leases.subscribe(turn, message.subscriber);
    case 'subscriberDown':
      return void turn.state.subscribers.delete(message.id);
    case 'awaitStart':
      return start.awaitStart(turn, message.replyTo);
    case 'prepareShardEnd':
      return streams.shardEndAsked(turn, message);
    case 'releaseAll':
      return leases.releaseAll(turn, message.deadlineMs, message.replyTo);
    case 'releaseOverdue':
      return leases.releaseOverdue(turn);
    case 'keeperSpawned':
      return leases.keeperSpawned(turn, message.leaseKey, message.incarnation, message.keeper);
    case 'keeperDown':
      return leases.keeperDown(turn, message.leaseKey, message.incarnation, message.how);
    case 'keeperNotice':
      return leases.keeperNotice(turn, message);
    case 'parentsRead':
      return leases.parentsRead(turn, message.leaseKey, message.incarnation, message.awaited);
    case 'parentsUnread':
      return leases.parentsRead(turn, message.leaseKey, message.incarnation, undefined);
    case 'childrenRead':
      return leases.childrenRead(turn, message.rows);
    default:
      return handleWork(turn, message);
  }
}

type Work = Exclude<
  CoordinatorSelf,
  {
    readonly type:
      | 'subscribe'
      | 'subscriberDown'
      | 'awaitStart'
      | 'prepareShardEnd'
      | 'releaseAll'
      | 'releaseOverdue'
      | 'keeperSpawned'
      | 'keeperDown'
      | 'keeperNotice'
      | 'parentsRead'
      | 'parentsUnread'
      | 'childrenRead';
  }
>;

/** Results of the coordinator's own work, and its timers. */
function handleWork(turn: Turn, message: Work): void {
  const { state, settings, effects } = turn;
  switch (message.type) {
    case 'opened':
      start.opened(turn, message.streams);
      return scan(turn);
    case 'openFailed':
      return start.openFailed(turn, message.error);
    case 'openAgain':
      return start.open(turn);
    case 'startOverdue':
      return start.startOverdue(turn);
    case 'unheard':
      if (state.started?.type === 'failed') effects.push({ type: 'fail', error: state.started.error });
      return;
    case 'scanDue':
      return scan(turn);
    case 'scanned':
      return state.phase === 'failed' ? undefined : scanned(turn, message.scan);
    case 'scanFailed':
      return fatal(turn, message.error, scanFailed(turn, message.error));
    case 'synced':
      return state.phase === 'failed' ? undefined : streams.synced(turn, message.stream, message.result);
    case 'syncFailed':
      return fatal(turn, message.error, streams.syncFailed(turn, message.stream, message.error));
    case 'described': {
      const stream = state.streams[message.stream]!;
      stream.describing = false;
      if (message.error !== undefined) streams.retryLater(turn, 'back-filling hash ranges', stream, message.error, settings.auditIntervalMs);
      return;
    }
    case 'cleaned':
      state.streams[message.stream]!.cleaning = false;
      return;
    case 'cleanUpFailed': {
      const stream = state.streams[message.stream]!;
      stream.cleaning = false;
      return streams.retryLater(turn, 'clean-up of ended leases', stream, message.error, settings.cleanUpIntervalMs);
    }
    case 'childrenUnread':
      // The next scan finds the children as it finds everything.
      return;
    case 'shardEndPrepared':
      return streams.shardEndPrepared(turn, message.leaseKey, message.result, message.replyTo);
    case 'shardEndFailed':
      return streams.shardEndFailed(turn, message.leaseKey, message.error, message.replyTo);
    default:
      // Not a message of ours: whoever sent it learns nothing, and nothing breaks.
      return void effects.push({ type: 'count', what: 'unknownMessage' });
  }
}

/** A failure that time does not cure ends the start, or, once started, the coordinator. */
function fatal(turn: Turn, error: unknown, verdict: 'retry' | 'fatal'): void {
  if (verdict === 'retry' || !start.isHopeless(error)) return;
  if (turn.state.phase === 'syncing') start.failStart(turn, error);
  else if (turn.state.phase === 'running') turn.effects.push({ type: 'fail', error });
}
