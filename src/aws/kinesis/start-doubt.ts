// Some services take a number beyond the tip of a shard, and answer with nothing until a record has that number. A shard with a wrong
// checkpoint would then look idle for ever. So if nothing has come for a while, the reader asks for the record at the checkpoint itself. If
// that is not there either, it begins again with the oldest record. The shard worker leaves out what is done, and sees whether the records
// reach the checkpoint (start-check.ts). A shard whose records have all expired costs one more iterator. Called by polling-step.ts and
// fan-out/subscription-follower.ts.
import { inSlot } from '../../core/call-slots.js';
import { stoppedError } from './prefetch-buffer.js';
import type { ReaderContext } from './polled-service.js';
import type { Progress } from './reading-progress.js';

/** So long nothing must have come. Most readers of a fleet that restarts have read a record by then. */
const quietMs = 30_000;

/** Called for each empty answer from the tip. Resolves to true if reading is to begin again, at another position. */
export async function doubtStart(reader: ReaderContext, progress: Progress): Promise<boolean> {
  const { start, clock } = reader;
  if (start.type !== 'after' || progress.start.hasCome) return false;
  progress.start.quietSince ??= clock.now();
  if (clock.now() - progress.start.quietSince < quietMs) return false;
  progress.start.hasCome = true;
  if (progress.position.type === 'afterRecord' && (await isRecordThere(reader))) return false;
  progress.iterator = undefined;
  progress.position = { type: 'trimHorizon' };
  return true;
}

/** Whether the record at the start is there, as far as the service says. A failed call is no answer: then reading goes on as it is. */
async function isRecordThere(reader: ReaderContext): Promise<boolean> {
  const { service, slots, signal, start } = reader;
  if (start.type !== 'after') return true;
  const { position } = start;
  const look = async (): Promise<boolean> => {
    const found = await service.findIterator(reader, { type: 'atRecord', position });
    // A service that refuses the number has refused it before.
    if (found.type !== 'iterator' || found.trimmed) return true;
    // One record is not worth a reservation of bytes: it is not kept.
    const answer = await service.getRecords(reader, found.iterator, 1);
    return 'failure' in answer || answer.records.length > 0;
  };
  return inSlot(slots, look, { signal, stopped: stoppedError });
}
