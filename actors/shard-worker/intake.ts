// From raw records to admitted ones: unpacks, leaves out what an earlier run has done, drops duplicates, applies the
// out-of-range policy, and fills the ledger record by record while it has room.
import { judge } from '../protocol/failure.js';
import type { Effect } from '../protocol/actor.js';
import type { Tenure } from '../protocol/tenure.js';
import { createDeque } from '../../src/core/deque.js';
import type { Deque } from '../../src/core/deque.js';
import { admit, fork, pin, room, settle, unpin } from '../../src/core/ledger.js';
import type { Ledger, Pin } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import { compareSequenceNumbers } from '../../src/core/sequence-number.js';
import type { TimeSlice } from '../../src/core/time-slice.js';
import { KinactError } from '../../src/api/errors.js';
import type { HashKeyRange, RawRecord, Unpacked, UserRecord } from '../../src/api/ports.js';
import { recordBytes } from '../../src/core/record-bytes.js';
import type { OnFailure } from '../../src/api/reducer.js';

export interface IntakeOptions {
  readonly unpack: (record: RawRecord, range: HashKeyRange | undefined) => Unpacked;
  readonly onDuplicate: 'skip' | 'exit';
  readonly onFailure: OnFailure;
}

interface Current {
  readonly record: RawRecord;
  readonly unpacked: Unpacked;
  next: number;
  filtered: number;
  /** Of an aggregate: its buffer, which every user record of it is a part of. */
  readonly pin: Pin | undefined;
}

export interface Intake {
  readonly raw: Deque<RawRecord>;
  /** Of `raw`, and of a plain record that is being admitted; an aggregate that is counts in the ledger, by its pin. */
  rawBytes: number;
  current: Current | undefined;
  /** Everything up to here was settled before this start; undefined once a later record has come. */
  doneBefore: Position | undefined;
  toldOutOfRange: boolean;
  toldMalformed: boolean;
  duplicates: number;
}

/** What stops a worker at a record, if the policy says so. */
export type IntakeEnd =
  | { readonly type: 'crash'; readonly error: Error }
  | { readonly type: 'stopShard'; readonly error: Error };

export function createIntake(doneBefore: Position | undefined): Intake {
  return {
    raw: createDeque<RawRecord>(),
    rawBytes: 0,
    current: undefined,
    doneBefore,
    toldOutOfRange: false,
    toldMalformed: false,
    duplicates: 0,
  };
}

export function isEmpty(intake: Intake): boolean {
  return intake.current === undefined && intake.raw.length === 0;
}

/** Takes in what was read. */
export function takeIn(intake: Intake, records: readonly RawRecord[]): void {
  for (const record of records) {
    intake.raw.push(record);
    intake.rawBytes += recordBytes(record);
  }
}

/** The clock is looked at after about so many bytes; a record counts for more than it has. A few milliseconds' work at most. */
const lookBytes = 16_384;
const recordCostBytes = 256;

/**
 * Admits what there is room for; `deliver` gets each admitted record with its ordinal. `gaveWay`: its time was up, and the
 * rest goes on in a later turn of the event loop. `onlyCurrent`: nothing is begun, but what is half admitted is finished.
 */
export function admitAll<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  intake: Intake,
  ledger: Ledger,
  now: number,
  slice: TimeSlice,
  deliver: (ordinal: number, record: UserRecord) => void,
  effects: Effect<Self>[],
  onlyCurrent = false,
): IntakeEnd | 'gaveWay' | undefined {
  let unlooked = 0;
  const isOver = (bytes: number): boolean => {
    unlooked += bytes + recordCostBytes;
    if (unlooked < lookBytes) return false;
    unlooked = 0;
    return slice.isOver();
  };
  for (;;) {
    if (intake.current === undefined) {
      if (onlyCurrent) return undefined;
      const record = intake.raw.shift();
      if (record === undefined) return undefined;
      intake.current = begin(intake, ledger, record, open(options, tenure, intake, record, effects));
      if (isOver(record.data.byteLength)) return 'gaveWay';
    }
    const { current } = intake;
    const { records } = current.unpacked;
    while (current.next < records.length) {
      const record = records[current.next] as UserRecord;
      const bytes = recordBytes(record);
      if (!room(ledger, bytes)) return undefined;
      const end = admitOne(options, tenure, intake, ledger, record, bytes, now, deliver, effects);
      if (end !== undefined) return end;
      current.next += 1;
      if (current.pin === undefined) intake.rawBytes -= bytes;
      if (isOver(0)) return 'gaveWay';
    }
    if (records.length === 0 || current.unpacked.undecoded !== undefined) {
      if (!room(ledger)) return undefined;
      const end = closeAggregate(options, tenure, intake, ledger, now, effects);
      if (end !== undefined) return end;
    }
    if (current.pin !== undefined) unpin(ledger, current.pin);
    intake.current = undefined;
  }
}

function begin(intake: Intake, ledger: Ledger, record: RawRecord, unpacked: Unpacked): Current {
  const { records } = unpacked;
  const isPlain = records.length === 1 && records[0]?.data === record.data;
  if (isPlain) return { record, unpacked, next: 0, filtered: 0, pin: undefined };
  const size = recordBytes(record);
  intake.rawBytes -= size;
  // User records of a deflated one are views of what was inflated.
  const buffer = records.find(({ data }) => data.byteLength > 0)?.data.buffer;
  const held = buffer === undefined || buffer === record.data.buffer ? size : buffer.byteLength;
  return { record, unpacked, next: 0, filtered: 0, pin: pin(ledger, held) };
}

/** Gives up what is not admitted. Returns the intake of a worker that reads no more. */
export function abandon({ current, duplicates }: Intake, ledger: Ledger): Intake {
  // No checkpoint may land inside of it: what was handed out of it would come again.
  if (current !== undefined && current.next > 0 && !current.unpacked.divisible)
    return { ...createIntake(undefined), duplicates, current };
  if (current?.pin !== undefined) unpin(ledger, current.pin);
  return { ...createIntake(undefined), duplicates };
}

/**
 * An aggregate of nothing, or one that ends in user records which cannot be decoded, still has a place that the frontier
 * must pass: behind those that were decoded.
 */
function closeAggregate<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  intake: Intake,
  ledger: Ledger,
  now: number,
  effects: Effect<Self>[],
): IntakeEnd | undefined {
  const { record, unpacked } = intake.current as NonNullable<Intake['current']>;
  const { divisible, records, undecoded } = unpacked;
  const { sequenceNumber } = record;
  const subSequenceNumber = records.length;
  if (wasDoneBefore(intake, sequenceNumber, subSequenceNumber, divisible)) return undefined;
  if (undecoded !== undefined) {
    const end = undecodable(options, tenure, record, subSequenceNumber, undecoded.reason, effects);
    if (end !== undefined) return end;
  }
  const ordinal = admit(ledger, { sequenceNumber, subSequenceNumber }, 0, true, now);
  if (ordinal === -1) return duplicate(options, tenure, intake, { sequenceNumber, subSequenceNumber }, effects);
  fork(ledger, ordinal, 0);
  return undefined;
}

function open<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  intake: Intake,
  record: RawRecord,
  effects: Effect<Self>[],
): Unpacked {
  const unpacked = options.unpack(record, tenure.hashKeyRange);
  if (unpacked.complaint !== undefined) {
    effects.push({ type: 'count', what: 'malformedAggregates' });
    if (!intake.toldMalformed) {
      intake.toldMalformed = true;
      const data = { ...placeOf(tenure, record.sequenceNumber, 0), complaint: unpacked.complaint };
      effects.push({ type: 'emit', event: { name: 'malformedAggregate', data } });
    }
  }
  return unpacked;
}

function admitOne<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  intake: Intake,
  ledger: Ledger,
  record: UserRecord,
  bytes: number,
  now: number,
  deliver: (ordinal: number, record: UserRecord) => void,
  effects: Effect<Self>[],
): IntakeEnd | undefined {
  const current = intake.current as NonNullable<Intake['current']>;
  const { divisible, filtered, records, undecoded } = current.unpacked;
  const isFiltered = filtered?.[current.filtered] === current.next;
  if (isFiltered) current.filtered += 1;
  if (wasDoneBefore(intake, record.sequenceNumber, record.subSequenceNumber, divisible)) return undefined;
  const position: Position = {
    sequenceNumber: record.sequenceNumber,
    subSequenceNumber: record.subSequenceNumber ?? 0,
  };
  // The end of what could be decoded is not the end of the aggregate.
  const last = current.next === records.length - 1 && undecoded === undefined;
  const ordinal = admit(ledger, position, bytes, divisible || last, now, current.pin);
  if (ordinal === -1) return duplicate(options, tenure, intake, position, effects);
  if (isFiltered) {
    settle(ledger, ordinal, 0);
    effects.push({ type: 'count', what: 'outOfRangeRecords' });
    if (!intake.toldOutOfRange) {
      intake.toldOutOfRange = true;
      const data = placeOf(tenure, position.sequenceNumber, position.subSequenceNumber);
      effects.push({ type: 'emit', event: { name: 'outOfRange', data } });
    }
    return undefined;
  }
  deliver(ordinal, record);
  return undefined;
}

/** True for what the checkpoint this tenure started from covers. An indivisible aggregate is covered as a whole (P6). */
function wasDoneBefore(
  intake: Intake,
  sequenceNumber: string,
  subSequenceNumber: number | undefined,
  divisible: boolean,
): boolean {
  const done = intake.doneBefore;
  if (done === undefined) return false;
  const order = compareSequenceNumbers(sequenceNumber, done.sequenceNumber);
  if (order < 0) return true;
  if (order === 0 && (!divisible || (subSequenceNumber ?? 0) <= done.subSequenceNumber)) return true;
  intake.doneBefore = undefined;
  return false;
}

function duplicate<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  intake: Intake,
  position: Position,
  effects: Effect<Self>[],
): IntakeEnd | undefined {
  intake.duplicates += 1;
  effects.push({ type: 'count', what: 'duplicateRecords' });
  if (options.onDuplicate === 'skip') return undefined;
  const { shardId, source } = tenure;
  const data = { stream: source, shardId, ...position };
  const text = `record ${position.sequenceNumber} of ${shardId} came twice`;
  return { type: 'crash', error: new KinactError('DUPLICATE_RECORD', text, { data }) };
}

function undecodable<Self>(
  options: IntakeOptions,
  tenure: Tenure,
  record: RawRecord,
  decoded: number,
  reason: string,
  effects: Effect<Self>[],
): IntakeEnd | undefined {
  const { source, shardId } = tenure;
  const { sequenceNumber } = record;
  const cause = new KinactError(
    'UNDECODABLE_RECORD',
    `the user records after the first ${decoded} cannot be decoded: ${reason}`,
  );
  const { policy, error } = judge(options.onFailure, cause, {
    source,
    shardId,
    sequenceNumber,
    at: 'decode',
    items: 1,
  });
  if (policy !== 'skip') return { type: policy, error };
  effects.push({ type: 'count', what: 'skippedItems' });
  const data = { ...placeOf(tenure, sequenceNumber, decoded), error: cause };
  effects.push({ type: 'emit', event: { name: 'recordSkipped', data } });
  return undefined;
}

function placeOf(
  tenure: Tenure,
  sequenceNumber: string,
  subSequenceNumber: number,
): { source: string; shardId: string; sequenceNumber: string; subSequenceNumber: number } {
  const { source, shardId } = tenure;
  return { source, shardId, sequenceNumber, subSequenceNumber };
}
