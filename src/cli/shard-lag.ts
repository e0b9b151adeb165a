// How far the shards of an application are behind, for `kinact lag`: from the rows of its lease table, and one bounded look at each shard.
// Workers are not asked, so every figure is about the checkpoint in the row: what would be read first if all workers died now.
import { streamArnParts } from '../aws/dynamodb-streams/stream-arn.js';
import type { LeaseRow } from '../core/lease.js';
import type { PositionLook, StartPosition } from '../core/position.js';
import { hasEnded } from '../core/shard-graph.js';
import { arnOf, isTableStream } from '../core/stream-identity.js';
import type { LeaseScan, StreamSource } from '../api/ports.js';
import type { Environment } from '../api/source.js';
import { errorLine } from './command.js';
import { isTable, openSource, type SourceReference } from './table-reference.js';
import { parentIds, unleasedShards } from './unleased-shards.js';

/** What is known about one shard that has not ended. */
export interface ShardLag {
  readonly leaseKey: string;
  readonly shardId: string;
  /** The stream by ARN or name. */
  readonly stream: string;
  readonly owner: string | undefined;
  /** The lease table has a row for the shard. */
  readonly hasLease: boolean;
  /** That row cannot be read. */
  readonly isMalformed: boolean;
  /** Its parents have not ended, so no worker reads it yet. */
  readonly waits: boolean;
  readonly checkpoint: string;
  readonly subSequenceNumber: number;
  /** How far the checkpoint is behind the tip. Reading is no further behind. Undefined: unknown. */
  readonly readLagMs: number | undefined;
  /** The age of the oldest record that the checkpoint does not cover; 0 only if there is none. Undefined: unknown. */
  readonly settledLagMs: number | undefined;
  /** How many records a second were written to the shard after the checkpoint. Undefined: too few are known. */
  readonly arrivingPerSecond: number | undefined;
  /** The time of this look, epoch milliseconds. */
  readonly at: number;
  /** Why the figures are unknown. */
  readonly problem?: string;
}

/** One look at all shards. */
export interface Looked {
  readonly lags: readonly ShardLag[];
  /** Streams whose shards could not be listed: shards without a row may be left out. */
  readonly unlisted: readonly { readonly stream: string; readonly problem: string }[];
  /** How many rows belong to the streams in question, ended ones included. */
  readonly rows: number;
}

const maxLooksAtOnce = 8;

/** The streams of an application, each opened at its first look. */
export interface LagSources {
  /** Looks at every shard that has not ended, and at those that the service lists and that have no row. */
  look(scan: Pick<LeaseScan, 'rows' | 'malformed'>, signal: AbortSignal): Promise<Looked>;
  close(): void;
}

/** `given`: the rows of this stream only, and also the stream of rows that name none. */
export function lagSources(given: SourceReference | undefined, environment: Environment): LagSources {
  const opened = new Map<string, StreamSource>();
  const sourceOf = (reference: SourceReference): StreamSource => {
    const name = nameOf(reference);
    const source = opened.get(name) ?? openSource(reference, environment);
    opened.set(name, source);
    return source;
  };
  return {
    async look({ rows, malformed }, signal) {
      const own = rows.filter((row) => isOf(row, given));
      const complaints = new Map(malformed.map(({ leaseKey, reason }) => [leaseKey, reason]));
      const { found, unlisted } = await shardsWithoutRow({ own, complaints, given, sourceOf, signal });
      const ended = new Set(rows.filter(hasEnded).map(({ leaseKey }) => leaseKey));
      const known = new Set([...rows, ...found].map(({ leaseKey }) => leaseKey));
      const wanted = [...own.filter((row) => !hasEnded(row)), ...found];
      const lags: ShardLag[] = [];
      const left = wanted.values();
      const work = async (): Promise<void> => {
        for (const shard of left) {
          const waits = parentKeys(shard).some((parent) => known.has(parent) && !ended.has(parent));
          const reference = 'reference' in shard ? shard.reference : referenceOf(shard, given);
          lags.push(await lagOf(shard, { waits, reference, sourceOf, environment, signal }));
        }
      };
      await Promise.all(Array.from({ length: maxLooksAtOnce }, work));
      return {
        lags: lags.toSorted((one, other) => (one.leaseKey < other.leaseKey ? -1 : 1)),
        unlisted,
        rows: own.length,
      };
    },
    close() {
      for (const source of opened.values()) source.close();
    },
  };
}

type SeenRow = Pick<
  LeaseRow,
  | 'leaseKey'
  | 'shardId'
  | 'parentShardIds'
  | 'leaseOwner'
  | 'checkpoint'
  | 'checkpointSubSequenceNumber'
  | 'kinactLatestAt'
>;

/** A shard without a row, as the row that its worker will create; or with a malformed one. */
type RowlessShard = SeenRow & { readonly reference: SourceReference; readonly complaint: string | undefined };

interface Listing {
  readonly own: readonly LeaseRow[];
  /** Why a row is malformed, by lease key. */
  readonly complaints: ReadonlyMap<string, string>;
  readonly given: SourceReference | undefined;
  readonly sourceOf: (reference: SourceReference) => StreamSource;
  readonly signal: AbortSignal;
}

async function shardsWithoutRow({
  own: rows,
  complaints,
  given,
  sourceOf,
  signal,
}: Listing): Promise<{ readonly found: readonly RowlessShard[]; readonly unlisted: Looked['unlisted'] }> {
  const found: RowlessShard[] = [];
  const unlisted: { stream: string; problem: string }[] = [];
  const references = rows.flatMap((row) => referenceOf(row, given) ?? []);
  for (const [name, reference] of new Map(references.map((each) => [nameOf(each), each]))) {
    const ofStream = rows.filter((row) => nameOf(referenceOf(row, given)) === name);
    const prefix = prefixOf(ofStream[0] as LeaseRow);
    const leased = new Set(ofStream.map(({ leaseKey, shardId = leaseKey }) => shardId));
    try {
      const { shards } = await sourceOf(reference).listShards({ type: 'all' }, signal);
      for (const shard of unleasedShards(shards, leased)) {
        const { shardId } = shard;
        const leaseKey = prefix + shardId;
        const start = { checkpoint: 'TRIM_HORIZON', checkpointSubSequenceNumber: 0, reference };
        const complaint = complaints.get(leaseKey);
        found.push({ leaseKey, shardId, parentShardIds: [...parentIds(shard)], ...start, complaint });
      }
    } catch (error) {
      unlisted.push({ stream: name, problem: errorLine(error) });
    }
  }
  return { found, unlisted };
}

const nameOf = (reference: SourceReference | undefined): string =>
  reference?.streamArn ?? reference?.streamName ?? `table ${reference?.tableName}`;

const prefixOf = ({ leaseKey, shardId = leaseKey }: SeenRow): string =>
  leaseKey.slice(0, leaseKey.length - shardId.length);

function parentKeys(row: SeenRow): readonly string[] {
  return row.parentShardIds.map((parent) => prefixOf(row) + parent);
}

/** The stream that a row names; the given one if the row names none. */
function referenceOf(
  { kinactStream, streamName }: LeaseRow,
  given: SourceReference | undefined,
): SourceReference | undefined {
  if (kinactStream !== undefined) return { streamArn: arnOf(kinactStream) };
  const name = streamName?.split(':')[1];
  // The Java adapter for tables writes a name that is none of Kinesis.
  return name === undefined || name.includes('$') ? given : { streamName: name };
}

function isOf(row: LeaseRow, given: SourceReference | undefined): boolean {
  if (given === undefined) return true;
  const named = referenceOf(row, given);
  if (named === undefined || named === given) return true;
  const arn = named.streamArn;
  if (given.streamArn !== undefined) return arn === given.streamArn || given.streamArn.endsWith(`/${named.streamName}`);
  if (given.tableName !== undefined) return arn !== undefined && streamArnParts(arn)?.table === given.tableName;
  return (arn === undefined ? named.streamName : isTableStream(arn) ? '' : arn.split('/')[1]) === given.streamName;
}

interface Looking {
  readonly waits: boolean;
  readonly reference: SourceReference | undefined;
  readonly sourceOf: (reference: SourceReference) => StreamSource;
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

async function lagOf(
  row: SeenRow | RowlessShard,
  { waits, reference, sourceOf, environment, signal }: Looking,
): Promise<ShardLag> {
  const { leaseKey, shardId = leaseKey, leaseOwner: owner, checkpoint, checkpointSubSequenceNumber } = row;
  const complaint = 'complaint' in row ? row.complaint : undefined;
  const figures = (look: PositionLook | undefined, problem?: string): ShardLag => {
    const at = environment.clock.wallNow();
    return {
      leaseKey,
      shardId,
      owner,
      waits,
      checkpoint,
      subSequenceNumber: checkpointSubSequenceNumber,
      at,
      hasLease: !('reference' in row) || complaint !== undefined,
      isMalformed: complaint !== undefined,
      stream: reference?.streamArn ?? reference?.streamName ?? reference?.tableName ?? '',
      ...(look === undefined ? unknownFigures : figuresOf(look, at)),
      ...(problem === undefined ? {} : { problem }),
    };
  };
  if (complaint !== undefined) return figures(undefined, `its row cannot be read: ${complaint}`);
  if (reference === undefined) return figures(undefined, 'the row names no stream: give --stream or --table');
  const start = startOf(row);
  if (start === undefined) return figures(undefined, `the row has no time for ${checkpoint}`);
  // A table's stream has no start at a time, and the records before it may be many.
  if (start.type === 'atTimestamp' && isTable(reference))
    return figures(undefined, 'LATEST of a table, before its first checkpoint');
  try {
    const look = await sourceOf(reference).look?.(shardId, start, signal);
    return figures(look, look?.isKnown === false ? problemOf(look) : undefined);
  } catch (error) {
    return figures(undefined, errorLine(error));
  }
}

function problemOf({ newestBelow, isTip }: PositionLook): string {
  if (newestBelow === undefined) return 'no record was found with a few reads';
  const what = isTip ? 'is beyond the newest record' : 'was answered with a record before it';
  return `the checkpoint ${what}, ${newestBelow}: it is of another stream, or was set by hand`;
}

function startOf({ checkpoint, checkpointSubSequenceNumber: sub, kinactLatestAt }: SeenRow): StartPosition | undefined {
  switch (checkpoint) {
    case 'TRIM_HORIZON':
      return { type: 'trimHorizon' };
    case 'LATEST':
      return kinactLatestAt === undefined ? undefined : { type: 'atTimestamp', timestampMs: kinactLatestAt };
    case 'AT_TIMESTAMP':
    case 'SHARD_END':
      return undefined;
    default:
      return { type: 'after', position: { sequenceNumber: checkpoint, subSequenceNumber: sub } };
  }
}

type Figures = Pick<ShardLag, 'readLagMs' | 'settledLagMs' | 'arrivingPerSecond'>;

const unknownFigures: Figures = { readLagMs: undefined, settledLagMs: undefined, arrivingPerSecond: undefined };

/** The service gives its time in whole seconds. Clocks that are no further apart may agree. */
const clockSlackMs = 2_000;

/**
 * The figures of a look at `localNow`. If the clock of this machine is wrong, ages count by that of the service. No age of a record is 0:
 * that means that there is none.
 */
export function figuresOf(look: PositionLook, localNow: number): Figures {
  const { records, isTip, isKnown, millisBehindLatest, serviceTimeMs = localNow } = look;
  if (!isKnown) return unknownFigures;
  const now = Math.abs(serviceTimeMs - localNow) < clockSlackMs ? localNow : serviceTimeMs;
  const arrivals = records.flatMap(({ arrivedAt }) => arrivedAt ?? []);
  const [first] = arrivals;
  if (records.length === 0) return { readLagMs: millisBehindLatest ?? 0, settledLagMs: 0, arrivingPerSecond: 0 };
  if (first === undefined) return { ...unknownFigures, readLagMs: millisBehindLatest };
  const settledLagMs = Math.max(1, millisBehindLatest ?? 0, now - first);
  return {
    // Without the service's figure: reading is no further behind than the oldest record.
    readLagMs: millisBehindLatest ?? settledLagMs,
    settledLagMs,
    arrivingPerSecond: rateOf(arrivals, isTip ? now : undefined),
  };
}

/** Records a second. At the tip they came until now; before it, the sample ends with its last record. */
function rateOf(arrivals: readonly number[], until: number | undefined): number | undefined {
  const first = Math.min(...arrivals);
  const spanMs = (until ?? Math.max(...arrivals)) - first;
  const count = until === undefined ? arrivals.length - 1 : arrivals.length;
  return spanMs <= 0 || count === 0 ? undefined : (count * 1_000) / spanMs;
}

/**
 * How many records a second became durable between two looks at a shard. It is an estimate: the rate of arrivals, times how fast the
 * oldest record moved in the time of the stream. Undefined if a look knows too little.
 */
export function settledPerSecond(before: ShardLag | undefined, now: ShardLag): number | undefined {
  if (before?.settledLagMs === undefined || now.settledLagMs === undefined || now.at <= before.at) return undefined;
  const isSame = before.checkpoint === now.checkpoint && before.subSequenceNumber === now.subSequenceNumber;
  if (isSame) return 0;
  const perSecond =
    now.arrivingPerSecond === undefined || now.arrivingPerSecond === 0
      ? before.arrivingPerSecond
      : now.arrivingPerSecond;
  if (perSecond === undefined) return undefined;
  const passedMs = now.at - now.settledLagMs - (before.at - before.settledLagMs);
  return Math.max(0, (perSecond * passedMs) / (now.at - before.at));
}
