// A checkpoint as text, for the tables that `kinact leases` and `kinact reset` print.
import type { LeaseRow } from '../core/lease.js';

/**
 * LATEST stands for a moment. If the row has that moment, the text includes it, because reading begins there and not at the
 * newest record.
 */
export function checkpointText(
  row: Pick<LeaseRow, 'checkpoint' | 'checkpointSubSequenceNumber' | 'kinactLatestAt'>,
): string {
  const { checkpoint, checkpointSubSequenceNumber: sub, kinactLatestAt: at } = row;
  if (checkpoint === 'LATEST' && at !== undefined) return `LATEST (from ${new Date(at).toISOString()})`;
  return sub === 0 ? checkpoint : `${checkpoint}/${sub}`;
}
