// One look at what comes after a position of a shard, for `kinact lag`: when the next record arrived, and how many arrive a second. Its
// calls come from the five reads a second that all readers of the shard share, so it is bounded. It makes one iterator and at most four
// GetRecords, of two records first and then of about 64 KiB. A call that is throttled is made once more, a second later.
import type { Position, PositionLook, StartPosition } from '../../core/position.js';
import { recordBytes } from '../../core/record-bytes.js';
import { compareSequenceNumbers } from '../../core/sequence-number.js';
import type { RawRecord, StreamSource, Timers, Unpacked } from '../../api/ports.js';
import type { AwsFailure } from '../aws-errors.js';
import { sleep } from '../sleep.js';
import type { Answer, PolledService } from './polled-service.js';
import { iteratorPosition, type FoundIterator } from './shard-iterator.js';

/** The record at the checkpoint comes again if it is an aggregate, so the first answer needs a second one. */
const firstLimit = 2;
const sampleBytes = 65_536;
const maxSample = 100;
const maxReads = 4;
const throttledPauseMs = 1_100;

export interface LookParts {
  readonly service: PolledService;
  readonly timers: Timers;
  readonly unpack: (record: RawRecord<Buffer>) => Unpacked;
}

/** The `look` of a source. It rejects with what a call has failed with (KinactError). */
export function looking(parts: LookParts): NonNullable<StreamSource['look']> {
  return (shardId, start, signal) => lookAfter(parts, shardId, start, signal);
}

async function lookAfter(
  { service, timers, unpack }: LookParts,
  shardId: string,
  start: StartPosition,
  signal: AbortSignal,
): Promise<PositionLook> {
  const reading = { shardId, signal };
  const found = await once<Extract<FoundIterator, { readonly type: 'iterator' }>>(timers, signal, async () => {
    const answer = await service.findIterator(reading, iteratorPosition(start));
    return answer.type === 'iterator' ? answer : { failure: answer.failure };
  });
  const done = start.type === 'after' ? start.position : undefined;
  const isOpen = (record: RawRecord<Buffer>): boolean =>
    !isDone(record, done, unpack) && (record.arrivedAt ?? Infinity) >= (found.skipBefore ?? -Infinity);

  const records: RawRecord<Buffer>[] = [];
  let newestBelow: string | undefined;
  let iterator: string | undefined = found.iterator;
  let reads = 0;
  let lagMs: number | undefined;
  let isAtTip = false;
  let serviceTimeMs: number | undefined;
  while (iterator !== undefined && reads < maxReads && (records.length === 0 || reads < 2)) {
    const at: string = iterator;
    const answer: Answer = await once(timers, signal, () => service.getRecords(reading, at, limitAfter(records)));
    reads += 1;
    serviceTimeMs = answer.serviceTimeMs;
    const { MillisBehindLatest: behindMs, NextShardIterator: next } = answer.output;
    if (records.length === 0) lagMs = behindMs ?? answer.lagMs;
    const all = [...answer.records];
    records.push(...all.filter(isOpen));
    newestBelow = all.findLast((record) => isBelow(record, done))?.sequenceNumber ?? newestBelow;
    iterator = next;
    isAtTip = behindMs === 0 || next === undefined || next === null;
    if (isAtTip) break;
  }
  // The service may answer without records although there are more, but seldom so often in a row.
  const isEmpty = records.length === 0 && (isAtTip || found.skipBefore === undefined);
  const behind = isEmpty && !isAtTip && lagMs !== undefined && lagMs > 0;
  // Numbers rise, so a service that knew the checkpoint would have answered with nothing before it.
  const isForeign = isEmpty && newestBelow !== undefined;
  return {
    records,
    isTip: isAtTip,
    isKnown: records.length > 0 || (isEmpty && !behind && !isForeign),
    ...(isForeign ? { newestBelow } : {}),
    millisBehindLatest: lagMs,
    reads,
    serviceTimeMs,
  };
}

function limitAfter(records: readonly RawRecord<Buffer>[]): number {
  if (records.length === 0) return firstLimit;
  const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0) / records.length;
  return Math.max(1, Math.min(maxSample, Math.floor(sampleBytes / Math.max(1, bytes))));
}

/** Whether the checkpoint covers the record: for an aggregate, its last user record. */
function isDone(record: RawRecord<Buffer>, done: Position | undefined, unpack: LookParts['unpack']): boolean {
  if (done === undefined) return false;
  const order = compareSequenceNumbers(record.sequenceNumber, done.sequenceNumber);
  return order < 0 || (order === 0 && unpack(record).records.length <= done.subSequenceNumber + 1);
}

function isBelow({ sequenceNumber }: RawRecord<Buffer>, done: Position | undefined): boolean {
  return done !== undefined && compareSequenceNumbers(sequenceNumber, done.sequenceNumber) < 0;
}

type Outcome<Result> = Result | { readonly failure: AwsFailure };

/** Makes a call, and once more if the service throttles it. */
async function once<Result extends object>(
  timers: Timers,
  signal: AbortSignal,
  call: () => Promise<Outcome<Result>>,
): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    const outcome = await call();
    if (!('failure' in outcome)) return outcome;
    if (outcome.failure.kind !== 'throttled' || attempt > 0) throw outcome.failure.error;
    await sleep(timers, throttledPauseMs, signal, 'a look at a shard');
  }
}
