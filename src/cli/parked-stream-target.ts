// `kinact parked replay --into-stream`: puts the records of parked items into a stream, with their bytes and keys. Invariants: the order
// of a partition key is kept, because a batch has each key once. Each record that an answer of the service has accepted is recorded
// before the next request.
import { isKinactError, type KinactError } from '../api/errors.js';
import { visible } from '../core/visible.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { USUAL_RECORD_BYTES } from '../aws/aggregation/aggregate-encoder.js';
import { kinesisProducer, sizeOf, type KinesisProducer, type OutgoingRecord } from '../aws/kinesis/kinesis-producer.js';
import type { StoredItem } from '../parking/stored-item.js';
import { streamReference, UsageError } from './command.js';
import type { ReplayGroup, ReplayReports, ReplayTarget } from './replay-target.js';

/** What a kill between an answer and its record on the disk repeats at most. */
const maxBatchRecords = 100;
const maxBatchBytes = 4 * 1024 * 1024;

/** An abort does not cancel a put: what the service has accepted must be recorded. */
const neverAborted = new AbortController().signal;

interface Outgoing {
  readonly group: ReplayGroup;
  readonly record: OutgoingRecord;
}

export function streamTarget(text: string): ReplayTarget {
  const reference = streamReference(text);
  if (reference === undefined) throw new UsageError(`--into-stream: expected a stream name or an ARN, got '${text}'`);
  const producer = kinesisProducer({ ...reference, ...hostEnvironment });
  let maxRecordBytes = USUAL_RECORD_BYTES;
  return {
    name: `stream '${text}'`,
    into: { stream: text },
    takesRecords: true,
    consequences: [
      'all items of each record come again, not only the parked ones, and every consumer of the stream gets them',
      'they come after the later items of their keys, with new sequence numbers and so new idempotency keys',
    ],
    async check({ signal }) {
      maxRecordBytes = (await describe(producer, signal)) ?? maxRecordBytes;
    },
    refusalOf: (stored) => refusalOf(stored, maxRecordBytes),
    async replay(groups, reports, { signal }) {
      let batch: Outgoing[] = [];
      let bytes = 0;
      const keys = new Set<string | undefined>();
      const send = async (): Promise<void> => {
        const sending = batch;
        batch = [];
        bytes = 0;
        keys.clear();
        if (sending.length > 0) await put(producer, sending, reports);
      };
      for (const group of groups) {
        if (signal.aborted) break;
        const stored = await group[0]!.read();
        const refusal = refusalOf(stored, maxRecordBytes);
        if (refusal !== undefined) {
          reports.failed(group, refusal);
          continue;
        }
        const record = recordOf(stored);
        const size = sizeOf(record);
        const { partitionKey } = record;
        const isFull = batch.length === maxBatchRecords || bytes + size > maxBatchBytes;
        if (isFull || (partitionKey !== undefined && keys.has(partitionKey))) await send();
        batch.push({ group, record });
        bytes += size;
        keys.add(partitionKey);
      }
      if (!signal.aborted) await send();
    },
    close: () => Promise.resolve(producer.close()),
  };
}

function refusalOf(stored: StoredItem, maxRecordBytes: number): string | undefined {
  if (stored.message?.valueBytes !== undefined)
    return "it is a message of a pipe, and no record: replay it by --module, with the pipe's module";
  const size = sizeOf(recordOf(stored));
  return size > maxRecordBytes ? `it has ${size} bytes, and the stream takes ${maxRecordBytes}` : undefined;
}

/** The largest record that the stream takes, if it says so. Rejects if there is no such stream. */
async function describe(producer: KinesisProducer, signal: AbortSignal): Promise<number | undefined> {
  try {
    return (await producer.describe(signal)).maxRecordBytes;
  } catch (error) {
    if (isKinactError(error) && error.code === 'ACCESS_DENIED') return undefined;
    throw error;
  }
}

function recordOf({ data, partitionKey, explicitHashKey }: StoredItem): OutgoingRecord {
  return {
    data,
    ...(partitionKey === undefined ? {} : { partitionKey }),
    ...(explicitHashKey === undefined ? {} : { explicitHashKey }),
  };
}

/** Puts a batch. What an answer has accepted is recorded before anything more is sent, also before a refused record is put again. */
async function put(producer: KinesisProducer, batch: readonly Outgoing[], reports: ReplayReports): Promise<void> {
  const open = new Set(batch);
  const accepted = (some: readonly Outgoing[]): Promise<void> => {
    for (const each of some) open.delete(each);
    return reports.done(some.map(({ group }) => group));
  };
  const send = async (sending: readonly Outgoing[]): Promise<void> => {
    const records = sending.map(({ record }) => record);
    const results = await producer.put(records, neverAborted, (some) => accepted(some.map((index) => sending[index]!)));
    for (const [index, result] of results.entries())
      if (result.type === 'refused') reports.failed(sending[index]!.group, visible(result.reason));
  };
  try {
    await send(batch);
  } catch (error) {
    if (!isInvalid(error)) throw error;
    // One of the records is the reason, and only the service knows which.
    for (const each of open)
      await send([each]).catch((reason: unknown) => {
        if (!isInvalid(reason)) throw reason;
        reports.failed(each.group, visible(reason.message));
      });
  }
}

function isInvalid(error: unknown): error is KinactError {
  return isKinactError(error) && error.data.kind === 'invalidArgument';
}
