// `kinact leases`: who owns which lease, from one scan of the lease table. It only reads, and works on any KCL table.
import { listLeases } from '../aws/dynamodb/lease-listing.js';
import { failoverOf } from '../core/lease-failover.js';
import { wishOf } from '../core/lease-wish.js';
import type { LeaseRow } from '../core/lease.js';
import { arnOf, createdAt } from '../core/stream-identity.js';
import type { MalformedRow } from '../api/ports.js';
import type { Environment } from '../api/source.js';
import { resetCommand } from '../api/stream-changed.js';
import { visible } from '../core/visible.js';
import { checkpointText } from './checkpoint-text.js';
import { alignColumns } from './columns.js';
import { applicationOf, readOptions, required, say, type Command, type CommandIo } from './command.js';
import { findContradictions } from './lease-contradictions.js';
import { retryReporter } from './retry-report.js';
import { hostEnvironment } from '../consumer/host-environment.js';

/** One element of what `--json` prints. */
export interface LeaseLine {
  readonly leaseKey: string;
  /**
   * The ARN of the stream that the row was made for; without an ARN, the stream in the key of a multi-stream row; else null.
   */
  readonly stream: string | null;
  /** When that stream was created, in ISO 8601; only if the row has it. */
  readonly streamCreatedAt?: string;
  /** Null when free. */
  readonly owner: string | null;
  readonly counter: number | null;
  readonly checkpoint: string | null;
  readonly subSequenceNumber: number | null;
  readonly parents: readonly string[];
  readonly children: readonly string[];
  /** Null: the table does not have it, and asking every shard would take reads away from its owner. */
  readonly millisBehindLatest: null;
  /** Only for a row that cannot be read: the reason. */
  readonly malformed?: string;
  /** Only for a row at LATEST that has the moment: the time where reading begins, in ISO 8601. */
  readonly latestAt?: string;
  /** Only if the owner is a kinact worker that has written it: its `leases.failoverMs`. */
  readonly failoverMs?: number;
  /** Only if another kinact worker, perhaps dead by now, has asked the owner for the lease: its worker id. */
  readonly askedBy?: string;
  /** Only for a row that has ended although its shard is listed as open: no worker reads that shard. */
  readonly shardIsOpen?: true;
}

export const leases: Command = {
  usage: `Usage: kinact leases --application A [--json]

Lists the leases of an application: one scan of its lease table, which is not changed.

  --application A   the application, which is the name of its lease table, in the region of the AWS environment
  --json            one JSON array of { leaseKey, stream, owner, counter, checkpoint, subSequenceNumber, parents, children,
                    millisBehindLatest }. stream is the ARN in the row, null where it has none. owner is null when the
                    lease is free, millisBehindLatest when it is unknown. Some rows have more members:
                      streamCreatedAt  when the stream was created
                      latestAt         when LATEST was, for a lease at LATEST
                      failoverMs       the failover time that a kinact worker wrote when it took the lease
                      askedBy          a kinact worker that has asked the owner for the lease
                      malformed        why the row cannot be read
                      shardIsOpen      true: the row says SHARD_END, but its stream lists the shard as open (! in the table)

Exit codes: 0 every row was read; 1 some could not be, or the table cannot be read; 2 wrong usage.
An open shard whose lease has ended is looked at twice, a minute apart, before it is marked: a listing may be old.
`,
  handlesSignals: false,
  async run(args, io) {
    const options = readOptions(args, { application: 'string', json: 'boolean' });
    const tableName = applicationOf(required(options.application, 'application'));
    return await printLeases({ tableName, asJson: options.json }, hostEnvironment, io);
  },
};

/** The work of `kinact leases`, with the caller's streams, services and clock. Resolves to the exit code. */
export async function printLeases(
  { tableName, asJson }: { readonly tableName: string; readonly asJson: boolean },
  environment: Environment,
  io: CommandIo,
): Promise<number> {
  const tell = (text: string): void => say(io, text);
  const { rows, malformed, kcl3 } = await listLeases(
    { tableName, ...environment, onRetry: retryReporter(tell, environment.clock) },
    io.signal,
  );

  const { leaseKeys: contradicting, unasked } = await findContradictions(rows, environment, io.signal, tell);
  for (const reason of unasked) say(io, reason);
  for (const row of rows.filter(({ leaseKey }) => contradicting.has(leaseKey))) say(io, remedyOf(row, tableName));

  const lines = [
    ...rows.map((row) => lineOf(row, contradicting.has(row.leaseKey))),
    ...malformed.map(malformedLine),
  ].toSorted((a, b) => (a.leaseKey < b.leaseKey ? -1 : 1));
  if (kcl3 !== undefined)
    say(
      io,
      `table '${tableName}' is governed by KCL 3: ${kcl3}. A leader assigns its leases, and kinact takes no part; kinact adopt --help explains the take-over`,
    );

  const text = asJson ? visible(JSON.stringify(lines)) : table(tableName, lines);
  await new Promise((resolve) => io.stdout.write(`${text}\n`, resolve));
  for (const { leaseKey, reason } of malformed) say(io, `lease ${leaseKey} cannot be read: ${reason}`);
  return malformed.length === 0 ? 0 : 1;
}

function remedyOf({ leaseKey, shardId = leaseKey, kinactStream = '' }: LeaseRow, table: string): string {
  const command = resetCommand({ stream: arnOf(kinactStream), table, liveStream: kinactStream, shardId });
  return `lease ${leaseKey} is at SHARD_END, but its shard is open, so no worker reads it: stop all workers of the application, and set where reading starts: ${command} (prints the plan; --yes applies it)`;
}

function lineOf(row: LeaseRow, shardIsOpen: boolean): LeaseLine {
  const failoverMs = failoverOf(row);
  const askedBy = wishOf(row)?.workerId;
  return {
    leaseKey: row.leaseKey,
    ...streamOfRow(row),
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
    ...(failoverMs === undefined ? {} : { failoverMs }),
    ...(askedBy === undefined ? {} : { askedBy }),
    ...(shardIsOpen ? { shardIsOpen } : {}),
  };
}

function malformedLine({ leaseKey, reason }: MalformedRow): LeaseLine {
  return {
    leaseKey,
    stream: null,
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

function streamOfRow({ kinactStream, streamName }: LeaseRow): Pick<LeaseLine, 'stream' | 'streamCreatedAt'> {
  if (kinactStream === undefined) return { stream: streamName ?? null };
  const created = createdAt(kinactStream);
  return { stream: arnOf(kinactStream), ...(created === undefined ? {} : { streamCreatedAt: created }) };
}

/** The lines below the table: each stream with its number of leases. */
function streamLines(lines: readonly LeaseLine[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { stream, streamCreatedAt, malformed } of lines) {
    if (malformed !== undefined) continue;
    const created = streamCreatedAt === undefined ? '' : ` (created ${streamCreatedAt})`;
    const heading = stream === null ? 'no stream named in the row' : `stream ${stream}${created}`;
    counts.set(heading, (counts.get(heading) ?? 0) + 1);
  }
  return [...counts].map(([heading, count]) => visible(`${heading}: ${count} ${count === 1 ? 'lease' : 'leases'}`));
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
      const checkpoint = 'SHARD_END, but the shard is open: see kinact reset --help';
      return [line.leaseKey, '!', String(line.counter), checkpoint, line.parents.join(','), line.children.join(',')];
    }
    const owner = line.owner ?? (line.checkpoint === 'SHARD_END' ? '(ended)' : '(free)');
    return [
      line.leaseKey,
      line.askedBy === undefined ? owner : `${owner}, asked by ${line.askedBy}`,
      String(line.counter),
      checkpointOfLine(line),
      line.parents.join(','),
      line.children.join(','),
    ];
  });
  return [...alignColumns([head, ...cells]), '', ...streamLines(lines)].join('\n');
}
