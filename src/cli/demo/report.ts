// The end of the demo: a table per process and shard, the steps that did not happen, and the verdict.
import { alignColumns } from '../columns.js';
import type { Sink, Verdict } from './sink.js';
import type { Story } from './scenario.js';

/** The table, for people; without the verdict. */
export function reportLines(story: Story, sink: Sink): readonly string[] {
  const head = ['PROCESS', 'SHARD', 'RECORDS', 'REPLAYS', 'CHECKPOINTS', ''];
  const rows = sink.byProcess
    .toSorted((a, b) => (`${a.process} ${a.shardId}` < `${b.process} ${b.shardId}` ? -1 : 1))
    .map(({ process, shardId, records, replays }) => {
      const checkpoints = story.checkpoints.get(`${process} ${shardId}`) ?? 0;
      return [
        process,
        shardId,
        String(records),
        String(replays),
        String(checkpoints),
        remarks(story, process, shardId),
      ];
    });
  return alignColumns([head, ...rows]);
}

function remarks(story: Story, process: string, shardId: string): string {
  const { killed, takenOver, split, rolledOver } = story;
  const all: string[] = [];
  if (killed?.process === process && killed.lease === shardId) all.push('held when it was killed');
  if (takenOver?.newOwner === process && takenOver.shardId === shardId)
    all.push(`the lease changed hands: taken over from ${killed?.process ?? '?'}`);
  if (split?.shardId === shardId) all.push('split');
  if (split?.children.includes(shardId) === true) all.push(`child of ${split.shardId}`);
  if (rolledOver?.includes(shardId) === true) all.push('opened by a roll-over');
  return all.join(', ');
}

/** The parts of the scenario that did not happen: the verdict then proves less. */
export function shortcomings(story: Story, sink: Sink): readonly string[] {
  const { killed, takenOver, split } = story;
  const missing: string[] = [];
  if (killed === undefined) missing.push('no consumer was killed');
  else {
    if (killed.seenShare < 0.4 || killed.seenShare > 0.6)
      missing.push(`the kill came at ${Math.round(killed.seenShare * 100)} % seen, not between 40 % and 60 %`);
    if (killed.openRecords === 0) missing.push('the killed consumer had no open records');
    if (killed.lease !== takenOver?.shardId) missing.push('the lease of the killed consumer did not change hands');
  }

  if (story.source === 'stream' && (story.mixedAggregates ?? 0) === 0)
    missing.push('no aggregate held keys of both shards');

  const withRecords = new Set(sink.byProcess.filter(({ records }) => records > 0).map(({ shardId }) => shardId));
  const children = split?.children ?? [];
  if (children.length !== 2 || !children.every((child) => withRecords.has(child)))
    missing.push('not both children of the split shard had records');

  if (story.source === 'table' && !(story.rolledOver ?? []).some((shardId) => withRecords.has(shardId)))
    missing.push('no shard that opened by a roll-over had records');

  for (const { name, ended } of story.consumers)
    if (name !== killed?.process && ended?.code !== 0) missing.push(`${name} did not drain and end with exit code 0`);
  return missing;
}

export function verdictLine({ written, seen, lost, deliveredMoreThanOnce }: Verdict): string {
  return `verdict: ${written} written, ${seen} seen, ${lost} lost, ${deliveredMoreThanOnce} delivered more than once`;
}
