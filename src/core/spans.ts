// What references span in the shards that they come from: the first and the last record of each tenure. Ordinals are gone with the process,
// and sequence numbers are not, so this is what is written down of references (docs/parked.md).
import { countNumbers } from './number-ranges.js';
import { isBundle, type EndableTenure, type Reference, type References, type Split } from './references.js';

/** The part of one tenure. */
export interface TenureSpan {
  /** The sequence numbers of the first and the last record, if they are known. There may be others between them that do not belong. */
  first: string | undefined;
  last: string | undefined;
  /** How many items. Those of which the references are a share count, too, once each. */
  items: number;
}

interface Found extends TenureSpan {
  low: number;
  high: number;
}

/** What they span, by tenure. Ended tenures are left out. */
export function spansOf<Tenure extends EndableTenure, Stage>(
  all: Iterable<References<Tenure, Stage>>,
): ReadonlyMap<Tenure, TenureSpan> {
  const spans = new Map<Tenure, Found>();
  const seen = new Set<Split<Tenure, Stage>>();
  // Splits of splits may be as deep as a pipe is long.
  const due = [...all];
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    if (isBundle(next)) {
      for (const [tenure, parts] of next.parts)
        for (const { byIndex, span } of parts) {
          let items = 0;
          for (const ranges of byIndex.values()) items += countNumbers(ranges);
          widen(spans, tenure, { ...span, items });
        }
      due.push(...next.shares.keys());
    } else if (isOne(next)) {
      const { tenure, ordinal, sequenceNumber } = next;
      widen(spans, tenure, { low: ordinal, high: ordinal, first: sequenceNumber, last: sequenceNumber, items: 1 });
    } else if (!seen.has(next)) {
      seen.add(next);
      if (next.of !== undefined) due.push(next.of);
    }
  }
  return spans;
}

function isOne<Tenure extends EndableTenure, Stage>(
  references: References<Tenure, Stage>,
): references is Reference<Tenure, Stage> {
  return !('kind' in references);
}

function widen<Tenure extends EndableTenure>(spans: Map<Tenure, Found>, tenure: Tenure, more: Found): void {
  if (tenure.ended) return;
  const known = spans.get(tenure);
  if (known === undefined) {
    spans.set(tenure, more);
    return;
  }
  known.items += more.items;
  if (more.low < known.low) [known.low, known.first] = [more.low, more.first];
  if (more.high > known.high) [known.high, known.last] = [more.high, more.last];
}
