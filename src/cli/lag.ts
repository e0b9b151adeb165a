// `kinact lag`: how far each shard of an application is behind, and who owns it. It only reads. The work is in shard-lag.ts; this file
// reads the command line and prints.
import { listLeases } from '../aws/dynamodb/lease-listing.js';
import { sleep } from '../aws/sleep.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { visible } from '../core/visible.js';
import { alignColumns } from './columns.js';
import {
  applicationOf,
  readOptions,
  required,
  say,
  streamOf,
  UsageError,
  type Command,
  type CommandIo,
} from './command.js';
import { retryReporter } from './retry-report.js';
import { lagSources, settledPerSecond, type ShardLag } from './shard-lag.js';
import { sourceOf } from './table-reference.js';

const defaultWatchMs = 10_000;
const minWatchMs = 2_000;

export const lag: Command = {
  usage: `Usage: kinact lag --application A [--stream S|--table T] [--watch [MS]] [--json]

Prints for each shard that has not ended who owns it and how far it is behind, from the lease table and the service alone.

  --application A   the application, which is the name of its lease table
  --stream S        only the shards of this stream, by name or ARN; also the stream of rows that name none (of Java workers)
  --table T         the same for an application that reads the changes of a DynamoDB table, by name or the ARN of its stream
  --watch [MS]      again every MS milliseconds, 10000 by default and at least 2000, until Ctrl-C
  --json            one JSON line for each shard and look: { at, leaseKey, stream, shardId, owner, hasLease, isMalformed,
                    waits, checkpoint, subSequenceNumber, readLagMs, settledLagMs, arrivingPerSecond, settledPerSecond, problem }. What is
                    unknown is null. owner is null when the lease is free, waits is true while a parent has not ended.
                    hasLease is false for a shard without a row: no worker has seen it. isMalformed: its row cannot be read.

READ LAG      how far the checkpoint is behind the tip of the shard. Reading is at least as far as the checkpoint.
SETTLED LAG   how old the oldest record is that the checkpoint does not cover; 0 only when there is none.
ARRIVING      records a second that were written after the checkpoint, from a sample of at most 100. An aggregate is one.
SETTLED       records a second that became durable since the look before: an estimate, with --watch.

A look costs a ListShards for each stream, and at most one GetShardIterator (or a few, if the position is gone) and four GetRecords per shard, about 64 KiB. A
shard has five reads a second for all its readers together, and that of a table two readers. A throttled call is made once more.

Exit codes: 0 every shard was looked at; 1 some could not be, or the table cannot be read or has no such row; 2 wrong usage.
`,
  handlesSignals: true,
  async run(args, io) {
    const { watchMs, rest } = watchArgument(args);
    const options = readOptions(rest, { application: 'string', stream: 'string', table: 'string', json: 'boolean' });
    const tableName = applicationOf(required(options.application, 'application'));
    const given = sourceOf(options, streamOf);
    const onRetry = retryReporter((text) => say(io, text), hostEnvironment.clock);
    const sources = lagSources(given, hostEnvironment);
    const before = new Map<string, ShardLag>();
    try {
      for (;;) {
        const { rows, malformed } = await listLeases({ tableName, ...hostEnvironment, onRetry }, io.signal);
        const { lags, unlisted, rows: own } = await sources.look({ rows, malformed }, io.signal);
        if (io.signal.aborted) return 0;
        if (own === 0 && malformed.length === 0) return noRows(io, tableName, options.stream ?? options.table);
        for (const { stream, problem } of unlisted) say(io, `${stream}: its shards cannot be listed: ${problem}`);
        for (const { leaseKey, reason } of malformed) say(io, `lease ${leaseKey} cannot be read: ${reason}`);
        for (const { leaseKey, problem, isMalformed } of lags)
          if (problem !== undefined && !isMalformed) say(io, `${leaseKey}: ${problem}`);
        const isWhole =
          malformed.length === 0 && unlisted.length === 0 && lags.every(({ problem }) => problem === undefined);
        await print(io, options.json ? jsonLines(lags, before) : table(lags, before));
        if (watchMs === undefined) return isWhole ? 0 : 1;
        for (const each of lags) before.set(each.leaseKey, each);
        await sleep(hostEnvironment.timers, watchMs, io.signal, 'the watch').catch(() => undefined);
        if (io.signal.aborted) return 0;
      }
    } catch (error) {
      if (watchMs !== undefined && io.signal.aborted) return 0;
      throw error;
    } finally {
      sources.close();
    }
  },
};

/** Says that nothing is known about the application or its stream. Zero shards would look like zero lag. */
function noRows(io: CommandIo, tableName: string, stream: string | undefined): number {
  const what = stream === undefined ? 'has no rows' : `has no row of ${stream}`;
  say(
    io,
    `the lease table ${tableName} ${what}: check the names; until a first worker has started, there is no lag to show`,
  );
  return 1;
}

/** Takes `--watch` and its number, which may be left out, from the arguments. */
export function watchArgument(args: readonly string[]): {
  readonly watchMs: number | undefined;
  readonly rest: readonly string[];
} {
  const at = args.findIndex((arg) => arg === '--watch' || arg.startsWith('--watch='));
  if (at < 0) return { watchMs: undefined, rest: args };
  const [, inline] = (args[at] as string).split('=');
  const next = args[at + 1];
  const isNext = inline === undefined && next !== undefined && /^\d/.test(next);
  const text = inline ?? (isNext ? next : String(defaultWatchMs));
  if (!/^\d{1,9}$/.test(text) || Number(text) < minWatchMs)
    throw new UsageError(`--watch: expected milliseconds, ${minWatchMs} to 999999999, got '${text}'`);
  return { watchMs: Number(text), rest: [...args.slice(0, at), ...args.slice(at + (isNext ? 2 : 1))] };
}

function print({ stdout }: CommandIo, text: string): Promise<void> {
  return new Promise((resolve) => stdout.write(text, () => resolve()));
}

function jsonLines(lags: readonly ShardLag[], before: ReadonlyMap<string, ShardLag>): string {
  return lags
    .map((each) => {
      const { at, leaseKey, stream, shardId, owner = null, hasLease, isMalformed, waits } = each;
      const { checkpoint, subSequenceNumber } = each;
      const { readLagMs = null, settledLagMs = null, problem = null } = each;
      const rates = {
        arrivingPerSecond: rounded(each.arrivingPerSecond),
        settledPerSecond: rounded(settledPerSecond(before.get(leaseKey), each)),
      };
      const place = { at: new Date(at).toISOString(), leaseKey, stream, shardId, owner, hasLease, isMalformed, waits };
      const line = { ...place, checkpoint, subSequenceNumber, readLagMs, settledLagMs, ...rates, problem };
      return `${visible(JSON.stringify(line))}\n`;
    })
    .join('');
}

const rounded = (perSecond: number | undefined): number | null =>
  perSecond === undefined ? null : Math.round(perSecond * 10) / 10;

function table(lags: readonly ShardLag[], before: ReadonlyMap<string, ShardLag>): string {
  const head = ['LEASE', 'OWNER', 'READ LAG', 'SETTLED LAG', 'ARRIVING', 'SETTLED'];
  const rate = (perSecond: number | undefined): string => (perSecond === undefined ? '-' : `${rounded(perSecond)}/s`);
  const cells = lags.map((each) => [
    each.leaseKey,
    each.owner ?? ownerless(each),
    span(each.readLagMs),
    span(each.settledLagMs),
    rate(each.arrivingPerSecond),
    rate(settledPerSecond(before.get(each.leaseKey), each)),
  ]);
  return `${[...alignColumns([head, ...cells]), '', summary(lags), ''].join('\n')}\n`.replace(/\n\n$/, '\n');
}

function ownerless({ hasLease, isMalformed, waits }: ShardLag): string {
  if (!hasLease) return '(no lease)';
  if (isMalformed) return '(malformed row)';
  return waits ? '(waits for its parent)' : '(free)';
}

function summary(lags: readonly ShardLag[]): string {
  const shards = `${lags.length} ${lags.length === 1 ? 'shard' : 'shards'}`;
  const free = lags.filter(({ owner, waits }) => owner === undefined && !waits).length;
  const known = lags.flatMap(({ settledLagMs, leaseKey }) =>
    settledLagMs === undefined ? [] : [{ settledLagMs, leaseKey }],
  );
  const worst = known.toSorted((one, other) => other.settledLagMs - one.settledLagMs)[0];
  const oldest =
    worst === undefined
      ? 'no lag is known'
      : worst.settledLagMs === 0
        ? known.length < lags.length
          ? 'what is known of is settled and durable'
          : 'everything is settled and durable'
        : `the oldest record without a durable checkpoint is ${span(worst.settledLagMs)} old (${visible(worst.leaseKey)})`;
  const unknown = lags.length - known.length;
  return [
    `${shards}: ${oldest}`,
    ...(free > 0 ? [`${free} without an owner`] : []),
    ...(unknown > 0 ? [`${unknown} of unknown lag`] : []),
  ].join('; ');
}

function span(ms: number | undefined): string {
  if (ms === undefined) return '-';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
