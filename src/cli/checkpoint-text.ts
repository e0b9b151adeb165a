// A checkpoint as people read it in a table of `kinact leases` and `kinact reset`.
import type { LeaseRow } from '../core/lease.js';

/**
 * LATEST is a moment: if the row says which, the text names it, because reading begins there and not at the newest
 * record.
 */
export function checkpointText(
  row: Pick<LeaseRow, 'checkpoint' | 'checkpointSubSequenceNumber' | 'kinactLatestAt'>,
): string {
  const { checkpoint, checkpointSubSequenceNumber: sub, kinactLatestAt: at } = row;
  if (checkpoint === 'LATEST' && at !== undefined) return `LATEST (from ${new Date(at).toISOString()})`;
  return sub === 0 ? checkpoint : `${checkpoint}/${sub}`;
}
