// What an answer of GetRecords without NextShardIterator proves about a shard's end. If its MillisBehindLatest says that
// there is more, it proves nothing. But kinesalite's MillisBehindLatest is the time since the shard was closed, never a
// backlog. Called by polling-reader.ts.
import type { GetRecordsOutput } from '@aws-sdk/client-kinesis';
import type { Progress } from './reading-progress.js';

/** What the service of a source has used MillisBehindLatest for, so far. One for all readers of the source. */
export interface BacklogsTold {
  /** It was above 0 in an answer with another iterator: it means a backlog. */
  backlogs: boolean;
}

/**
 * An unclear end counts as proof after this many chains in a row, over this time, ended in the same way.
 */
const patience = {
  unclear: { times: 4, ms: 5_000 },
  // Nobody has seen AWS say this at a true end. If it did, the shard's children must not wait for ever.
  more: { times: 60, ms: 900_000 },
} as const;

type Output = Pick<Partial<GetRecordsOutput>, 'MillisBehindLatest' | 'NextShardIterator'>;

export function noBacklogsTold(): BacklogsTold {
  return { backlogs: false };
}

/** Whether the answer names an iterator to read on with. */
export function goesOn<Answer extends Output>(
  output: Answer,
): output is Answer & { readonly NextShardIterator: string } {
  const { NextShardIterator: next } = output;
  return typeof next === 'string' && next !== '';
}

/** Notes what every answer says of itself. */
export function noteAnswer(told: BacklogsTold, progress: Progress, output: Output, records: number): void {
  const { MillisBehindLatest: behind } = output;
  const isOn = goesOn(output);
  if (isOn && (behind ?? 0) > 0) told.backlogs = true;
  if (records > 0) progress.unclear = undefined;
  else if (isOn && progress.proving !== undefined) progress.proving.upToDate = behind === 0;
}

/**
 * `end`: it calls itself the end. `more`: it says that records are left. `unclear`: it may be either. The last two
 * are counted, and become `end` when they have been the same for long enough.
 */
export function weighEnd(
  told: BacklogsTold,
  progress: Progress,
  { MillisBehindLatest: behind }: Output,
  now: number,
): 'end' | 'more' | 'unclear' {
  if (typeof behind === 'number' && behind <= 0) return 'end';
  // A chain is begun when the shard is known to be closed: if it was up to date once, nothing can have come since.
  if (progress.proving?.upToDate === true) return 'end';
  const doubt = told.backlogs && typeof behind === 'number' ? 'more' : 'unclear';
  const { since = now, times = 0 } = progress.unclear ?? {};
  progress.unclear = { since, times: times + 1 };
  return times + 1 >= patience[doubt].times && now - since >= patience[doubt].ms ? 'end' : doubt;
}
