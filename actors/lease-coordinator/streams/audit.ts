// The audit of each stream (KCL clause 2.10): do its rows cover all hash keys? A hole is a shard without a lease.
// The audit also fills in the hash ranges that rows lack. Every scan calls `auditWhereDue`. lineage-audit.ts audits streams without
// hash ranges.
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { clearFailure, emit, isActive, reportRetryAt, syncBy, type CoordinatorTurn } from '../turn.js';
import { streamAt, type Stream } from '../state.js';
import { auditLineage, isAuditedByLineage } from './lineage-audit.js';
import { syncWhereDue } from './shard-sync.js';
import { callFor } from './stream-calls.js';
import { rowsOf } from './stream-rows.js';
import { describeRanges } from './table-calls.js';
import { gapsIn } from '../../../src/core/hash-range.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { HashKeyRange } from '../../../src/api/ports.js';

/** This many audits in a row must see the same hole before it is reported. */
const confirmations = 3;

const fillOperation = 'back-filling hash ranges';

/** Looks for hash keys that no row of an unended shard covers. A hole that `confirmations` audits see is a shard without a lease. */
export function auditWhereDue(turn: CoordinatorTurn): void {
  const { options, state, now } = turn;
  for (const stream of state.streams) {
    if (!isActive(stream) || stream.audit.dueAt > now) continue;
    if (isAuditedByLineage(stream)) {
      auditLineage(turn, stream);
      syncWhereDue(turn);
      continue;
    }
    if (stream.ranges.size === 0) continue;
    stream.audit.dueAt = now + options.auditIntervalMs;

    const { rows, malformed } = rowsOf(state, stream);
    const ranges: HashKeyRange[] = [];
    const undescribed = new Map<string, HashKeyRange>();
    for (const [shardId, row] of rows) {
      const { startingHashKey, endingHashKey } = row;
      const hasRange = startingHashKey !== undefined && endingHashKey !== undefined;
      const range = hasRange ? { startingHashKey, endingHashKey } : stream.ranges.get(shardId);
      if (range === undefined) continue;
      if (!hasRange) undescribed.set(row.leaseKey, range);
      if (!hasEnded(row)) ranges.push(range);
    }

    for (const shardId of malformed) {
      const range = stream.ranges.get(shardId);
      if (range !== undefined) ranges.push(range);
    }

    fillRanges(turn, stream, undescribed);
    judgeHoles(turn, stream, gapsIn(ranges));
  }
}

function judgeHoles(turn: CoordinatorTurn, stream: Stream, holes: readonly HashKeyRange[]): void {
  const { options, now } = turn;
  const timesSeen = new Map<string, number>();
  for (const hole of holes) {
    const key = `${hole.startingHashKey}-${hole.endingHashKey}`;
    const times = (stream.audit.holes.get(key) ?? 0) + 1;
    if (times < confirmations) timesSeen.set(key, times);
    else {
      emit(turn, {
        name: 'leaseHole',
        data: {
          table: options.store.tableName,
          startingHashKey: hole.startingHashKey,
          endingHashKey: hole.endingHashKey,
        },
      });
      syncBy(stream, now);
    }
  }
  stream.audit.holes = timesSeen;
  syncWhereDue(turn);
}

function fillRanges(turn: CoordinatorTurn, stream: Stream, ranges: ReadonlyMap<string, HashKeyRange>): void {
  if (ranges.size === 0 || stream.audit.describing) return;
  stream.audit.describing = true;
  const { index } = stream;
  turn.effects.push(
    effect.run({
      name: `describe/${index}`,
      kind: 'io',
      start: callFor(stream, (signal) => describeRanges(turn.options.store, ranges, signal)),
      done: (): LeaseCoordinatorMessage => ({ type: 'described', stream: index }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'described', stream: index, error }),
    }),
  );
}

/** Reports a failed back-fill of hash ranges. The next audit repeats it, because nothing waits for it. */
export function described(turn: CoordinatorTurn, { stream: index, error }: Message<'described'>): void {
  const stream = streamAt(turn.state, index);
  stream.audit.describing = false;
  if (error === undefined) clearFailure(turn, fillOperation, stream);
  else reportRetryAt(turn, fillOperation, { stream, error, at: stream.audit.dueAt });
}
