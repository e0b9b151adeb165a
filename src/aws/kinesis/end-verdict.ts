// Decides for polling-step.ts whether a GetRecords answer without NextShardIterator means the end of a shard. If its
// MillisBehindLatest reports a backlog, the end is doubted, and accepted only after many repeats. kinesalite never reports a
// backlog: its MillisBehindLatest is the time since the shard was closed.
import type { GetRecordsOutput } from '@aws-sdk/client-kinesis';
import type { Progress } from './reading-progress.js';

/** What MillisBehindLatest has meant in a source's answers so far. All readers of the source share it. */
export interface BacklogMeaning {
  /** MillisBehindLatest was above 0 in an answer that named another iterator, so it means a backlog. */
  backlogs: boolean;
  /** The service has no MillisBehindLatest, so the end of a chain is taken at its word, and only proven by a second one. */
  readonly isAbsent?: boolean;
}

/** An uncertain end counts as proof after this many chains in a row, over this time, have ended in the same way. */
const repeatsForProof = {
  unclear: { times: 4, ms: 5_000 },
  // AWS was never seen to report a backlog at a true end. If it does, the shard's children must not wait forever.
  more: { times: 60, ms: 900_000 },
} as const;

type Output = Pick<Partial<GetRecordsOutput>, 'MillisBehindLatest' | 'NextShardIterator'>;

export function unknownBacklogMeaning(): BacklogMeaning {
  return { backlogs: false };
}

/** Whether the answer names an iterator to read on with. */
export function hasNextIterator<Answer extends Output>(
  output: Answer,
): output is Answer & { readonly NextShardIterator: string } {
  const { NextShardIterator: next } = output;
  return typeof next === 'string' && next !== '';
}

/** Notes what an answer shows about backlogs, and about the chain of iterators that it belongs to. */
export function noteAnswer(backlogMeaning: BacklogMeaning, progress: Progress, output: Output, records: number): void {
  const { MillisBehindLatest: behind } = output;
  const isOn = hasNextIterator(output);
  if (isOn && (behind ?? 0) > 0) backlogMeaning.backlogs = true;
  const { proof } = progress.end;
  if (records === 0 && isOn && proof !== undefined) proof.upToDate = behind === 0;
}

/**
 * `end`: the reader is at the end. `more`: the answer reports that records are left. `unclear`: it may mean either. The last two
 * verdicts are counted, and become `end` after enough repeats over enough time.
 */
export function weighEnd(
  backlogMeaning: BacklogMeaning,
  progress: Progress,
  { MillisBehindLatest: behind }: Output,
  now: number,
): 'end' | 'more' | 'unclear' {
  if (backlogMeaning.isAbsent === true || (typeof behind === 'number' && behind <= 0)) return 'end';
  // This chain began when the shard was known to be closed. If it was up to date once, no record can have come since.
  if (progress.end.proof?.upToDate === true) return 'end';

  const doubt = backlogMeaning.backlogs && typeof behind === 'number' ? 'more' : 'unclear';
  const { since = now, times = 0 } = progress.end.doubts ?? {};
  progress.end.doubts = { since, times: times + 1 };
  return times + 1 >= repeatsForProof[doubt].times && now - since >= repeatsForProof[doubt].ms ? 'end' : doubt;
}
