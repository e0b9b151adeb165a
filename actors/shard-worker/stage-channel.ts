// The messages between a shard worker and its stages. `notify` and `collect` are two independent questions, with at most one of
// each open per stage. A punctuation asks for a flush or a drain. No question has a deadline: demand may take hours, the death of
// the stage ends the question, and the watchdog detects stalls.
import { effect, type Effect, type Ref, type ReplyTo } from '../protocol/actor.js';
import { hurryParkings } from '../protocol/parking.js';
import { isEmpty } from './record-admission.js';
import { partAt } from './undecoded-part.js';
import type { Channel, ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { ShardWorkerMessage } from './messages.js';
import { isIntakePaused } from './options.js';
import type { Whereabouts } from '../protocol/disposition.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { Tenure } from '../protocol/tenure.js';
import { hasMovedSince, mustAwaitCalls, punctuatingChannel } from './drain-condition.js';
import { hasRoom, newest } from '../../src/core/ledger.js';
import { KinactError } from '../../src/api/errors.js';

export function createChannels(stages: readonly Ref<StageMessage>[]): readonly Channel[] {
  if (stages.length === 0) throw new KinactError('BROKEN_INVARIANT', 'A shard worker needs at least one stage.');
  return stages.map((stage) => ({
    stage,
    ordinals: [],
    records: [],
    fetches: [],
    notifying: false,
    collecting: false,
    hasNotified: false,
    punctuating: false,
    waiting: [],
  }));
}

/**
 * Asks each stage the questions that may be open: one notify while there are records to hand over, one collect while a record
 * is open.
 */
export function askStages(turn: ShardWorkerTurn, tenure: Tenure): void {
  for (const [index, channel] of turn.state.channels.entries()) {
    notify(turn, tenure, channel, index);
    collect(turn, tenure, channel, index);
  }
}

function notify({ state, effects }: ShardWorkerTurn, tenure: Tenure, channel: Channel, index: number): void {
  if (channel.notifying || channel.records.length === 0) return;

  const { ordinals, records, fetches } = channel;
  channel.ordinals = [];
  channel.records = [];
  channel.fetches = [];
  channel.notifying = true;
  channel.hasNotified = true;

  state.handedOut += records.length;
  tenure.newestHandedOut = newest(state.ledger) ?? tenure.newestHandedOut;

  effects.push(
    effect.ask(
      channel.stage,
      (replyTo) => ({ type: 'notify', tenure, shardWorkerRef: state.self, ordinals, records, fetches, replyTo }),
      {
        answered: (dispositions) => ({ type: 'notified', channel: index, dispositions }),
        failed: askFailed,
      },
    ),
  );
}

function collect({ state, effects }: ShardWorkerTurn, tenure: Tenure, channel: Channel, index: number): void {
  if (channel.collecting || !channel.hasNotified || state.ledger.openRecords === 0) return;
  channel.collecting = true;
  effects.push(
    effect.ask(channel.stage, (replyTo) => ({ type: 'collect', shardWorker: tenure.shardWorkerNumber, replyTo }), {
      answered: (dispositions) => ({ type: 'collected', channel: index, dispositions }),
      failed: askFailed,
    }),
  );
}

/** The stage has died. The failure is only counted, because the supervisor is about to stop this shard worker as well. */
function askFailed(): ShardWorkerMessage {
  return { type: 'askFailed' };
}

/** Whether nothing more can be admitted: the ledger has no room at all, or none for the next record. */
export function isFull({ admission, ledger, sliceIsDue }: ShardWorkerState): boolean {
  return (!isEmpty(admission) && !sliceIsDue) || !hasRoom(ledger);
}

/**
 * Asks the reducers to flush when nothing more can be admitted, other shards wait for this one's bytes, or nothing more will come.
 * A pause of the application counts, too. Otherwise items that wait for a fuller batch would wait forever. The shard worker repeats the
 * request only after records were handed over or settled.
 */
export function punctuate(turn: ShardWorkerTurn, tenure: Tenure): void {
  const { options, state, now, effects } = turn;
  const { ledger, channels, ending, pausedForHandOver } = state;
  if (punctuatingChannel(state) !== undefined || (ledger.openRecords === 0 && !mustAwaitCalls(turn))) return;
  if (channels.some(({ records }) => records.length > 0)) return;

  const closing = pausedForHandOver || (ending !== undefined && isEmpty(state.admission));
  const askedToFlush = state.account?.askedToFlush === true || isIntakePaused(options);
  if (!closing && (!options.flushes || !(isFull(state) || askedToFlush))) return;

  const kind = closing ? 'drain' : 'flush';
  if (state.lastPunctuation.kind === kind && !hasMovedSince(state)) return;
  state.lastPunctuation = { kind, handedOut: state.handedOut, settled: ledger.settled, at: now };
  if (kind === 'drain') hurryParkings(turn, () => true);

  for (const [index, channel] of channels.entries()) {
    channel.punctuating = true;
    channel.waiting = [];
    effects.push(
      effect.ask(
        channel.stage,
        (replyTo) => ({ type: 'punctuate', shardWorker: tenure.shardWorkerNumber, kind, replyTo }),
        {
          answered: (waiting) => ({ type: 'punctuated', channel: index, waiting }),
          failed: askFailed,
        },
      ),
    );
  }
}

/**
 * The question where a record is; without an ordinal, where the unanswered punctuation is. The channel's stage knows, or asks. A part that
 * could not be decoded is here.
 */
export function locate(
  { options, state, now }: ShardWorkerTurn,
  ordinal: number | undefined,
  answered: (whereabouts: Whereabouts) => ShardWorkerMessage,
): Effect<ShardWorkerMessage> {
  const here = partAt(state, ordinal, now);
  if (here !== undefined) return effect.send(state.self, answered(here));
  const { channels } = state;
  const channel = ordinal === undefined ? punctuatingChannel(state) : channels[ordinal % channels.length];
  const { shardWorkerNumber } = options;
  return effect.ask(
    (channel as Channel).stage,
    (replyTo: ReplyTo<Whereabouts>) => ({ type: 'locate' as const, shardWorker: shardWorkerNumber, ordinal, replyTo }),
    { answered: (whereabouts: Whereabouts) => answered(whereabouts), failed: askFailed },
  );
}
