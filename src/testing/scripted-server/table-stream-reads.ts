// GetShardIterator and GetRecords over the streams of the scripted tables. An iterator is a fixed place: it does not move when
// records are trimmed, and LATEST is decided when it is issued. Called by scripted-tables.ts.
import { isDecimal } from '../../core/decimal.js';
import { AwsAnswerError } from './answer-errors.js';
import { validation } from './item-values.js';
import type { WriteInput } from './scripted-items.js';
import { limitIn, trimOld, type ScriptedChange, type ScriptedTableShard } from './scripted-table-streams.js';

/** The inside of an iterator. */
export interface StreamPlace {
  readonly stream: string;
  readonly shard: string;
  /** The lowest number that it reads. */
  readonly from: bigint;
}

const iteratorLifeMs = 15 * 60_000;
const mark = 'scripted-stream-iterator';

/** Issues and opens iterators. */
export interface IteratorBook {
  readonly issue: (place: StreamPlace) => string;
  /** Throws ValidationException for garbage, and ExpiredIteratorException for an iterator older than 15 minutes. */
  readonly open: (iterator: unknown) => StreamPlace;
  /** Every iterator issued until now has expired. */
  readonly expireAll: () => void;
}

export function createIteratorBook(now: () => number): IteratorBook {
  let issued = 0;
  let expired = 0;
  return {
    issue(place) {
      issued += 1;
      const content = { mark, ...place, from: String(place.from), at: now(), number: issued };
      return Buffer.from(JSON.stringify(content)).toString('base64');
    },
    open(iterator) {
      const opened = contentOf(iterator);
      if (opened.number <= expired || now() - opened.at > iteratorLifeMs)
        throw new AwsAnswerError(
          'ExpiredIteratorException',
          'Iterator expired. The iterator was created more than 15 minutes ago.',
        );
      return { stream: opened.stream, shard: opened.shard, from: BigInt(opened.from) };
    },
    expireAll: () => (expired = issued),
  };
}

interface Content {
  readonly mark: string;
  readonly stream: string;
  readonly shard: string;
  readonly from: string;
  readonly at: number;
  readonly number: number;
}

function contentOf(iterator: unknown): Content {
  try {
    const content = JSON.parse(Buffer.from(String(iterator), 'base64').toString()) as Content;
    if (content.mark === mark) return content;
  } catch {
    // It is no JSON: as any other garbage.
  }
  throw validation('Invalid ShardIterator');
}

/** The lowest number that an iterator of the asked type reads. `nextNumber` is taken for LATEST. */
export function startOf(shard: ScriptedTableShard, input: WriteInput, nextNumber: () => bigint): bigint {
  const type = input['ShardIteratorType'];
  const given = input['SequenceNumber'];

  switch (type) {
    case 'TRIM_HORIZON':
    case 'LATEST':
      if (given !== undefined) throw validation(`SequenceNumber is not allowed with ${type}`);
      if (type === 'LATEST') return nextNumber();
      return shard.trimmedTo === undefined ? shard.start : shard.trimmedTo + 1n;
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER': {
      if (given === undefined) throw validation(`SequenceNumber is required with ${type}`);
      const number = numberIn(given);
      // A number that is yet to come is taken on an open shard.
      if (number < shard.start || (shard.end !== undefined && number > shard.end))
        throw validation('Invalid SequenceNumber for the shard');
      return type === 'AT_SEQUENCE_NUMBER' ? number : number + 1n;
    }
    default:
      throw validation(`ShardIteratorType must be AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, TRIM_HORIZON or LATEST`);
  }
}

/** The text as it was given out: without its leading zeros it is too short. */
function numberIn(text: unknown): bigint {
  if (typeof text !== 'string' || !isDecimal(text) || text.length < 21 || text.length > 40)
    throw validation('SequenceNumber must have 21 to 40 digits');
  return BigInt(text);
}

/** One page of a shard. */
export interface ReadPage {
  readonly records: readonly ScriptedChange[];
  /** Where the next page begins; undefined at the end of the shard. */
  readonly next: bigint | undefined;
}

/** How the service reads. */
export interface ReadSettings {
  readonly now: number;
  readonly maxAnswerBytes: number;
  readonly endOfShard: 'withRecords' | 'emptyAnswer';
}

/** Reads one page. Throws TrimmedDataAccessException if the place is trimmed, or nothing at all is left to read. */
export function readPage(shard: ScriptedTableShard, from: bigint, input: WriteInput, settings: ReadSettings): ReadPage {
  const limit = limitIn(input, 1_000);
  trimOld(shard, settings.now);
  const { trimmedTo, records, end } = shard;
  if (trimmedTo !== undefined && (from <= trimmedTo || records.length === 0))
    throw new AwsAnswerError(
      'TrimmedDataAccessException',
      'The operation attempted to read past the oldest stream record in a shard.',
    );

  const page: ScriptedChange[] = [];
  const first = records.findIndex(({ number }) => number >= from);
  let bytes = 0;
  for (let index = first; index >= 0 && index < records.length && page.length < limit; index += 1) {
    const each = records[index]!;
    const size = JSON.stringify(each.record).length;
    if (page.length > 0 && bytes + size > settings.maxAnswerBytes) break;
    bytes += size;
    page.push(each);
  }

  const last = page.at(-1);
  const next = last === undefined ? from : last.number + 1n;
  const isDone = end !== undefined && (records.at(-1)?.number ?? 0n) < next;
  const ends = isDone && (last === undefined || settings.endOfShard === 'withRecords');
  return { records: page, next: ends ? undefined : next };
}
