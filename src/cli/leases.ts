// `kinact leases`: who owns what, from one scan of the lease table. Reads only; works on any KCL table.
import { listLeases } from '../aws/lease-listing.js';
import type { LeaseRow } from '../core/lease.js';
import type { MalformedRow } from '../ports.js';
import { visible } from '../core/visible.js';
import { checkpointText } from './checkpoint-text.js';
import { alignColumns } from './columns.js';
import { applicationOf, readOptions, required, say, type Command } from './command.js';
import { endedButOpen } from './ended-but-open.js';
import { hostWorld } from './world.js';

/** One element of what `--json` prints. */
export interface LeaseLine {
  readonly leaseKey: string;
  /** Null when free. */
  readonly owner: string | null;
  readonly counter: number | null;
  readonly checkpoint: string | null;
  readonly subSequenceNumber: number | null;
  readonly parents: readonly string[];
  readonly children: readonly string[];
  /** Null: the table does not tell, and asking every shard for it would take reads away from its owner. */
  readonly millisBehindLatest: null;
  /** Only in a row that cannot be read: why. */
  readonly malformed?: string;
  /** Only in a row at LATEST that says when that was: the time where reading begins, in ISO 8601. */
  readonly latestAt?: string;
  /** Only in a row that has ended while its shard is listed as open: nobody reads that shard. */
  readonly shardIsOpen?: true;
}

export const leases: Command = {
  usage: `Usage: kinact leases --application A [--json]

Lists the leases of an application: one scan of its lease table, which is not changed.

  --application A   the application, which is the name of its lease table, in the region of the AWS environment
  --json            one JSON array of { leaseKey, owner, counter, checkpoint, subSequenceNumber, parents, children,
                    millisBehindLatest }; owner is null when the lease is free, millisBehindLatest when it is unknown;
                    a lease at LATEST that says when that was has the member latestAt;
                    a row that cannot be read has the member malformed, which says why; one that says SHARD_END of a
                    shard that its stream lists as open has shardIsOpen: true (marked ! in the table)
`,
  handlesSignals: false,
  async run(args, io) {
    const options = readOptions(args, { application: 'string', json: 'boolean' });
    const tableName = applicationOf(required(options.application, 'application'));
    const { rows, malformed, kcl3 } = await listLeases({ tableName, ...hostWorld }, io.signal);
    const { leaseKeys: contradicting, unasked } = await endedButOpen(rows, hostWorld, io.signal);
    for (const reason of unasked) say(io, reason);
    const lines = [
      ...rows.map((row) => lineOf(row, contradicting.has(row.leaseKey))),
      ...malformed.map(malformedLine),
    ].toSorted((a, b) => (a.leaseKey < b.leaseKey ? -1 : 1));
    if (kcl3 !== undefined)
      say(
        io,
        `table '${tableName}' is governed by KCL 3: ${kcl3}. A leader assigns its leases, and kinact does not join it; kinact adopt --help tells how to take it over`,
      );
    const text = options.json ? visible(JSON.stringify(lines)) : table(tableName, lines);
    await new Promise((resolve) => io.stdout.write(`${text}\n`, resolve));
    return 0;
  },
};

function lineOf(row: LeaseRow, shardIsOpen: boolean): LeaseLine {
  return {
    leaseKey: row.leaseKey,
    owner: row.leaseOwner ?? null,
    counter: row.leaseCounter,
    checkpoint: row.checkpoint,
    subSequenceNumber: row.checkpointSubSequenceNumber,
    parents: [...row.parentShardIds].toSorted(),
    children: [...row.childShardIds].toSorted(),
    millisBehindLatest: null,
    ...(row.checkpoint === 'LATEST' && row.kinactLatestAt !== undefined
      ? { latestAt: new Date(row.kinactLatestAt).toISOString() }
      : {}),
    ...(shardIsOpen ? { shardIsOpen } : {}),
  };
}

function malformedLine({ leaseKey, reason }: MalformedRow): LeaseLine {
  return {
    leaseKey,
    owner: null,
    counter: null,
    checkpoint: null,
    subSequenceNumber: null,
    parents: [],
    children: [],
    millisBehindLatest: null,
    malformed: reason,
  };
}

function checkpointOfLine({ checkpoint, subSequenceNumber, latestAt }: LeaseLine): string {
  return checkpointText({
    checkpoint: checkpoint ?? '',
    checkpointSubSequenceNumber: subSequenceNumber ?? 0,
    ...(latestAt === undefined ? {} : { kinactLatestAt: Date.parse(latestAt) }),
  });
}

function table(tableName: string, lines: readonly LeaseLine[]): string {
  if (lines.length === 0) return `table '${tableName}' has no leases`;
  const head = ['LEASE', 'OWNER', 'COUNTER', 'CHECKPOINT', 'PARENTS', 'CHILDREN'];
  const cells = lines.map((line) => {
    if (line.malformed !== undefined) return [line.leaseKey, '!', '', `malformed: ${line.malformed}`, '', ''];
    if (line.shardIsOpen === true) {
      const what = 'SHARD_END, but the shard is open: see kinact reset --help';
      return [line.leaseKey, '!', String(line.counter), what, line.parents.join(','), line.children.join(',')];
    }
    const owner = line.owner ?? (line.checkpoint === 'SHARD_END' ? '(ended)' : '(free)');
    return [
      line.leaseKey,
      owner,
      String(line.counter),
      checkpointOfLine(line),
      line.parents.join(','),
      line.children.join(','),
    ];
  });
  return alignColumns([head, ...cells]).join('\n');
}
