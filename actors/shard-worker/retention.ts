// Warns when records of the shard may expire before they are done: the oldest one that is not settled is older than half of the
// stream's retention. The reducers know when an open record came. If nothing is open, the first fetched record counts, or how far
// reading is behind. Once per shard and process, and again after it has recovered (`SourceHistory.atRisk`).
import { effect } from '../protocol/actor.js';
import { lagMs } from './lag.js';
import { locate } from './stage-channel.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Message } from './messages.js';
import { isIntakePaused } from './options.js';
import type { Whereabouts } from '../protocol/disposition.js';
import { oldestOpen } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';

const firstLookMs = 5_000;
const intervalMs = 60_000;

/** The oldest record that is not settled: what is known about it, and why it is not done. */
interface Oldest {
  readonly ageMs: number;
  readonly why: string;
  readonly known: Partial<Position> & { readonly key?: string; readonly error?: unknown };
}

export function watchAge({ effects }: ShardWorkerTurn, ms = firstLookMs): void {
  effects.push(effect.after('age', ms, { type: 'ageDue' }));
}

/** Looks how old the oldest record is. */
export function ageDue(turn: ShardWorkerTurn): void {
  const { options, state, effects } = turn;
  watchAge(turn, intervalMs);
  if (options.history?.retentionMs === undefined) return;
  const oldest = oldestOpen(state.ledger);
  if (oldest === undefined) return judge(turn, unreadAge(turn));
  const { ordinal } = oldest;
  effects.push(locate(turn, ordinal, (whereabouts) => ({ type: 'locatedForAge', ordinal, whereabouts })));
}

export function locatedForAge(turn: ShardWorkerTurn, { ordinal, whereabouts }: Message<'locatedForAge'>): void {
  const { options, state, now } = turn;
  const oldest = oldestOpen(state.ledger);
  // The record was settled since: the next look decides.
  if (oldest?.ordinal !== ordinal) return;
  const { arrivedAt, key, error } = whereabouts;
  const ageMs = arrivedAt === undefined ? now - oldest.admittedAt : options.clock.wallNow() - arrivedAt;
  const known = {
    ...oldest.position,
    ...(key === undefined ? {} : { key }),
    ...(error === undefined ? {} : { error }),
  };
  judge(turn, { ageMs, why: reasons[whereabouts.state], known });
}

const reasons: Readonly<Record<Whereabouts['state'], string>> = {
  queued: 'it waits for a reducer',
  running: 'it is in a call',
  folded: 'it is processed but not acknowledged',
  waiting: 'it waits for another attempt',
  limited: 'it waits for the rate limit',
  unknown: 'it is on its way',
};

/** The age of the next record, if nothing is open. While reads wait at the tip of the shard, there is none. */
function unreadAge(turn: ShardWorkerTurn): Oldest {
  const why = isIntakePaused(turn.options) ? 'the application has paused the consumer' : 'it has not been read';
  return { ageMs: lagMs(turn) ?? 0, why, known: {} };
}

function judge({ options, state, effects }: ShardWorkerTurn, { ageMs, why, known }: Oldest): void {
  const { lease, history } = options;
  const { source, shardId } = lease;
  const retentionMs = history?.retentionMs ?? Infinity;
  if (ageMs <= retentionMs / 2) {
    state.atRisk = undefined;
    history?.atRisk?.delete(shardId);
    return;
  }

  const message = `the oldest record of ${shardId} that is not done is ${span(ageMs)} old, and the stream keeps records for ${span(retentionMs)}: ${why}`;
  state.atRisk = { source, shardId, ageMs: Math.round(ageMs), retentionMs, message, ...known };
  if (history?.atRisk?.has(shardId) === true) return;
  history?.atRisk?.add(shardId);
  effects.push(effect.emit({ name: 'retentionAtRisk', data: state.atRisk }));
}

function span(ms: number): string {
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
