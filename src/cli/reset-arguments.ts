// Reads shards and position from the arguments of `kinact reset`, and the streams from lease rows.
import type { LeaseRow } from '../core/lease.js';
import { arnOf } from '../core/stream-identity.js';
import { isDecimal } from '../core/decimal.js';
import { pastTime, timeExpected, timeOf, UsageError } from './command.js';
import { referenceIn, type SourceReference } from './table-reference.js';

/** Where reading is to begin, as given by `--to`. */
export type AskedPosition =
  | { readonly type: 'trimHorizon' }
  | { readonly type: 'latest' }
  | { readonly type: 'at'; readonly timestampMs: number }
  | { readonly type: 'after'; readonly sequenceNumber: string };

/** Takes `--shard a b`, `--shard a --shard b` and `--shard a,b` out of the arguments. */
export function shardArguments(args: readonly string[]): {
  readonly shards: ReadonlySet<string> | undefined;
  readonly rest: readonly string[];
} {
  const shards: string[] = [];
  const rest: string[] = [];
  let isShard = false;

  for (const arg of args) {
    const inline = arg.startsWith('--shard=') ? arg.slice('--shard='.length) : undefined;
    if (arg === '--shard' || inline === '') shards.push('');
    if (inline !== undefined) shards.push(...inline.split(','));
    else if (arg !== '--shard' && isShard && !arg.startsWith('-')) shards.push(...arg.split(','));
    else if (arg !== '--shard') rest.push(arg);
    isShard = arg === '--shard' || (isShard && !arg.startsWith('-'));
  }

  const named = shards.filter((shardId) => shardId !== '');
  if (shards.length > 0 && named.length === 0) throw new UsageError('--shard: expected a shard id');
  const wrong = named.find((shardId) => !/^[a-zA-Z0-9_.-]{1,128}$/.test(shardId));
  if (wrong !== undefined) throw new UsageError(`--shard: '${wrong}' is no shard id`);
  return { shards: named.length === 0 ? undefined : new Set(named), rest };
}

export function positionOf(text: string, nowMs: number): AskedPosition {
  if (text === 'TRIM_HORIZON') return { type: 'trimHorizon' };
  if (text === 'LATEST') return { type: 'latest' };
  if (isDecimal(text) && text.length <= 129) return { type: 'after', sequenceNumber: text };
  const at = timeOf(text);
  if (at === undefined)
    throw new UsageError(`--to: expected TRIM_HORIZON, LATEST, ${timeExpected}, or a sequence number, got '${text}'`);
  return { type: 'at', timestampMs: pastTime(at, text, '--to', nowMs).getTime() };
}

/** The streams that rows name, each once: by ARN if a row has it, because the stream may be in another account. */
export function streamsNamedIn(rows: readonly LeaseRow[]): readonly SourceReference[] {
  const texts = new Set(
    rows.map(({ kinactStream, streamName }) =>
      kinactStream === undefined ? (streamName?.split(':')[1] ?? '') : arnOf(kinactStream),
    ),
  );
  const named = [...texts].flatMap((text) => referenceIn(text) ?? []);
  const byArn = new Set(named.map(({ streamArn }) => streamArn?.split('/')[1]));
  const tables = named.map(({ tableName }) => tableName);
  return named.filter(
    ({ streamName, tableName }, index) =>
      (streamName === undefined || !byArn.has(streamName)) &&
      (tableName === undefined || tables.indexOf(tableName) === index),
  );
}
