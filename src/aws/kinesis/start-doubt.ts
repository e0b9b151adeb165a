// Some services take a number beyond the tip of a shard, and answer with nothing until a record has that number. A shard with a wrong
// checkpoint would then look idle for ever, or as if all of it were done when it ends. So if nothing has come for a while, or until the end
// of the shard, the reader asks for the record at the checkpoint itself. If that is not there either, it begins again with the oldest
// record. The shard worker leaves out what is done, and sees whether the records reach the checkpoint (start-check.ts). A shard whose
// records have all expired costs one more iterator. Called by polling-step.ts and fan-out/subscription-follower.ts.
import { inSlot } from '../../core/call-slots.js';
import type { AwsFailure } from '../aws-errors.js';
import { stoppedError } from './prefetch-buffer.js';
import type { ReaderContext } from './polled-service.js';
import type { Progress } from './reading-progress.js';
import type { ReadOperation } from './shard-iterator.js';

/** A start is doubted after so long without a record. Most readers of a fleet that restarts have read one by then. */
const quietMs = 30_000;

/** A call that was to look for the record at the start has failed. */
interface FailedLook {
  readonly failure: AwsFailure;
  readonly operation: ReadOperation;
}

/** `certain`: a record has come, or the record at the start is there. `again`: reading begins again, with the oldest record. */
type StartVerdict = 'certain' | 'again' | FailedLook;

/** Called for each empty answer from the tip. Resolves to true if reading is to begin again, at another position. */
export async function doubtStart(reader: ReaderContext, progress: Progress): Promise<boolean> {
  const { clock } = reader;
  const { start } = progress;
  if (isCertain(reader, progress)) return false;
  start.quietSince ??= clock.now();
  if (clock.now() - start.quietSince < quietMs) return false;
  // If this look fails, the next one comes after the same time without a record.
  start.quietSince = clock.now();
  return (await judgeStart(reader, progress)) === 'again';
}

/** Called before the end of the shard is handed on, and by `doubtStart`. */
export async function judgeStart(reader: ReaderContext, progress: Progress): Promise<StartVerdict> {
  if (isCertain(reader, progress)) return 'certain';
  // Reading has begun at the record itself, and it has not come.
  const isThere = progress.position.type === 'afterRecord' ? await isRecordThere(reader) : false;
  if (typeof isThere === 'object') return isThere;
  progress.start.hasCome = true;
  if (isThere) return 'certain';
  progress.iterator = undefined;
  progress.start.doubted = progress.position;
  progress.position = { type: 'trimHorizon' };
  return 'again';
}

function isCertain({ start }: ReaderContext, progress: Progress): boolean {
  return start.type !== 'after' || progress.start.hasCome;
}

/** Whether the record at the start is there, as far as the service says. One that has expired was of this shard. */
async function isRecordThere(reader: ReaderContext): Promise<boolean | FailedLook> {
  const { service, slots, signal, start } = reader;
  if (start.type !== 'after') return true;
  const { position } = start;
  const look = async (): Promise<boolean | FailedLook> => {
    const found = await service.findIterator(reader, { type: 'atRecord', position });
    if (found.type !== 'iterator') return failed(found.failure, 'GetShardIterator');
    // A service that refuses the number has refused it before.
    if (found.trimmed) return true;
    // One record is not worth a reservation of bytes: it is not kept.
    const answer = await service.getRecords(reader, found.iterator, 1);
    return 'failure' in answer ? failed(answer.failure, 'GetRecords') : answer.records.length > 0;
  };
  return inSlot(slots, look, { signal, stopped: stoppedError });
}

function failed(failure: AwsFailure, operation: ReadOperation): true | FailedLook {
  return failure.kind === 'trimmed' ? true : { failure, operation };
}
