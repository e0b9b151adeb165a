// Turns GetRecords answers from bytes into RawRecords. The SDK's deserializer spends most of its time validating base64 by
// regular expression. So our own client bypasses it for this one operation; a user's client is left as it is. The scanner takes the
// answers apart that look as expected, and JSON.parse all others. `recordsOf` returns the records in each case.
import { types } from 'node:util';
import type {
  _Record as SdkRecord,
  ChildShard as SdkChildShard,
  GetRecordsOutput,
  KinesisClient,
} from '@aws-sdk/client-kinesis';
import { bufferOf } from '../../core/buffer-view.js';
import { isSequenceNumber } from '../../core/sequence-number.js';
import type { ChildShard, RawRecord, RecordList } from '../../api/ports.js';
import { hashKeyRangeOf } from '../aggregation/hash-key.js';
import { scanAnswer } from './scanner/record-scanner.js';

/** The member in which the fast path leaves its records; the SDK's own `Records` is then empty. */
const fastRecords = Symbol('kinact.records');

interface FastOutput extends Partial<GetRecordsOutput> {
  [fastRecords]?: RecordList<RawRecord<Buffer>>;
}

/** The part of the SDK's protocol object that is used here. It is semi-public, so every member is checked before use. */
interface Protocol {
  deserializeResponse?: (operation: { readonly name: string }, context: unknown, response: Response) => Promise<object>;
  deserializeMetadata?: (response: Response) => object;
}

interface Response {
  readonly statusCode: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A GetRecords answer in JSON. */
interface WireAnswer {
  readonly Records?: readonly {
    readonly SequenceNumber?: unknown;
    readonly PartitionKey?: unknown;
    readonly Data?: unknown;
    readonly ApproximateArrivalTimestamp?: unknown;
  }[];
  readonly NextShardIterator?: string | null;
  readonly MillisBehindLatest?: number | null;
  readonly ChildShards?: SdkChildShard[] | null;
}

/** Makes the output of GetRecords from the bytes of an answer. */
export type ParseAnswer = (parts: readonly Uint8Array[], length: number) => object;

type ListedAnswer = WireAnswer & { readonly Records: NonNullable<WireAnswer['Records']> };

/**
 * Puts the fast path on a client of ours: `parse` gets the answers of GetRecords. Returns false for an SDK that is built differently, which
 * keeps its own path.
 */
export function installFastGetRecords(
  client: Pick<KinesisClient, 'config'> | { readonly config: object },
  parse: ParseAnswer = scanOrParse,
): boolean {
  const { protocol } = client.config as { readonly protocol?: Protocol };
  const slow = protocol?.deserializeResponse;
  const metadata = protocol?.deserializeMetadata;
  if (protocol === undefined || slow === undefined || metadata === undefined) return false;

  protocol.deserializeResponse = async (operation, context, response) => {
    if (operation.name !== 'GetRecords' || response.statusCode >= 300) {
      return slow.call(protocol, operation, context, response);
    }
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of response.body) {
      parts.push(part);
      length += part.length;
    }
    return { ...parse(parts, length), $metadata: metadata.call(protocol, response) };
  };
  return true;
}

/** By the scanner, or else by JSON.parse. Throws a SyntaxError on anything but an answer of GetRecords. */
export function scanOrParse(parts: readonly Uint8Array[], length: number): FastOutput {
  const scanned = scanAnswer(parts, length);
  if (scanned === undefined) return parseAnswer(Buffer.concat(parts, length));
  return outputOf(answerOf(scanned.rest), scanned.records);
}

/** Throws a SyntaxError on anything but an answer of GetRecords. The caller treats that as a broken connection. */
function answerOf(json: string): ListedAnswer {
  const answer = JSON.parse(json) as WireAnswer | null;
  if (typeof answer !== 'object' || answer === null || !Array.isArray(answer.Records)) {
    throw new SyntaxError('GetRecords was answered without Records');
  }
  return answer as ListedAnswer;
}

/** Throws a SyntaxError on anything but an answer of GetRecords. */
export function parseAnswer(bytes: Buffer): FastOutput {
  const answer = answerOf(bytes.toString());
  const records = answer.Records.map((record): RawRecord<Buffer> => {
    const { SequenceNumber, PartitionKey, Data, ApproximateArrivalTimestamp: arrived } = record ?? {};
    if (typeof Data !== 'string') throw noRecord();
    const arrivedAt = typeof arrived === 'number' ? Math.round(arrived * 1000) : undefined;
    return rawRecord(SequenceNumber, PartitionKey, Buffer.from(Data, 'base64'), arrivedAt);
  });
  return outputOf(answer, records);
}

function outputOf(answer: WireAnswer, records: RecordList<RawRecord<Buffer>>): FastOutput {
  return {
    Records: [],
    [fastRecords]: records,
    ...(typeof answer.NextShardIterator === 'string' ? { NextShardIterator: answer.NextShardIterator } : {}),
    ...(typeof answer.MillisBehindLatest === 'number' ? { MillisBehindLatest: answer.MillisBehindLatest } : {}),
    ...(Array.isArray(answer.ChildShards) ? { ChildShards: answer.ChildShards } : {}),
  };
}

/** The records of an answer, from the fast path or the SDK. Throws a SyntaxError if there is no list of records. */
export function recordsOf(output: Partial<GetRecordsOutput>): RecordList<RawRecord<Buffer>> {
  const fast = (output as FastOutput)[fastRecords];
  if (fast !== undefined) return fast;
  if (!Array.isArray(output.Records)) throw new SyntaxError('GetRecords was answered without Records');
  return output.Records.map((record): RawRecord<Buffer> => {
    // A user's client may be of another version, or none of the SDK's, so its types are not trusted.
    const {
      SequenceNumber,
      PartitionKey,
      Data,
      ApproximateArrivalTimestamp: arrived,
    } = (record ?? {}) as Partial<SdkRecord>;
    if (!types.isUint8Array(Data)) throw noRecord();
    return rawRecord(
      SequenceNumber,
      PartitionKey,
      bufferOf(Data),
      arrived instanceof Date ? arrived.getTime() : undefined,
    );
  });
}

/** Makes one record. Optional members may be missing. Throws a SyntaxError without a valid sequence number. */
function rawRecord(
  sequenceNumber: unknown,
  partitionKey: unknown,
  data: Buffer,
  arrivedAt: number | undefined,
): RawRecord<Buffer> {
  if (typeof sequenceNumber !== 'string' || !isSequenceNumber(sequenceNumber)) throw noRecord();

  const dated = arrivedAt !== undefined && Number.isFinite(arrivedAt);
  // Written out, not spread: this runs once per record. An empty partition key counts as none, because a key has at least one
  // character.
  if (typeof partitionKey !== 'string' || partitionKey === '') {
    return dated ? { sequenceNumber, data, arrivedAt } : { sequenceNumber, data };
  }
  return dated ? { sequenceNumber, partitionKey, data, arrivedAt } : { sequenceNumber, partitionKey, data };
}

function noRecord(): SyntaxError {
  return new SyntaxError('GetRecords was answered with something that is no record');
}

/**
 * The children that an answer names at the end of `shardId`. Undefined if it names none, or one that is not a child of this
 * shard; ListShards decides then.
 */
export function childrenOf(output: Partial<GetRecordsOutput>, shardId: string): readonly ChildShard[] | undefined {
  const named: unknown = output.ChildShards;
  if (!Array.isArray(named) || named.length === 0) return undefined;
  const children: ChildShard[] = [];
  for (const child of named as readonly (Partial<SdkChildShard> | null)[]) {
    const { ShardId, ParentShards, HashKeyRange } = child ?? {};
    if (typeof ShardId !== 'string' || ShardId === '' || !Array.isArray(ParentShards)) return undefined;
    const parentShards = ParentShards.filter((parent) => typeof parent === 'string' && parent !== '');
    if (!parentShards.includes(shardId)) return undefined;
    children.push({ shardId: ShardId, parentShards, ...hashKeyRangeOf(HashKeyRange) });
  }
  return children;
}
