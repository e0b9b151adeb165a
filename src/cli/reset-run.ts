// The work of `kinact reset` once its arguments are read. Invariant: without --yes nothing is written. With --yes, nothing is
// written if a worker may hold a row, and a row that has changed since it was read stays. src/core/reset-plan.ts makes the
// plan. Time and services are arguments, because the simulation runs this too.
import type { Writable } from 'node:stream';
import type { LeaseRewriter } from '../aws/dynamodb/lease-rewriter.js';
import { withRetry, type RetryOptions } from '../aws/retry.js';
import type { LeaseRow } from '../core/lease.js';
import { failoverOf } from '../core/lease-failover.js';
import { streamIdentifier } from '../core/lease-key.js';
import { writerPrefixOf, writerOf } from '../core/writer-signature.js';
import { planReset, rowsOfStream, type ResetStep } from '../core/reset-plan.js';
import { hasEnded } from '../core/shard-graph.js';
import { isTableStream, originOf, readableIdentity, streamIdentityOf } from '../core/stream-identity.js';
import { oneLine } from '../core/visible.js';
import { KinactError } from '../api/errors.js';
import type { LeaseScan, Random, StreamDescription, StreamSource } from '../api/ports.js';
import type { Environment } from '../api/source.js';
import { checkpointText } from './checkpoint-text.js';
import { alignColumns } from './columns.js';
import { confirmedListing } from './confirmed-listing.js';
import { say, UsageError, type CommandIo } from './command.js';
import { streamsNamedIn, type AskedPosition } from './reset-arguments.js';
import type { SourceReference } from './table-reference.js';
import { firstChangedRow } from './table-watch.js';

/**
 * The least time to watch counters: three renewals of a worker with the default failover time. A row with a longer failover
 * time extends it.
 */
export const minWatchMs = 30_000;

export interface ResetRequest {
  readonly tableName: string;
  readonly stream: SourceReference | undefined;
  readonly only: ReadonlySet<string> | undefined;
  readonly to: AskedPosition;
  readonly watchMs: number;
  readonly yes: boolean;
  /** For requests about the stream. */
  readonly retry: RetryOptions;
}

export interface ResetPlace {
  readonly environment: Environment;
  readonly table: LeaseRewriter;
  /** `runReset` closes every source that it opens. */
  readonly open: (source: SourceReference) => StreamSource;
}

/** The part of `CommandIo` that a reset uses. */
export type ResetIo = Pick<CommandIo, 'signal'> & {
  readonly stdout: Pick<Writable, 'write'>;
  readonly stderr: Pick<Writable, 'write'>;
};

/** Resolves to the exit code. Rejects with REFUSED, a UsageError, or the error of a service. */
export async function runReset(request: ResetRequest, place: ResetPlace, io: ResetIo): Promise<number> {
  const { table, environment } = place;
  const first = await table.scan(io.signal);

  const source = place.open(request.stream ?? onlyStream(first, request.tableName));
  try {
    const described = await withRetry(request.retry, () => source.describe(io.signal), io.signal);
    const keyPrefix = keyPrefixOf(first, described);
    // A user who gives an ARN wants that stream, so rows of another one are rewritten too.
    if (request.stream?.streamArn === undefined)
      refuseOtherStream(rowsOfStream(keyPrefix, first.rows), described, request.tableName);

    const scan = request.yes ? await scanAtRest(request, place, { keyPrefix, scan: first }, io) : first;
    const steps = await planSteps(request, { source, signal: io.signal }, scan, environment.random);
    await print(io, stepLines(steps));

    const { tableName } = request;
    if (!request.yes) {
      const todo = summary(steps, ['to rewrite', 'to create', 'to remove']);
      await print(io, [`reset: ${todo} in table '${tableName}'; nothing was changed, ${whenYes(steps)}`]);
      return 0;
    }

    await writeAll(request, table, steps, io.signal);
    await print(io, [`reset: ${summary(steps, ['rewritten', 'created', 'removed'])} in table '${tableName}'`]);
    return 0;
  } finally {
    source.close();
  }
}

function onlyStream({ rows }: LeaseScan, tableName: string): SourceReference {
  const named = streamsNamedIn(rows);
  if (named.length === 1) return named[0]!;
  const why =
    named.length === 0
      ? 'do not say which stream they are for'
      : `name several (${named.map((each) => each.streamArn ?? each.streamName ?? each.tableName).join(', ')})`;
  throw new UsageError(`--stream or --table is missing, and the rows of table '${tableName}' ${why}`);
}

/** Refuses rows of another stream, which shares the application name, or has the same name elsewhere. */
function refuseOtherStream(
  rows: readonly { readonly row: LeaseRow }[],
  { streamArn }: StreamDescription,
  tableName: string,
): void {
  const other = rows.find(
    ({ row }) => row.kinactStream !== undefined && originOf(row.kinactStream) !== originOf(streamArn),
  );
  if (other === undefined) return;
  const { leaseKey, kinactStream } = other.row;
  throw refused(
    `row ${leaseKey} was made for ${readableIdentity(kinactStream!)}, not for ${streamArn}: give each stream its own application name, or give --stream as an ARN to rewrite that stream's rows. Nothing was changed`,
    tableName,
  );
}

/** Keys are bare shard ids in a table for one stream. In a table for several, they begin with the stream's identifier. */
function keyPrefixOf({ rows, malformed }: LeaseScan, stream: StreamDescription): string | undefined {
  const isMultiStream = [...rows, ...malformed].some(({ leaseKey }) => /^\d+:[^:]+:\d+:/.test(leaseKey));
  return isMultiStream ? streamIdentifier(stream) : undefined;
}

function refused(reason: string, tableName: string): KinactError {
  return new KinactError('REFUSED', reason, { data: { table: tableName } });
}

/** One scan of the table, and the prefix of the stream's keys. */
interface Seen {
  readonly keyPrefix: string | undefined;
  readonly scan: LeaseScan;
}

/** Watches the unended rows of the stream. Resolves to the table if none changes for long enough, or throws REFUSED. */
async function scanAtRest(
  { tableName, only, watchMs: minMs }: ResetRequest,
  { table, environment }: ResetPlace,
  { keyPrefix, scan: first }: Seen,
  io: ResetIo,
): Promise<LeaseScan> {
  const own = (): readonly LeaseRow[] => rowsOfStream(keyPrefix, scan.rows, only).map(({ row }) => row);
  let scan = first;
  // A worker writes its name into each row that it holds, so no row is held. If a worker takes one now, our write is refused.
  if (own().every((row) => hasEnded(row) || row.leaseOwner === undefined)) return first;

  const watchMs = Math.max(minMs, ...own().map((row) => failoverOf(row) ?? 0));
  say(
    io,
    `watching the leases in table '${tableName}' for ${Math.ceil(watchMs / 1_000)} s, to see if a worker holds one (if workers renew less often and rows do not show it: --failover-ms)`,
  );

  const changedRow = await firstChangedRow(environment, watchMs, async () => {
    scan = await table.scan(io.signal);
    // A Java worker takes ended rows, too, and reads nothing there.
    return new Map(own().map((row) => [row.leaseKey, hasEnded(row) ? 'ended' : String(row.leaseCounter)]));
  });

  if (changedRow === undefined) return scan;
  const owner = own().find(({ leaseKey }) => leaseKey === changedRow)?.leaseOwner;
  const rowAndOwner = `row ${changedRow} is being written to${owner === undefined ? '' : `, by worker '${owner}'`}`;
  throw refused(`${rowAndOwner}: stop every worker of the application first. Nothing was changed`, tableName);
}

/** A stream, and the signal that ends requests to it. */
interface StreamAccess {
  readonly source: StreamSource;
  readonly signal: AbortSignal;
}

async function planSteps(
  { tableName, only, to, retry }: ResetRequest,
  { source, signal }: StreamAccess,
  scan: LeaseScan,
  random: Random,
): Promise<readonly ResetStep[]> {
  const description = await withRetry(retry, () => source.describe(signal), signal);
  const { status } = description;
  if (status !== 'ACTIVE' && status !== 'UPDATING')
    throw refused(`stream '${source.name}' is ${status}: wait until it is ACTIVE. Nothing was changed`, tableName);

  const known = rowsOfStream(keyPrefixOf(scan, description), scan.rows, only);
  const ids = known.filter(({ isCurrent }) => isCurrent).map(({ shardId }) => shardId);
  const { shards, serviceTimeMs } = await confirmedListing(source, ids, { ...retry, tableName }, signal);

  // In a checkpoint, the numbers of DynamoDB Streams have their leading zeros; the service refuses them otherwise.
  const position =
    to.type === 'after' && isTableStream(description.streamArn)
      ? { ...to, sequenceNumber: to.sequenceNumber.padStart(21, '0') }
      : to;

  const workerId = 'kinact reset';
  const plan = planReset({
    position:
      position.type === 'at'
        ? { ...position, openShardIds: await openAt(source, retry, position.timestampMs, signal) }
        : position,
    only,
    shards,
    rows: scan.rows,
    malformed: scan.malformed.map(({ leaseKey }) => leaseKey),
    listingProof: source.listingProof,
    rowContext: {
      keyPrefix: keyPrefixOf(scan, description),
      entityType: scan.rows.find(({ entityType }) => entityType !== undefined)?.entityType,
      writer: writerOf(writerPrefixOf(workerId, randomName(random)), 0),
      serviceTimeMs,
      stream: streamIdentityOf(description),
    },
  });

  if (plan.type === 'refused') throw refused(`${plan.reason}. Nothing was changed`, tableName);
  return plan.steps;
}

function randomName(random: Random): string {
  return random.next().toString(36).slice(2) + random.next().toString(36).slice(2);
}

async function openAt(
  source: StreamSource,
  retry: RetryOptions,
  timestampMs: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const filter = { type: 'atTimestamp', timestampMs } as const;
  const { shards } = await withRetry(retry, () => source.listShards(filter, signal), signal);
  return shards.map(({ shardId }) => shardId);
}

/** One row after the other: after an interrupted run, the next one writes all rows again. */
async function writeAll(
  { tableName }: ResetRequest,
  table: LeaseRewriter,
  steps: readonly ResetStep[],
  signal: AbortSignal,
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const rest = `${index} of ${steps.length} rows were done; stop every worker and run this command again`;
    let outcome: 'written' | 'refused';
    try {
      outcome = await table.write(step, signal);
    } catch (error) {
      const cause = error as Error;
      throw new KinactError('REFUSED', `row ${keyOf(step)} could not be written (${oneLine(cause.message)}): ${rest}`, {
        cause,
        data: { table: tableName, leaseKey: keyOf(step) },
      });
    }
    if (outcome === 'refused')
      throw refused(`row ${keyOf(step)} has been changed by another writer: ${rest}`, tableName);
  }
}

const keyOf = (step: ResetStep): string => (step.type === 'remove' ? step.seen : step.row).leaseKey;

function stepLines(steps: readonly ResetStep[]): readonly string[] {
  const cells = steps.map((step) => {
    const seen = step.type === 'create' ? undefined : step.seen;
    const owner = seen?.leaseOwner ?? (seen === undefined ? '' : '(free)');
    const before = seen === undefined ? '(no row)' : checkpointText(seen);
    return [
      keyOf(step),
      owner,
      before,
      step.type === 'remove' ? '(removed: not a shard of this stream)' : checkpointText(step.row),
    ];
  });
  return alignColumns([['LEASE', 'OWNER', 'CHECKPOINT', 'BECOMES'], ...cells]);
}

/** The owner of a row that has not ended may be alive: only watching shows that. */
function whenYes(steps: readonly ResetStep[]): string {
  const owners = steps.flatMap((step) =>
    step.type === 'create' || step.seen.leaseOwner === undefined || hasEnded(step.seen) ? [] : [step.seen.leaseOwner],
  );
  const named = [...new Set(owners)].slice(0, 3).map((owner) => `'${owner}'`);
  return named.length === 0
    ? '--yes applies it'
    : `--yes applies it once no worker holds a lease (owners: ${named.join(', ')})`;
}

/** How many rows are, or will be, rewritten, created and removed. */
function summary(steps: readonly ResetStep[], [rewrite, create, remove]: readonly [string, string, string]): string {
  const count = (type: ResetStep['type']): number => steps.filter((step) => step.type === type).length;
  const rewrites = count('rewrite');
  return `${rewrites} ${rewrites === 1 ? 'row' : 'rows'} ${rewrite}, ${count('create')} ${create}, ${count('remove')} ${remove}`;
}

async function print(io: ResetIo, lines: readonly string[]): Promise<void> {
  await new Promise((resolve) => io.stdout.write(`${lines.join('\n')}\n`, resolve));
}
