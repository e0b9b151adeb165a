// What a reader does when DynamoDB Streams says that the records at its position have expired (TrimmedDataAccessException): it goes on
// with the oldest record that is left. If all records of a shard have expired, the service says the same of TRIM_HORIZON until a record is
// written. Then the reader waits, or ends if the shard is closed. Called by the polling reader, through change-service.ts.
import type { Backoff } from '../../core/backoff.js';
import type { Shard } from '../../api/ports.js';
import type { Position } from '../../core/position.js';
import { mayHaveExpired } from '../../core/shard-proof.js';
import type { Next, ReaderContext } from '../kinesis/polled-service.js';
import { readRetryDelayMs, recover, sleep } from '../kinesis/reading-failure.js';
import { noteRecordGone, type Progress } from '../kinesis/reading-progress.js';
import { failureOf } from '../kinesis/shard-iterator.js';

const allTrimmedBackoff: Backoff = { baseMs: 300, capMs: 10_000 };
/**
 * While a shard is being trimmed, its oldest record may expire between GetShardIterator and GetRecords. After this many refusals in a row,
 * none of which can be explained by that, no record is left.
 */
const triesForProof = 4;
/** An iterator that is older may have waited for room or memory, and its refusal proves nothing. */
const promptMs = 5_000;
/** A listing costs more than a try. One in this many tries asks whether the shard has been closed. */
const listEvery = 16;

export async function trimmedReading(reader: ReaderContext, progress: Progress): Promise<Next> {
  const { position, failures } = progress;
  const isPrompt = progress.iterator === undefined || reader.clock.now() - progress.beganAt <= promptMs;
  progress.iterator = undefined;

  if (position.type === 'atRecord' || position.type === 'afterRecord') {
    noteRecordGone(progress);
    report(reader, progress.gap.unreported);
    progress.gap.unreported = undefined;
    progress.position = { type: 'trimHorizon' };
    return 'readOn';
  }
  if (!isPrompt) return 'readOn';
  const times = failures.trimmed++;
  return times === 0 ? 'readOn' : waitOrEnd(reader, progress, times - 1);
}

function report({ notice, shardId }: ReaderContext, position: Position | undefined): void {
  if (position !== undefined) notice({ type: 'trimmed', shardId, position, certain: false });
}

/** The refusals prove that the shard had records. Of a shard whose parents are not listed, the coordinator reports the same at its end. */
function reportUnread(
  { notice, start, shardId }: ReaderContext,
  { gap }: Progress,
  shard: Shard,
  listed: readonly Shard[],
): void {
  const isUnread = start.type === 'trimHorizon' && gap.upTo === undefined;
  if (isUnread && !mayHaveExpired(listed, shard, 0, 0)) notice({ type: 'trimmed', shardId, certain: false });
}

async function waitOrEnd(reader: ReaderContext, progress: Progress, attempt: number): Promise<Next> {
  const { shardId, signal, buffer } = reader;
  if (attempt >= triesForProof && (attempt - triesForProof) % listEvery === 0) {
    try {
      const { shards } = await reader.list(signal);
      const shard = shards.find((each) => each.shardId === shardId);
      // If the shard is not listed, the coordinator decides.
      if (shard === undefined || shard.endingSequenceNumber !== undefined) {
        if (shard !== undefined) reportUnread(reader, progress, shard, shards);
        buffer.finish({ type: 'shardEnd' });
        return 'over';
      }
    } catch (thrown) {
      // So that the next attempt asks again.
      progress.failures.trimmed -= 1;
      await recover(reader, progress, failureOf(thrown, 'DescribeStream'), 'DescribeStream');
      return 'readOn';
    }
  }
  // By then the shard is read to its tip: there is nothing in it.
  if (attempt >= triesForProof) buffer.push([], 0, 0);
  await sleep(reader, readRetryDelayMs(allTrimmedBackoff, attempt, reader.random));
  return 'readOn';
}
