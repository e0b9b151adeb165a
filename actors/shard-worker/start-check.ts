// Whether the checkpoint at which the shard worker has begun is one of this shard's records. The numbers of a shard's records rise. So if
// the newest record has a lower number than the checkpoint, somebody has set the checkpoint, or it is of another stream. Each record up to
// it would be left out in silence. The shard worker then reads no further, settles nothing, and says so: it never skips, nor replays, on
// its own. A shard without records proves nothing, because all of them may have expired. `readDone` calls `noteAnswer` for each answer.
import { effect } from '../protocol/actor.js';
import type { StartCheck } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Tenure } from '../protocol/tenure.js';
import { compareSequenceNumbers } from '../../src/core/sequence-number.js';
import type { StartPosition } from '../../src/core/position.js';
import { resetCommand } from '../../src/api/stream-changed.js';
import type { ReadResult } from '../../src/api/ports.js';

/** An empty answer may come from the middle of a shard. One that comes this much later shows the tip. */
const secondLookMs = 5_000;

/** Undefined if there is nothing to check. */
export function startCheckOf(start: StartPosition): StartCheck | undefined {
  if (start.type !== 'after') return undefined;
  const { sequenceNumber: checkpoint } = start.position;
  return { checkpoint, newest: undefined, tipSince: undefined, knowsBacklog: false, refutation: undefined };
}

/** Notes what an answer shows about the checkpoint, before its records are admitted. */
export function noteAnswer(turn: ShardWorkerTurn, tenure: Tenure, result: ReadResult): void {
  const { options, state, now } = turn;
  const { startCheck: check } = state;
  if (check === undefined || check.refutation !== undefined) return;
  if (result.type === 'shardEnd') {
    if (result.notFound !== true && check.newest !== undefined) refute(turn, tenure, check, check.newest);
    return;
  }

  const { records, millisBehindLatest } = result;
  const last = records.at(-1);
  if (last !== undefined && compareSequenceNumbers(last.sequenceNumber, check.checkpoint) >= 0) {
    state.startCheck = undefined;
    return;
  }
  check.newest = last?.sequenceNumber ?? check.newest;
  if ((millisBehindLatest ?? 0) > 0) check.knowsBacklog = true;
  if (check.newest === undefined || millisBehindLatest !== 0) return;

  const answersIdle = options.source.answersIdle === true;
  // Without this, a full page of a service that never reports a backlog would pass for the tip.
  if (records.length > 0 && answersIdle && !check.knowsBacklog) return;
  check.tipSince ??= now;
  // A source that answers only with records may have no second answer for long.
  if (!answersIdle || now - check.tipSince >= secondLookMs) refute(turn, tenure, check, check.newest);
}

/** Whether the checkpoint is not of this shard: the shard worker reads and settles nothing. */
export function isStartRefuted(check: StartCheck | undefined): check is StartCheck & { readonly refutation: string } {
  return check?.refutation !== undefined;
}

function refute(turn: ShardWorkerTurn, tenure: Tenure, check: StartCheck, newest: string): void {
  const { state, effects } = turn;
  const { source, shardId, leaseKey, table = '', stream } = tenure;
  const { checkpoint } = check;
  const command =
    stream === undefined ? 'kinact reset' : resetCommand({ stream: source, table, liveStream: stream, shardId });
  const remedy = `stop all workers of the application. Then set where reading begins: ${command} prints the plan, --yes applies it. Or correct the row by hand, and start the workers again.`;
  check.refutation = `the checkpoint ${checkpoint} in the row ${leaseKey} is beyond the newest record, ${newest}, so it is of another stream or was set by hand`;
  const data = { source, shardId, table, leaseKey, checkpoint, newest, reason: check.refutation, remedy };
  effects.push(effect.emit({ name: 'checkpointBeyondTip', data }));
  // What the reader has fetched ahead counts in the byte budget until it is closed.
  state.reader?.close();
}
