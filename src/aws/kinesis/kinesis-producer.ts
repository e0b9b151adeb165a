// Puts records into a stream: PutRecords in batches within the service's limits. Records that were refused for a passing reason
// are put again with back-off. Delivery is at least once: after a lost reply the whole batch is put again. For the command `put`
// and the demo.
import { randomUUID } from 'node:crypto';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { backoffMs, type Backoff } from '../../core/backoff.js';
import { KinactError } from '../../api/errors.js';
import type { Clock, Random, Shard, StreamDescription, Timers } from '../../api/ports.js';
import { createKinesisClient, kinesisCaller, streamNames, type KinesisClientLike } from './kinesis-client.js';
import { sleep } from '../sleep.js';
import { describeStream, listShards } from './stream-listing.js';

/** A record to put, as it goes to the service. */
export interface OutgoingRecord {
  /** Only streams that place records themselves (AUTO) take records without a key. */
  readonly partitionKey?: string;
  /** Decimal; absent: the service hashes the partition key. */
  readonly explicitHashKey?: string;
  readonly data: Uint8Array;
}

/** The result for one record. */
export type PutResult =
  | { readonly type: 'put'; readonly shardId: string; readonly sequenceNumber: string }
  | { readonly type: 'refused'; readonly reason: string };

/** Gets the indices of records that an answer has accepted. */
export type Accepted = (indices: readonly number[]) => Promise<void>;

export interface KinesisProducer {
  /**
   * Puts any number of records, in as few requests as the limits allow. Resolves with one result per record, in order;
   * rejects with the KinactError of a request that failed for good, or STOPPED. `accepted` is told after each answer which records,
   * by their indices, the service has accepted; nothing more is sent before its promise is fulfilled.
   */
  put(records: readonly OutgoingRecord[], signal: AbortSignal, accepted?: Accepted): Promise<readonly PutResult[]>;
  /** Describes the stream; rejects with the KinactError of the request. */
  describe(signal: AbortSignal): Promise<StreamDescription>;
  /** The stream's shards that take records now. */
  openShards(signal: AbortSignal): Promise<readonly Shard[]>;
  close(): void;
}

export interface KinesisProducerOptions {
  /** The stream, by one of these two. An ARN also names the region. */
  readonly streamName?: string | undefined;
  readonly streamArn?: string | undefined;
  /** Default: the region in `streamArn`, else the usual AWS environment. */
  readonly region?: string | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The caller's own client, which is not closed. */
  readonly client?: KinesisClientLike;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long a record is put again before it counts as refused, milliseconds. Default 60,000. */
  readonly retryForMs?: number;
}

/** The service's limits on one PutRecords request. Keys count as bytes, too. */
export const maxBatchRecords = 500;
export const maxBatchBytes = 5 * 1024 * 1024;

const putBackoff: Backoff = { baseMs: 200, capMs: 5_000 };
/** The shortest wait, because full jitter may be 0. */
const minRetryMs = 50;

/** The size of a record as the service counts it. */
export function sizeOf(record: OutgoingRecord): number {
  return record.data.length + Buffer.byteLength(record.partitionKey ?? '');
}

/** The record with a key, its own or a random one. */
function keyed(record: OutgoingRecord): OutgoingRecord {
  return record.partitionKey === undefined ? { ...record, partitionKey: randomUUID() } : record;
}

/** How many of the records, from `from` on, go into one request: at least one. */
export function batchLength(records: readonly OutgoingRecord[], from: number): number {
  let bytes = 0;
  let length = 0;
  for (let at = from; at < records.length && length < maxBatchRecords; at += 1) {
    bytes += sizeOf(records[at]!);
    if (length > 0 && bytes > maxBatchBytes) break;
    length += 1;
  }
  return length;
}

export function kinesisProducer(options: KinesisProducerOptions): KinesisProducer {
  const { clock, timers, random, requestTimeoutMs = 10_000, retryForMs = 60_000 } = options;
  const { configured, names, arnRegion: region = options.region } = streamNames(options);
  const ownClient =
    options.client === undefined
      ? createKinesisClient({ requestTimeoutMs, ...(region === undefined ? {} : { region }) })
      : undefined;
  const client: KinesisClientLike = ownClient ?? options.client!;
  const caller = kinesisCaller({ client, stream: configured, clock, timers, requestTimeoutMs });

  /** Sends one request. Records with an undefined result are to be put again. */
  const request = async (
    batch: readonly OutgoingRecord[],
    signal: AbortSignal,
  ): Promise<{ readonly results: readonly (PutResult | undefined)[]; readonly reason: string }> => {
    const Records = batch.map(({ data, partitionKey, explicitHashKey }) => ({
      Data: data,
      ...(partitionKey === undefined ? {} : { PartitionKey: partitionKey }),
      ...(explicitHashKey === undefined ? {} : { ExplicitHashKey: explicitHashKey }),
    }));

    const command = new PutRecordsCommand({ ...names, Records });
    const answer = await caller.attempt(command, { operation: 'PutRecords' }, signal);
    if (answer.type === 'failed') {
      const { error, kind } = answer.failure;
      // The stream was switched to placing by key. A random key spreads the records as well.
      if (kind === 'invalidArgument' && batch.some(({ partitionKey }) => partitionKey === undefined))
        return request(batch.map(keyed), signal);
      if (!error.retryable) throw error;
      return { results: batch.map(() => undefined), reason: error.message };
    }

    const answered = answer.output.Records ?? [];
    if (answered.length !== batch.length) {
      const message = `kinesis:PutRecords: ${batch.length} records were sent and ${answered.length} results came back`;
      throw new KinactError('AWS_ERROR', message, { data: { stream: configured, operation: 'kinesis:PutRecords' } });
    }

    let reason = '';
    const results = answered.map((result): PutResult | undefined => {
      const { ShardId, SequenceNumber, ErrorCode, ErrorMessage } = (result ?? {}) as Partial<typeof result>;
      if (ErrorCode === undefined && SequenceNumber !== undefined)
        return { type: 'put', shardId: String(ShardId), sequenceNumber: SequenceNumber };
      reason = `${String(ErrorCode)}: ${ErrorMessage ?? ''}`;
      return undefined;
    });
    return { results, reason };
  };

  const putBatch = async (
    batch: readonly OutgoingRecord[],
    signal: AbortSignal,
    accepted: Accepted | undefined,
  ): Promise<readonly PutResult[]> => {
    const results: (PutResult | undefined)[] = batch.map(() => undefined);
    let open = batch.map((_, index) => index);
    let giveUpAt = clock.now() + retryForMs;

    for (let attempt = 0; ; attempt += 1) {
      const sending = open;
      const { results: got, reason } = await request(
        sending.map((index) => batch[index]!),
        signal,
      );
      for (const [position, index] of sending.entries()) results[index] = got[position];

      const taken = sending.filter((index) => results[index] !== undefined);
      if (taken.length > 0) await accepted?.(taken);
      open = sending.filter((index) => results[index] === undefined);
      if (open.length === 0) return results as readonly PutResult[];
      // As long as some records get through, the rest will.
      if (open.length < sending.length) giveUpAt = clock.now() + retryForMs;
      const delayMs = Math.max(minRetryMs, backoffMs(putBackoff, attempt, random));
      if (clock.now() + delayMs > giveUpAt) return results.map((result) => result ?? { type: 'refused', reason });
      await sleep(timers, delayMs, signal, 'putting records');
    }
  };

  return {
    async put(records, signal, accepted) {
      const results: PutResult[] = [];
      for (let from = 0; from < records.length;) {
        const length = batchLength(records, from);
        const first = from;
        const each: Accepted | undefined = accepted && ((some) => accepted(some.map((index) => first + index)));
        results.push(...(await putBatch(records.slice(from, from + length), signal, each)));
        from += length;
      }
      return results;
    },
    describe: (signal) => describeStream(caller, names, signal),
    async openShards(signal) {
      const { shards } = await listShards(caller, names, { type: 'all' }, signal);
      return shards.filter((shard) => shard.endingSequenceNumber === undefined);
    },
    close: () => ownClient?.destroy(),
  };
}
