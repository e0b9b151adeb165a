// Removes a source from a running coordinator: its leases drain and are released, and then nothing of it is left here. Invariant: from
// the first message on, nothing of the source is listed or taken. The answer comes when no keeper has a lease of it.
import { effect } from '../../protocol/actor.js';
import type { ReleaseOutcome } from '../../protocol/lease-messages.js';
import type { Message } from '../messages.js';
import { unreleasedOutcome } from '../release.js';
import type { Stream } from '../state.js';
import { endCalls } from '../streams/stream-calls.js';
import { streamOfLease } from '../streams/stream-rows.js';
import type { CoordinatorTurn } from '../turn.js';
import { answerJoins } from './joins.js';
import { orderRelease, restIfAllFailed } from './source-failure.js';
import { answerStart } from './start-outcome.js';
import { KinactError } from '../../../src/api/errors.js';

/** The failure of a source that is being removed. With it the source counts as failed, so nothing of it is read any longer. */
export function removedError(source: string): KinactError {
  return new KinactError('STOPPED', `The source ${source} was removed.`, { data: { source } });
}

export function removeSource(turn: CoordinatorTurn, { source, deadlineMs, replyTo }: Message<'removeSource'>): void {
  const { state, effects, now } = turn;
  const stream = state.streams.find((each) => each.sourceOptions.source.name === source);
  if (stream === undefined) {
    effects.push(effect.reply(replyTo, []));
    return;
  }

  if (stream.leaving === undefined) {
    stream.leaving = { deadlineAt: now + deadlineMs, replyTo: [], report: [] };
    stream.history.failure ??= removedError(source);
    for (const lease of state.leases.values()) if (lease.stream === stream) orderRelease(turn, lease);
    restIfAllFailed(turn);
    answerJoins(turn, stream);
    answerStart(turn);
  }
  stream.leaving.replyTo.push(replyTo);
  finishLeaving(turn, stream);
}

/** Answers and forgets the source once its last lease is gone. */
export function finishLeaving(turn: CoordinatorTurn, stream: Stream): void {
  const { state, effects } = turn;
  const { leaving } = stream;
  if (leaving === undefined || [...state.leases.values()].some((lease) => lease.stream === stream)) return;
  const report: readonly ReleaseOutcome[] = [...leaving.report, ...abandonedOf(turn, stream)];
  forget(turn, stream);
  for (const replyTo of leaving.replyTo) effects.push(effect.reply(replyTo, report));
}

/** Leases of keepers that have died. */
function abandonedOf({ state }: CoordinatorTurn, stream: Stream): readonly ReleaseOutcome[] {
  return [...state.abandoned.values()].filter((lease) => lease.stream === stream).map(unreleasedOutcome);
}

function forget({ state, effects }: CoordinatorTurn, stream: Stream): void {
  const { leftAlone, standstills, abandoned, unread, table } = state;
  const isOurs = (leaseKey: string): boolean => streamOfLease(state, leaseKey)?.stream === stream;
  for (const known of [leftAlone.coolDowns, leftAlone.failedWishes, leftAlone.retakes, standstills, abandoned, unread])
    for (const leaseKey of known.keys()) if (isOurs(leaseKey)) known.delete(leaseKey);
  // The next scan may be far away, or never come. Until then a row of the stream would count as one that nobody reads.
  table.observations = new Map([...table.observations].filter(([leaseKey]) => !isOurs(leaseKey)));
  for (const key of state.failing.keys()) if (key.endsWith(`/${stream.index}`)) state.failing.delete(key);
  for (const key of ['openStream', 'gather', 'join']) effects.push(effect.cancel(`${key}/${stream.index}`));
  endCalls(stream);
  state.streams = state.streams.filter((each) => each !== stream);
}
