// The actor that reads one shard under one tenure. It fetches records while the ledger has room, admits them, and notifies a
// stage. It settles records by the dispositions that return, and reports the frontier to the keeper. It ends normally with its
// shard, its lease or its tenure. Any other end crashes the whole pipeline.
import { effect, type Behaviour, type Ref, type Effect } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import { updateAccount } from './byte-account.js';
import { beginReading, intakeChanged, notice, noteFoundEnd, readDone, readFailed, startRead } from './reading.js';
import { askStages, createChannels, locate, punctuate } from './stage-channel.js';
import { isDrained, isQuiet, onlyWaits } from './drain-condition.js';
import type { Dispositions } from '../protocol/disposition.js';
import { createHookCall } from '../protocol/hook-call.js';
import { createPendingFailures } from '../protocol/pending-failures.js';
import { hookDue, hookEnded, hookOverdue } from './start-hook.js';
import { obeyKeeper } from './keeper-orders.js';
import { finish, endWithTenure, beginEnding } from './shutdown.js';
import { admitAll, createAdmission } from './record-admission.js';
import { decided, noteLeftParts, parkingDue, parkingEnded, parkingOverdue, partSince } from './undecoded-part.js';
import type { Channel, ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Message, ShardWorkerMessage } from './messages.js';
import { isIntakePaused, type ShardWorkerOptions } from './options.js';
import type { Tenure } from '../protocol/tenure.js';
import { stallError, unmovedSince } from './watchdog.js';
import { shardWorkerStatus, type ShardWorkerStatus } from './status.js';
import { countSettled } from './settled-meter.js';
import { ackWaitReported, isHeldUp, limitDue, watchLimit } from './pending-limit.js';
import { locatedForAge, ageDue, watchAge } from './retention.js';
import { startCheckOf } from './start-check.js';
import { locatedForReadingStop, readingStopDue, watchStop } from './reading-stop.js';
import { closeAccount } from '../../src/core/byte-budget.js';
import {
  createLedger,
  expectItems,
  frontier as frontierOf,
  oldestOpen,
  settle,
  takePassed,
} from '../../src/core/ledger.js';
import { stageIndexOf } from '../../src/core/routing.js';

export type { ShardWorkerMessage } from './messages.js';
export type { ShardWorkerOptions } from './options.js';
export type { ShardWorkerState } from './state.js';

export function shardWorker(
  options: ShardWorkerOptions,
): Behaviour<ShardWorkerState, ShardWorkerMessage, ShardWorkerStatus> {
  return {
    kind: 'shard-worker',
    initial: (self) => [initialState(options, self), [askForTenure(options, self)]],
    receive: (state, message) => {
      if (state.finished) return [state, []];
      const turn: ShardWorkerTurn = { options, state, now: options.clock.now(), effects: [] };
      handle(handlers, turn, message);
      if (state.tenure !== undefined && !state.finished) proceed(turn, state.tenure);
      updateAccount(state);
      watchLimit(turn);
      watchStop(turn);
      countSettled(turn);
      return [state, turn.effects];
    },
    stopped: (state) => {
      // After a crash, the keeper gets the news only when calls of a policy or a sink have ended. The tenure ends here, so that the
      // reducers hand out no more items until then.
      if (state.tenure !== undefined) state.tenure.ended = true;
      noteLeftParts(options, state);
      state.unwatchIntake?.();
      state.reader?.close();
      if (state.account !== undefined) closeAccount(state.account);
      return [];
    },
    status: (state) => shardWorkerStatus(options, state),
  };
}

function initialState(options: ShardWorkerOptions, self: Ref<ShardWorkerMessage>): ShardWorkerState {
  const { stages, spread, lease, maxPending, maxPendingBytes, clock } = options;
  const stageIndex = stageIndexOf(lease.shardId, stages.length);
  const usedStages = spread === 'round-robin' ? stages : stages.slice(stageIndex, stageIndex + 1);
  const now = clock.now();

  return {
    self,
    keeper: lease.keeper,
    tenure: undefined,
    reader: undefined,
    account: undefined,
    ledger: createLedger({ maxPending, maxPendingBytes }),
    admission: createAdmission(undefined),
    lastSlice: 0,
    sliceIsDue: false,
    channels: createChannels(usedStages),
    reading: false,
    startHook: createHookCall(),
    foundEnd: undefined,
    startCheck: undefined,
    unwatchIntake: undefined,
    failing: undefined,
    hasRead: false,
    failingSince: undefined,
    reportFailingAt: 0,
    ending: undefined,
    pausedForHandOver: false,
    lastPause: 0,
    lastPunctuation: { kind: undefined, handedOut: 0, settled: 0, at: now },
    handedOut: 0,
    reportedOrdinal: -1,
    advancedAt: now,
    settledAt: now,
    tallied: { records: 0, bytes: 0 },
    millisBehindLatest: undefined,
    retrieval: { by: 'polling', since: 0 },
    fetch: { fetchedAt: 0, millisBehindLatest: undefined },
    unlocated: undefined,
    readAt: now,
    readAtWall: clock.wallNow(),
    dropped: undefined,
    atRisk: undefined,
    readingStop: { since: undefined, admitted: 0, watching: false, reportedSince: undefined },
    pendingLimit: { fullSince: undefined, watching: false, warned: false },
    finished: false,
    pauseGivenUp: 0,
    pendingFailures: createPendingFailures(),
  };
}

function askForTenure(
  { lease, shardWorkerNumber }: ShardWorkerOptions,
  self: Ref<ShardWorkerMessage>,
): Effect<ShardWorkerMessage> {
  return effect.ask(
    lease.keeper,
    (replyTo) => ({ type: 'beginTenure', shardWorker: shardWorkerNumber, shardWorkerRef: self, replyTo }),
    {
      answered: (answer) => ({ type: 'tenure', answer }),
      failed: (error) => ({ type: 'tenure', answer: { type: 'refused', reason: error.message } }),
    },
  );
}

const handlers: Handlers<ShardWorkerTurn, ShardWorkerMessage> = {
  tenure: beginTenure,
  readDone,
  readFailed,
  notice,
  intakeChanged,
  notified,
  collected,
  admit,
  // Nothing to do here: `proceed` calls `punctuate`, which reads the account.
  askedToFlush: () => undefined,
  punctuated,
  decided,
  parkingEnded,
  parkingOverdue,
  parkingDue,
  hookEnded,
  hookOverdue,
  hookDue,
  watchdog,
  locatedForWatchdog,
  limitDue,
  ackWaitReported,
  ageDue,
  locatedForAge,
  readingStopDue,
  locatedForReadingStop,
  askFailed,
  revoked: obeyKeeper,
  drain: obeyKeeper,
  pause: obeyKeeper,
  resume: obeyKeeper,
};

function notified(turn: ShardWorkerTurn, { channel, dispositions }: Message<'notified'>): void {
  channelOf(turn.state, channel).notifying = false;
  settleAll(turn, dispositions);
}

function collected(turn: ShardWorkerTurn, { channel, dispositions }: Message<'collected'>): void {
  channelOf(turn.state, channel).collecting = false;
  settleAll(turn, dispositions);
}

function punctuated({ state }: ShardWorkerTurn, { channel: index, waiting }: Message<'punctuated'>): void {
  const channel = channelOf(state, index);
  channel.punctuating = false;
  channel.waiting = waiting;
}

/** Allows the next slice of admission. A message with another number is a repeat. */
function admit({ state, effects }: ShardWorkerTurn, { slice }: Message<'admit'>): void {
  if (state.sliceIsDue && slice === state.lastSlice) state.sliceIsDue = false;
  else effects.push(effect.count('repeatedMessages'));
}

function askFailed({ effects }: ShardWorkerTurn): void {
  effects.push(effect.count('askFailures'));
}

function channelOf(state: ShardWorkerState, index: number): Channel {
  return state.channels[index] as Channel;
}

function beginTenure(turn: ShardWorkerTurn, { answer }: Message<'tenure'>): void {
  const { options, state, effects } = turn;
  if (answer.type === 'refused') {
    state.finished = true;
    effects.push(effect.end());
    return;
  }

  const { tenure: granted } = answer;
  const { start } = granted;
  const { intake, sendFromOutside } = options;

  state.tenure = granted;
  state.admission = createAdmission(start.type === 'after' ? start.position : undefined);
  state.startCheck = startCheckOf(start);
  state.advancedAt = turn.now;
  state.readAt = turn.now;
  state.readAtWall = options.clock.wallNow();

  if (granted.onlyAwaitsCalls === true) state.ending = { type: 'drained', open: 0 };
  else watchAge(turn);
  if (intake !== undefined)
    state.unwatchIntake = intake.watch(() => sendFromOutside(state.self, { type: 'intakeChanged' }));

  effects.push(effect.after('watchdog', options.watchdogMs, { type: 'watchdog' }));
}

function settleAll({ state, now }: ShardWorkerTurn, dispositions: Dispositions): void {
  const { ledger } = state;
  const { itemCounts, ordinals, items } = dispositions;
  const before = ledger.settled;

  // The counts come first: a settle of item 1 is ignored as long as the record has only item 0.
  for (let index = 0; index < itemCounts.length; index += 2)
    expectItems(ledger, itemCounts[index] as number, itemCounts[index + 1] as number);
  for (let index = 0; index < ordinals.length; index += 1)
    settle(ledger, ordinals[index] as number, items[index] as number);

  if (ledger.settled > before || ordinals.length > 0) state.settledAt = now;
}

/** Takes every step that may be due after a message; each part checks for itself whether it is due. */
function proceed(turn: ShardWorkerTurn, tenure: Tenure): void {
  const { state, effects } = turn;
  if (tenure.ended) {
    // Report first: settled records need not be replayed.
    report(turn, tenure);
    endWithTenure(turn);
    return;
  }

  beginReading(turn, tenure);
  noteFoundEnd(turn);
  const admissionEnd = state.sliceIsDue ? undefined : admitAll(turn, tenure);
  if (admissionEnd?.type === 'gaveWay') askForSlice(turn);
  else if (admissionEnd?.type === 'crash') {
    effects.push(effect.fail(admissionEnd.error));
    return;
  }
  report(turn, tenure);
  if (admissionEnd?.type === 'stopShard') {
    finish(turn, tenure, { type: 'stopShard', error: admissionEnd.error });
    return;
  }

  askStages(turn, tenure);
  punctuate(turn, tenure);

  if (state.pausedForHandOver && isQuiet(state)) beginEnding(turn, { type: 'drained', open: 0 });
  if (state.ending === undefined) startRead(turn);
  else if (isDrained(turn)) finish(turn, tenure, state.ending);
  if (!state.finished && onlyWaits(state)) endDrainOfWaiting(turn, tenure);
}

/** Only records that wait for another attempt are left. A stop ends without them. A pause cannot succeed, so the keeper is told. */
function endDrainOfWaiting(turn: ShardWorkerTurn, tenure: Tenure): void {
  const { state, effects } = turn;
  if (state.ending?.type === 'drained') {
    finish(turn, tenure, { type: 'drained', open: state.ledger.openRecords, isCut: true });
  } else if (state.ending === undefined && state.pausedForHandOver && state.pauseGivenUp < state.lastPause) {
    state.pauseGivenUp = state.lastPause;
    const { shardWorkerNumber: shardWorker, fence } = tenure;
    effects.push(effect.send(state.keeper, { type: 'cannotDrain', shardWorker, fence }));
  }
}

/** Continues admission in a later turn. However much there is to admit, the lease keepers must get their turns in between. */
function askForSlice({ state, effects }: ShardWorkerTurn): void {
  state.sliceIsDue = true;
  state.lastSlice += 1;
  effects.push(effect.send(state.self, { type: 'admit', slice: state.lastSlice }));
}

/** Reports the frontier to the keeper, which makes checkpoints from nothing else. */
function report({ options, state, now, effects }: ShardWorkerTurn, tenure: Tenure): void {
  const { ledger } = state;
  if (ledger.frontierOrdinal <= state.reportedOrdinal) return;

  state.reportedOrdinal = ledger.frontierOrdinal;
  state.advancedAt = now;
  // There is one: the frontier has moved.
  const position = frontierOf(ledger)!;
  const { shardWorkerNumber: shardWorker, fence } = tenure;
  const records = ledger.frontierOrdinal + 1;
  const frontier = { shardWorker, fence, position, records, arrivedAt: takePassed(ledger) };
  effects.push(effect.send(options.lease.keeper, { type: 'frontier', frontier }));
}

function watchdog(turn: ShardWorkerTurn): void {
  const { options, state, now, effects } = turn;
  const watchAgain = (ms: number): void => {
    effects.push(effect.after('watchdog', ms, { type: 'watchdog' }));
  };

  const since = unmovedSince(turn);
  if (since === undefined) {
    watchAgain(options.watchdogMs);
    return;
  }

  const leftMs = options.watchdogMs - (now - since);
  if (leftMs > 0) {
    // The timer has fired slightly early. The rest is at least 1 ms, or the next timer would fire early again and again.
    watchAgain(Math.max(1, Math.ceil(leftMs)));
    return;
  }

  const ordinal = oldestOpen(state.ledger)?.ordinal;
  // It waits for a policy or a sink, which have their own deadline.
  if (partSince(state, ordinal) !== undefined) {
    watchAgain(options.watchdogMs);
    return;
  }
  effects.push(locate(turn, ordinal, (whereabouts) => ({ type: 'locatedForWatchdog', ordinal, whereabouts })));

  // If the answer shows no stall, look again soon.
  watchAgain(Math.max(1, options.watchdogMs / 10));
}

function locatedForWatchdog(
  turn: ShardWorkerTurn,
  { ordinal, whereabouts: found }: Message<'locatedForWatchdog'>,
): void {
  const { options, state, now, effects } = turn;
  const { tenure, ledger } = state;
  const oldest = oldestOpen(ledger);
  const since = unmovedSince(turn);

  // The answer is about a record that has been settled since.
  if (tenure === undefined || since === undefined || oldest?.ordinal !== ordinal) return;

  if (found.state !== 'unknown') state.unlocated = undefined;
  else if (state.unlocated === undefined || state.unlocated.ordinal !== ordinal)
    state.unlocated = { ordinal, since: now };

  const whereabouts = state.unlocated === undefined ? found : { ...found, forMs: now - state.unlocated.since };
  const error = stallError({
    watchdogMs: options.watchdogMs,
    unmovedForMs: now - since,
    settledNothingForMs: now - state.settledAt,
    isFull: isHeldUp(state),
    intakePaused: isIntakePaused(options),
    whereabouts,
    oldest,
    tenure,
  });

  if (error !== undefined) effects.push(effect.fail(error));
}
