// What waits for another attempt, in words: for `ready()`, and for the log line of a stop that has not drained.
import type { StopReport } from './stop-report.js';
import type { WaitingSnapshot } from '../api/status.js';

/** So many items are named. */
const maxNamed = 3;

/** One text for each of the first items, and one for the rest. */
export function waitingTexts(waiting: readonly WaitingSnapshot[]): readonly string[] {
  const named = waiting.slice(0, maxNamed).map(textOf);
  const more = waiting.length - named.length;
  return more > 0 ? [...named, `${more} more items wait`] : named;
}

function textOf({ source, shardId, sequenceNumber, key, at, attempts, forMs, error }: WaitingSnapshot): string {
  const record = `record ${sequenceNumber} of ${source}/${shardId}`;
  const item = key === undefined ? record : `key '${key}' (${record})`;
  const what = at === 'flush' ? `a flush from ${record}` : item;
  const after = attempts === 0 ? '' : `, after ${attempts} failed attempts`;
  return `${what} has waited for ${Math.round(forMs / 1_000)} s${after}${error === '' ? '' : `: ${error}`}`;
}

/** What a stop that has not drained leaves behind. */
export function undrainedText({ leases, waiting }: StopReport): string {
  const left = leases.filter(({ recordsLeft }) => recordsLeft !== 0);
  const counts = left.map(({ source, shardId, recordsLeft }) => {
    const records = recordsLeft < 0 ? 'an unknown number of records' : `${recordsLeft} records`;
    return `${records} of ${source}/${shardId}`;
  });
  const notNamed = counts.length - maxNamed;
  const shards = [...counts.slice(0, maxNamed), ...(notNamed > 0 ? [`those of ${notNamed} more shards`] : [])].join(
    ', ',
  );
  const what = shards === '' ? 'calls still run, or leases are not released' : `${shards} come again elsewhere`;
  return [`the stop has not drained: ${what}`, ...waitingTexts(waiting)].join('; ');
}
