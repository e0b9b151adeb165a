// Reads a stream of parked items back: every shard from its oldest record to what was there when the reading began. The items stay in
// memory, because a stream cannot be read again at a place as fast as a file.
import type { ReadResult, SourceNotice, StreamSource } from '../api/ports.js';
import { buffered } from '../core/buffer-view.js';
import { partJoiner, type PartJoiner } from './line-parts.js';
import { entryList, type EntryList, type ParkedEntries } from './parked-entries.js';
import { lineMembers, readParkedLine, storedItem } from './parked-line.js';

/** How many shards are read at the same time. */
const shardsAtOnce = 8;

interface Reading {
  readonly source: StreamSource;
  readonly list: EntryList;
  readonly joiner: PartJoiner;
  readonly known: Set<string>;
  /** The service's time when the reading began. */
  readonly untilMs: number;
  readonly notice: (notice: SourceNotice) => void;
}

/** Rejects with the first failure that no retry can repair. The source is the caller's. */
export async function readParkedStream(
  source: StreamSource,
  notice: (notice: SourceNotice) => void,
  signal: AbortSignal,
): Promise<ParkedEntries> {
  const { shards, serviceTimeMs } = await source.listShards({ type: 'all' }, signal);
  const reading: Reading = {
    source,
    list: entryList(),
    joiner: partJoiner(),
    known: new Set(),
    untilMs: serviceTimeMs,
    notice,
  };

  const waiting = shards.map(({ shardId }) => shardId);
  const readSome = async (): Promise<void> => {
    for (let shardId = waiting.shift(); shardId !== undefined; shardId = waiting.shift())
      await readShard(reading, shardId, signal);
  };
  await Promise.all(Array.from({ length: shardsAtOnce }, readSome));

  const { list, joiner, known } = reading;
  for (const { place, reason } of joiner.incomplete((key) => known.has(key))) list.complain(place, reason);
  return list.finish();
}

async function readShard(reading: Reading, shardId: string, signal: AbortSignal): Promise<void> {
  const reader = reading.source.open(shardId, { type: 'trimHorizon' }, reading.notice);
  try {
    for (;;) {
      const result = await reader.read(signal);
      if (result.type === 'shardEnd') return;
      for (const raw of result.records) readRecord(reading, `${shardId}/${raw.sequenceNumber}`, buffered(raw).data);
      if (isAtTip(result, reading.untilMs)) return;
    }
  } finally {
    reader.close();
  }
}

/** The tip is an empty answer without a backlog. On a stream that never rests, it is a record younger than the reading. */
function isAtTip(
  { records, millisBehindLatest = 0 }: Extract<ReadResult, { readonly type: 'records' }>,
  untilMs: number,
): boolean {
  const last = records.at(-1);
  return last === undefined ? millisBehindLatest === 0 : (last.arrivedAt ?? 0) > untilMs;
}

function readRecord({ list, joiner, known }: Reading, place: string, data: Buffer): void {
  const members = lineMembers(data);
  if (typeof members === 'string') return list.complain(place, members);
  let item = 'part' in members ? undefined : storedItem(members);
  if (item === undefined) {
    const line = joiner.add(members, place);
    if (line === undefined) return undefined;
    item = typeof line === 'string' ? line : readParkedLine(line);
  }
  if (typeof item === 'string') return list.complain(place, item);
  const whole = item;
  known.add(whole.idempotencyKey);
  return list.add(whole, () => Promise.resolve(whole));
}
