// `kinesisSink`: keeps parked items in a stream. Invariants: a call resolves only after the service has accepted the item, all parts of
// it. Every call ends: it is tried again for a minute, within the life of its signal.
import { createHash } from 'node:crypto';
import { MAX_PARTITION_KEY_CHARACTERS, USUAL_RECORD_BYTES } from '../aws/aggregation/aggregate-encoder.js';
import { kinesisProducer, type KinesisProducer } from '../aws/kinesis/kinesis-producer.js';
import type { KinesisClientLike } from '../aws/kinesis/kinesis-client.js';
import { isKinactError, KinactError } from '../api/errors.js';
import { NonRetryableError } from '../api/failure-policy.js';
import type { KinesisSinkOptions } from '../api/options.js';
import { marked, markMaker } from '../api/misplaced.js';
import type { ParkedItem, ParkingSink, ParkingSinkCheck } from '../api/parking.js';
import type { Environment } from '../api/source.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { resolveKinesisSink, type ResolvedKinesisSink } from '../options/sink-option-tables.js';
import { partsOf } from './line-parts.js';
import { parkedLine } from './parked-line.js';

/** A description is for all calls: the end of one does not end it. Its request has a deadline. */
const neverAborted = new AbortController().signal;

/**
 * A sink for `park` that puts each item into a stream, as a line of JSON (docs/parked.md). The partition key is the key of the item, or
 * else its idempotency key. A call resolves when the service has accepted the item. An item that is larger than a record of the stream
 * may be is put in parts, which `kinact parked --stream` joins. Choose a long retention: items that expire are gone.
 *
 * What fails for a passing reason, such as a throttle, is put again for a minute, as long as the signal of the call lives. Then the
 * call rejects with PARKING_FAILED, or with the reason of its signal. Another failure rejects with the error of the service, for example
 * ACCESS_DENIED. An item that cannot be put at all rejects with a NonRetryableError.
 *
 * `start()` of a consumer describes the stream. It rejects if the stream does not exist, and warns if it cannot know. A consumer may not
 * read the stream itself: each parked item would come back to it.
 *
 * @throws KinactError INVALID_OPTION (path, expected, got).
 * @see {@link KinesisSinkOptions} for the options.
 *
 * @example
 * ```ts
 * const sink = kinesisSink({ streamName: 'orders-parked' });
 * ```
 */
export function kinesisSink(options: KinesisSinkOptions): ParkingSink {
  return openKinesisSink(resolveKinesisSink(options), hostEnvironment);
}

/** The same, in the given environment. Nothing is opened before the first call. */
export function openKinesisSink(options: ResolvedKinesisSink, environment: Environment): ParkingSink {
  const { name, streamArn, region, client } = options;
  let producer: KinesisProducer | undefined;
  let largest: Promise<number> | undefined;
  const open = (): KinesisProducer =>
    (producer ??= kinesisProducer({
      ...environment,
      ...(streamArn === undefined ? { streamName: name } : { streamArn }),
      region,
      ...(client === undefined ? {} : { client: client as KinesisClientLike }),
    }));
  /** Only large items need it. */
  const largestRecord = (): Promise<number> => {
    const asked = (largest ??= askLargest(open()));
    asked.catch(() => (largest = undefined));
    return asked;
  };

  const sink: ParkingSink = async (item, { signal }) => {
    signal.throwIfAborted();
    const line = parkedLine(item);
    const partitionKey = partitionKeyOf(item);
    const put = async (maxRecordBytes: number): Promise<void> => {
      signal.throwIfAborted();
      const parts = partsWithin(line, item, maxRecordBytes - Buffer.byteLength(partitionKey));
      await putAll(open(), { parts, partitionKey, name }, signal);
    };

    const isLarge = line.length + Buffer.byteLength(partitionKey) > USUAL_RECORD_BYTES;
    const maxRecordBytes = isLarge ? await largestRecord() : USUAL_RECORD_BYTES;
    try {
      await put(maxRecordBytes);
    } catch (error) {
      // The stream may take smaller records than it took before. Every stream takes the usual size.
      if (!(error instanceof NonRetryableError) || maxRecordBytes <= USUAL_RECORD_BYTES) throw error;
      largest = undefined;
      await put(USUAL_RECORD_BYTES);
    }
  };
  const check: ParkingSink['check'] = (context) => checkStream(open(), name, context);
  const streamName = name.slice(name.lastIndexOf('/') + 1);
  const stream = Object.freeze({ streamName, streamArn, region, client });
  return marked(Object.assign(sink, { check, stream }), {
    name: 'a sink made by kinesisSink',
    asPolicy: 'park(kinesisSink({ streamName: … }))',
    place: `kinesisSink of stream '${name}'`,
  });
}

markMaker(kinesisSink, 'kinesisSink', '{ streamName: … }');

/** Rejects if the stream cannot be there, or the client cannot reach it at all. Anything else is a warning: parking may still work. */
async function checkStream(producer: KinesisProducer, name: string, { signal, warn }: ParkingSinkCheck): Promise<void> {
  try {
    await producer.describe(signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isKinactError(error) || !(error.retryable || error.code === 'ACCESS_DENIED')) throw error;
    warn(`stream '${name}' for parked items could not be looked at: ${error.message}`, error);
  }
}

function partsWithin(line: Buffer, { idempotencyKey }: ParkedItem, maxBytes: number): readonly Buffer[] {
  if (line.length <= maxBytes) return [line];
  const parts = partsOf(line, idempotencyKey, maxBytes);
  if (parts.length === 0)
    throw new NonRetryableError(`an item whose idempotency key is so long cannot be put in parts`);
  return parts;
}

/** The largest record of the stream, key included. */
async function askLargest(producer: KinesisProducer): Promise<number> {
  try {
    return (await producer.describe(neverAborted)).maxRecordBytes ?? USUAL_RECORD_BYTES;
  } catch (error) {
    if (isKinactError(error) && error.code === 'ACCESS_DENIED') return USUAL_RECORD_BYTES;
    throw error;
  }
}

/** A key that the service takes: 1 to 256 characters. */
function partitionKeyOf({ key, idempotencyKey }: ParkedItem): string {
  const isFit = (text: string): boolean => text !== '' && [...text].length <= MAX_PARTITION_KEY_CHARACTERS;
  if (key !== undefined && isFit(key)) return key;
  return isFit(idempotencyKey) ? idempotencyKey : createHash('sha256').update(idempotencyKey).digest('hex');
}

interface Parts {
  readonly parts: readonly Buffer[];
  readonly partitionKey: string;
  /** The stream, for messages. */
  readonly name: string;
}

async function putAll(
  producer: KinesisProducer,
  { parts, partitionKey, name }: Parts,
  signal: AbortSignal,
): Promise<void> {
  const results = await producer
    .put(
      parts.map((data) => ({ partitionKey, data })),
      signal,
    )
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (!isKinactError(error) || error.data.kind !== 'invalidArgument') throw error;
      throw new NonRetryableError(`stream '${name}' does not take the item: ${error.message}`, { cause: error });
    });
  const refused = results.find((result) => result.type === 'refused');
  if (refused === undefined) return;
  const text = `the item is not parked in stream '${name}': ${refused.reason}`;
  throw new KinactError('PARKING_FAILED', text, { data: { stream: name } });
}
