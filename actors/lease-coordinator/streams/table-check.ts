// Refuses a lease table whose rows do not fit the sources that are to be read. Every sync of a stream calls this until one has
// succeeded. Invariant: no row is created in a table whose keys have the other form. Nor is one created if Java workers would find rows
// of both kinds of streams. A scan may be outdated, so a row counts only if it is read once more, consistently.
import type { CoordinatorState, Stream } from '../state.js';
import { isKeyOfTableStream, namesItsStream } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { isTableStream } from '../../../src/core/stream-identity.js';
import { isOfJava } from '../../../src/core/writer-signature.js';
import { KinactError } from '../../../src/api/errors.js';
import type { LeaseStore } from '../../../src/api/ports.js';
import { readRow } from './table-calls.js';

/** A row that forbids to use the table, and why. */
interface Objection {
  readonly leaseKey: string;
  /** Whether the row, read again, still forbids it. */
  readonly stands: (row: LeaseRow) => boolean;
  readonly reason: string;
}

/** What the last scan shows against the use of this table for the stream; undefined if nothing. */
export function objectionTo(state: CoordinatorState, stream: Stream, multiStream: boolean): Objection | undefined {
  return otherForm(state, multiStream) ?? (multiStream ? bothKinds(state, stream) : undefined);
}

/** Rows of the other form show that the application was run with another `multiStream`: then all streams would begin again. */
function otherForm({ table }: CoordinatorState, multiStream: boolean): Objection | undefined {
  for (const leaseKey of table.rows.keys()) {
    if (namesItsStream(leaseKey) === multiStream) continue;
    const reason = multiStream
      ? `has single-stream keys, such as '${leaseKey}', and leases.multiStream is true`
      : `has multi-stream keys, such as '${leaseKey}', and leases.multiStream is not set`;
    return { leaseKey, stands: () => true, reason: `${reason}. With other keys every stream would begin again` };
  }
  return undefined;
}

/** Java workers read every row of their table as a row of one kind of stream. */
function bothKinds({ table, streams }: CoordinatorState, stream: Stream): Objection | undefined {
  const ofTable = isTableStream(stream.rowStamp);
  const other = streams.find((each) => each.opened && isTableStream(each.rowStamp) !== ofTable);
  const otherRow = [...table.rows.keys()].find((leaseKey) => isKeyOfTableStream(leaseKey) !== ofTable);
  if (other === undefined && otherRow === undefined) return undefined;
  const ofJava = [...table.rows.values()].find(isOfJava);
  if (ofJava === undefined) return undefined;
  const what = ofTable ? 'a Kinesis stream' : "a DynamoDB table's stream";
  const shown = otherRow === undefined ? `source ${other?.sourceOptions.source.name}` : `row '${otherRow}'`;
  const reason = `is used by Java workers (row '${ofJava.leaseKey}') and has leases of ${what} as well (${shown}). A table that Java workers use holds Kinesis or DynamoDB sources, never both`;
  return { leaseKey: ofJava.leaseKey, stands: isOfJava, reason };
}

/** Rejects with INVALID_OPTION if the objection stands. */
export async function refuseTable(
  store: LeaseStore,
  source: string,
  { leaseKey, stands, reason }: Objection,
  signal: AbortSignal,
): Promise<void> {
  const row = await readRow(store, leaseKey, signal);
  if (row === 'malformed') throw new Error(`The row ${leaseKey} of the lease table cannot be read.`);
  if (row === undefined || !stands(row)) throw new Error('The scan of the lease table was older than its rows.');
  const { tableName: table } = store;
  const message = `The source ${source} cannot use the lease table '${table}': it ${reason}. Give the source another table (application, or leases.tableName).`;
  throw new KinactError('INVALID_OPTION', message, {
    data: { option: 'leases.multiStream', source, table, leaseKey },
  });
}
