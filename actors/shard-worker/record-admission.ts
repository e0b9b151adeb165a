// Admission: how raw records become admitted ones. The shard worker unpacks them, skips the records that were settled before this tenure,
// drops duplicates and applies the out-of-range policy. Then it fills the ledger record by record while there is room.
import { effect } from '../protocol/actor.js';
import type { Tenure } from '../protocol/tenure.js';
import { partNotDecoded } from './undecoded-part.js';
import type { Admission, AdmissionEnd, Channel, CurrentRecord, ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import { isIntakePaused } from './options.js';
import { createRecordQueue } from '../../src/core/record-queue.js';
import {
  admit,
  admitInside,
  expectItems,
  hasRoom,
  noteArrival,
  pin,
  settle,
  unpin,
  type Ledger,
} from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import { compareSequenceNumbers } from '../../src/core/sequence-number.js';
import { startSlice } from '../../src/core/time-slice.js';
import { KinactError } from '../../src/api/errors.js';
import type { RawRecord, RecordList, Unpacked, UserRecord } from '../../src/api/ports.js';
import { bytesOf, recordBytes } from '../../src/core/record-bytes.js';

export function createAdmission(startPosition: Position | undefined): Admission {
  return {
    rawRecords: createRecordQueue<RawRecord>(),
    rawBytes: 0,
    current: undefined,
    startPosition,
    reportedOutOfRange: false,
    reportedMalformed: false,
    duplicates: 0,
  };
}

export function isEmpty(admission: Admission): boolean {
  return admission.current === undefined && admission.rawRecords.length === 0;
}

/** The oldest record that was read and is not admitted as a whole. */
export function nextToAdmit({ current, rawRecords }: Admission): RawRecord | undefined {
  return current?.record ?? rawRecords.peek();
}

/** Queues the records that were read. From here on, the bytes are a Buffer, whatever the source gave. */
export function bufferRecords(admission: Admission, records: RecordList): void {
  admission.rawRecords.push(records);
  admission.rawBytes += bytesOf(records);
}

/**
 * The clock is read after about this many bytes, which take a few milliseconds at most. Each record counts `recordCostBytes` more
 * than its size.
 */
const lookBytes = 16_384;
const recordCostBytes = 256;

interface GaveWay {
  readonly type: 'gaveWay';
}

const gaveWay: GaveWay = { type: 'gaveWay' };

/**
 * Admits records while there is room, and hands them to the channels. `gaveWay`: the time was up, and the rest follows in a later
 * turn of the event loop.
 */
export function admitAll(turn: ShardWorkerTurn, tenure: Tenure): AdmissionEnd | GaveWay | undefined {
  const { options, state } = turn;
  const { admission, ledger } = state;
  if (isEmpty(admission)) return undefined;

  // A pause or drain still finishes the current record: no checkpoint may land inside an indivisible aggregate.
  const onlyCurrent = state.pausedForHandOver || state.ending?.type === 'drained';
  if (isIntakePaused(options) && !(onlyCurrent && mustFinishCurrent(admission))) return undefined;
  const slice = startSlice(options.clock);
  let bytesSinceLook = 0;
  /** Counts the bytes worked on. Returns true when the time is up. */
  const spend = (bytes: number): boolean => {
    bytesSinceLook += bytes + recordCostBytes;
    if (bytesSinceLook < lookBytes) return false;
    bytesSinceLook = 0;
    return slice.isOver();
  };

  for (;;) {
    if (admission.current === undefined) {
      if (onlyCurrent) return undefined;
      const record = admission.rawRecords.shift();
      if (record === undefined) return undefined;
      admission.current = beginRecord(admission, ledger, record, unpackAndReport(turn, tenure, record));
      if (spend(recordBytes(record))) return gaveWay;
    }

    const { current } = admission;
    const { records } = current.unpacked;
    while (current.next < records.length) {
      const record = records[current.next] as UserRecord;
      const bytes = recordBytes(record);
      if (!hasRoom(ledger, bytes)) return undefined;
      const end = admitOne(turn, tenure, record, bytes);
      if (end !== undefined) return end;
      current.next += 1;
      if (ledger.pinned === undefined) admission.rawBytes -= bytes;
      if (spend(0)) return gaveWay;
    }

    if (records.length === 0 || current.unpacked.undecoded !== undefined) {
      if (!hasRoom(ledger)) return undefined;
      const end = admitAggregateEnd(turn, tenure, current);
      if (end !== undefined) return end;
    }

    unpin(ledger);
    admission.current = undefined;
  }
}

function beginRecord(
  admission: Admission,
  ledger: Ledger,
  record: RawRecord<Buffer>,
  unpacked: Unpacked,
): CurrentRecord {
  const { records } = unpacked;
  const isPlain = records.length === 1 && (records[0] === record || records[0]?.data === record.data);
  if (isPlain) return { record, unpacked, next: 0, nextFiltered: 0 };

  const ownBytes = recordBytes(record);
  admission.rawBytes -= ownBytes;
  // User records of a deflated aggregate are views of the inflated buffer.
  const buffer = records.find(({ data }) => data.byteLength > 0)?.data.buffer;
  const bufferBytes = buffer === undefined || buffer === record.data.buffer ? ownBytes : buffer.byteLength;

  pin(ledger, bufferBytes);
  return { record, unpacked, next: 0, nextFiltered: 0 };
}

/** Whether an indivisible aggregate is half admitted. No checkpoint may land inside it, so its first part would be delivered again. */
export function mustFinishCurrent({ current }: Admission): boolean {
  return current !== undefined && current.next > 0 && !current.unpacked.isDivisible;
}

/** Drops the records that are not admitted. Returns the admission of a shard worker that has stopped reading. */
export function abandon(admission: Admission, ledger: Ledger): Admission {
  const { current, duplicates } = admission;
  if (mustFinishCurrent(admission)) return { ...createAdmission(undefined), duplicates, current };
  unpin(ledger);
  return { ...createAdmission(undefined), duplicates };
}

/**
 * Admits the end of an aggregate that has no user records, or whose last ones cannot be decoded. The frontier must pass it, so it
 * has a position after the decoded user records.
 */
function admitAggregateEnd(
  turn: ShardWorkerTurn,
  tenure: Tenure,
  { record, unpacked }: CurrentRecord,
): AdmissionEnd | undefined {
  const { admission, ledger } = turn.state;
  const { isDivisible, records, undecoded } = unpacked;
  const { sequenceNumber } = record;
  const subSequenceNumber = records.length;

  if (wasDoneBefore(admission, sequenceNumber, subSequenceNumber, isDivisible)) return undefined;
  admission.startPosition = undefined;

  const position = { sequenceNumber, subSequenceNumber };
  const ordinal = admit(ledger, position, 0, turn.now);
  if (ordinal === -1) return handleDuplicate(turn, tenure, position);
  noteArrivalOf(turn.state, ordinal, record.arrivedAt);
  if (undecoded !== undefined) return partNotDecoded(turn, tenure, { ordinal, position, record }, undecoded.reason);
  expectItems(ledger, ordinal, 0);
  return undefined;
}

function unpackAndReport(
  { options, state, effects }: ShardWorkerTurn,
  tenure: Tenure,
  record: RawRecord<Buffer>,
): Unpacked {
  const { admission } = state;
  const unpacked = options.unpack(record, tenure.hashKeyRange);
  if (unpacked.complaint !== undefined) {
    effects.push(effect.count('malformedAggregates'));
    if (!admission.reportedMalformed) {
      admission.reportedMalformed = true;
      const data = { ...recordPlace(tenure, record.sequenceNumber, 0), complaint: unpacked.complaint };
      effects.push(effect.emit({ name: 'malformedAggregate', data }));
    }
  }

  return unpacked;
}

function admitOne(turn: ShardWorkerTurn, tenure: Tenure, record: UserRecord, bytes: number): AdmissionEnd | undefined {
  const { state, now, effects } = turn;
  const { admission, ledger } = state;
  const current = admission.current as CurrentRecord;
  const { isDivisible, filtered, records, undecoded } = current.unpacked;

  const isFiltered = filtered?.[current.nextFiltered] === current.next;
  if (isFiltered) current.nextFiltered += 1;

  if (wasDoneBefore(admission, record.sequenceNumber, record.subSequenceNumber, isDivisible)) return undefined;
  admission.startPosition = undefined;

  const position: Position = {
    sequenceNumber: record.sequenceNumber,
    subSequenceNumber: record.subSequenceNumber ?? 0,
  };

  // If the rest cannot be decoded, the last decoded record is not the end of the aggregate.
  const isLast = current.next === records.length - 1 && undecoded === undefined;
  const ordinal =
    isDivisible || isLast ? admit(ledger, position, bytes, now) : admitInside(ledger, position, bytes, now);
  if (ordinal === -1) return handleDuplicate(turn, tenure, position);
  noteArrivalOf(state, ordinal, record.arrivedAt);

  if (isFiltered) {
    settle(ledger, ordinal, 0);
    effects.push(effect.count('outOfRangeRecords'));
    if (!admission.reportedOutOfRange) {
      admission.reportedOutOfRange = true;
      const data = recordPlace(tenure, position.sequenceNumber, position.subSequenceNumber);
      effects.push(effect.emit({ name: 'outOfRange', data }));
    }
    return undefined;
  }

  addToChannel(state, ordinal, record);
  return undefined;
}

/** Notes when a record arrived. A record without that time counts from when it was fetched. */
function noteArrivalOf({ ledger, fetch }: ShardWorkerState, ordinal: number, arrivedAt: number | undefined): void {
  noteArrival(ledger, ordinal, arrivedAt ?? fetch.fetchedAt);
}

/** Hands a record to a channel. If there are several channels, the ordinal spreads the records evenly. */
function addToChannel({ channels, fetch }: ShardWorkerState, ordinal: number, record: UserRecord): void {
  const channel = channels[ordinal % channels.length] as Channel;
  channel.ordinals.push(ordinal);
  channel.records.push(record);
  channel.fetches.push(fetch);
}

/**
 * Whether the checkpoint that this tenure started from covers the record. A checkpoint covers an indivisible aggregate as a
 * whole.
 */
function wasDoneBefore(
  admission: Admission,
  sequenceNumber: string,
  subSequenceNumber: number | undefined,
  isDivisible: boolean,
): boolean {
  const done = admission.startPosition;
  if (done === undefined) return false;
  const order = compareSequenceNumbers(sequenceNumber, done.sequenceNumber);
  if (order < 0) return true;
  return order === 0 && (!isDivisible || (subSequenceNumber ?? 0) <= done.subSequenceNumber);
}

function handleDuplicate(
  { options, state, effects }: ShardWorkerTurn,
  tenure: Tenure,
  position: Position,
): AdmissionEnd | undefined {
  state.admission.duplicates += 1;
  effects.push(effect.count('duplicateRecords'));
  if (options.onDuplicate === 'skip') return undefined;

  const { shardId, source } = tenure;
  const data = { source, shardId, ...position };
  const text = `The service delivered record ${position.sequenceNumber} of ${shardId} twice.`;
  return { type: 'crash', error: new KinactError('DUPLICATE_RECORD', text, { data }) };
}

function recordPlace(
  tenure: Tenure,
  sequenceNumber: string,
  subSequenceNumber: number,
): { source: string; shardId: string; sequenceNumber: string; subSequenceNumber: number } {
  const { source, shardId } = tenure;
  return { source, shardId, sequenceNumber, subSequenceNumber };
}
