// The clean-up of each stream (KCL clause 2.9): it removes the rows of shards that have ended. Every scan calls
// `cleanUpWhereDue`.
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import type { CleanUpResult } from '../effect-results.js';
import { doubtStream } from '../sources/source-failure.js';
import { clearFailure, isActive, jittered, reportRetryAt, type CoordinatorTurn } from '../turn.js';
import { streamAt } from '../state.js';
import { auditorOf, isAuditedByLineage, pausesAfterAudit } from './lineage-audit.js';
import { callFor } from './stream-calls.js';
import { rowsOf } from './stream-rows.js';
import { cleanUp } from './table-calls.js';
import { hasEnded } from '../../../src/core/shard-graph.js';

const operation = 'clean-up of ended leases';

export function cleanUpWhereDue(turn: CoordinatorTurn): void {
  const { options, state, effects, now } = turn;
  for (const stream of state.streams) {
    if (!isActive(stream) || stream.cleanUp.running || stream.cleanUp.dueAt > now) continue;
    const auditor = isAuditedByLineage(stream) ? auditorOf(turn, stream) : 'this';
    stream.cleanUp.dueAt = now + pausesAfterAudit(auditor) * jittered(turn, options.cleanUpIntervalMs);
    if (auditor === 'other') continue;
    const streamRows = rowsOf(state, stream);
    if (![...streamRows.rows.values()].some(hasEnded)) continue;

    stream.cleanUp.running = true;
    const { index, sourceOptions } = stream;
    effects.push(
      effect.run({
        name: `cleanUp/${index}`,
        kind: 'io',
        start: callFor<CleanUpResult>(stream, (signal) => cleanUp(options.store, sourceOptions, streamRows, signal)),
        done: (result): LeaseCoordinatorMessage => ({ type: 'cleaned', stream: index, result }),
        failed: (error): LeaseCoordinatorMessage => ({ type: 'cleanUpFailed', stream: index, error }),
      }),
    );
  }
}

export function cleaned(turn: CoordinatorTurn, { stream: index, result }: Message<'cleaned'>): void {
  const {
    removed: { length: removed },
    isAnother,
  } = result;
  const stream = streamAt(turn.state, index);
  stream.cleanUp.running = false;
  if (removed > 0) turn.effects.push(effect.count('leaseRowsRemoved', removed));
  clearFailure(turn, operation, stream);
  if (isAnother) doubtStream(turn, stream);
}

export function cleanUpFailed(turn: CoordinatorTurn, { stream: index, error }: Message<'cleanUpFailed'>): void {
  const stream = streamAt(turn.state, index);
  stream.cleanUp.running = false;
  reportRetryAt(turn, operation, { stream, error, at: stream.cleanUp.dueAt });
}
