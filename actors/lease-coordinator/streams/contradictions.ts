// Finds rows at SHARD_END of shards that listings show open: no worker would ever read these shards again. Two listings, a minute
// apart, must show this before it is reported, because one listing may be older than the row. Every shard sync with a complete
// listing calls `noteContradictions`.
import { rowsOf } from './stream-rows.js';
import { emit, scanWithin, syncBy, type CoordinatorTurn } from '../turn.js';
import type { Stream, Contradiction } from '../state.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { Shard } from '../../../src/api/ports.js';
import { resetCommand } from '../../../src/api/stream-changed.js';

const believedAfterMs = 60_000;

/** Compares the rows of a stream with `shards`, a complete listing. */
export function noteContradictions(turn: CoordinatorTurn, stream: Stream, shards: readonly Shard[]): void {
  const { options, state, now } = turn;
  const { rows } = rowsOf(state, stream);
  const found = new Map<string, Contradiction>();
  for (const { shardId, endingSequenceNumber } of shards) {
    const row = rows.get(shardId);
    if (endingSequenceNumber !== undefined || row === undefined || !hasEnded(row)) continue;

    const known = stream.contradictions.get(shardId) ?? { since: now, reported: false };
    found.set(shardId, known);
    if (known.reported) continue;
    if (now - known.since < believedAfterMs) {
      syncBy(stream, known.since + believedAfterMs);
      scanWithin(turn, known.since + believedAfterMs - now);
      continue;
    }

    known.reported = true;
    const { name: source, region } = stream.sourceOptions.source;
    const { tableName: table } = options.store;
    // Only `kinact reset` moves a checkpoint back, and a person has to find out first how far the shard was read.
    const command = resetCommand({ stream: source, region, table, liveStream: stream.rowStamp, shardId });
    const remedy = `stop all workers of the application. Then set where reading begins (TRIM_HORIZON, a time or SEQUENCE_NUMBER): ${command} prints the plan, --yes applies it.`;
    emit(turn, { name: 'leaseContradiction', data: { source, shardId, table, leaseKey: row.leaseKey, remedy } });
  }
  stream.contradictions = found;
}

/** Keys of rows that contradict the listings, for `status()` and `ready()`. */
export function contradictionsOf(streams: readonly Stream[]): string[] {
  return streams.flatMap(({ contradictions, keyPrefix }) =>
    [...contradictions].flatMap(([shardId, { reported }]) => (reported ? [leaseKeyOf(keyPrefix, shardId)] : [])),
  );
}
