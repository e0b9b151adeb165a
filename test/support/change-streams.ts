// One table with a stream, as small as a reader needs it, behind an object with the shape of the SDK's client. Readers run in virtual
// time. Facts that matter are here: trimmed records are refused, numbers skip, the last records may come without an iterator.
import * as sdk from '@aws-sdk/client-dynamodb-streams';
import { changeSource, type ChangeSourceOptions } from '../../src/aws/dynamodb-streams/change-source.js';
import type { StreamsSdk } from '../../src/aws/dynamodb-streams/streams-sdk.js';
import type { StartPosition } from '../../src/core/position.js';
import type { LeasedRead, ReadResult, ShardReader, SourceNotice, StreamSource } from '../../src/api/ports.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awsError } from './aws-error.js';
import type { ModelAnswer, ModelCall } from './model-kinesis-client.js';
import { countedTimers } from './polling-harness.js';

export const streamArn = 'arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-31T12:00:00.000';
export const shardId = 'shardId-00000001769860800000-0a0b0c0d';
export const trimHorizon: StartPosition = { type: 'trimHorizon' };
export const load = (): Promise<StreamsSdk> => Promise.resolve(sdk as unknown as StreamsSdk);

export interface ModelShard {
  readonly id: string;
  readonly parent?: string;
  readonly records: { readonly number: string; readonly key: string; readonly at: number; readonly image?: object }[];
  closed: boolean;
  /** Whether the listing shows the end of a closed shard. */
  endIsListed: boolean;
  /** How many of the first records have expired. */
  trimmed: number;
}

/** A sequence number of DynamoDB: 21 digits, padded with zeros. */
export const numbered = (number: number): string => String(number).padStart(21, '0');

export class ModelStream {
  readonly calls: ModelCall[] = [];
  readonly shards = new Map<string, ModelShard>();
  arn = streamArn;
  status = 'ENABLED';
  pageSize = 100;
  script: (call: ModelCall) => ModelAnswer = () => undefined;
  readonly config: { readonly region?: unknown } = { region: 'us-east-1' };
  readonly #clock: ManualClock;
  #number = 100;

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.addShard(shardId);
  }

  addShard(id: string, parent?: string): ModelShard {
    const shard: ModelShard = {
      id,
      ...(parent === undefined ? {} : { parent }),
      records: [],
      closed: false,
      endIsListed: true,
      trimmed: 0,
    };
    this.shards.set(id, shard);
    return shard;
  }

  shard(id = shardId): ModelShard {
    return this.shards.get(id) as ModelShard;
  }

  put(...keys: string[]): string[] {
    return keys.map((key) => this.putAt(this.#clock.wallNow(), key));
  }

  putAt(at: number, key: string, id = shardId, image?: object): string {
    const number = numbered((this.#number += 7));
    this.shard(id).records.push({ number, key, at, ...(image === undefined ? {} : { image }) });
    return number;
  }

  of(operation: string): readonly ModelCall[] {
    return this.calls.filter((call) => call.operation === operation);
  }

  async send(command: { readonly input: Record<string, any> }): Promise<unknown> {
    const operation = command.constructor.name.replace(/Command$/, '');
    const call = { operation, input: command.input, at: this.#clock.now() };
    this.calls.push(call);
    const scripted = this.script(call);
    if (scripted === 'hang') return new Promise(() => undefined);
    if (scripted !== undefined && 'error' in scripted) throw awsError(scripted.error, 'scripted', scripted.status);
    if (scripted !== undefined) return scripted.body;
    if (operation === 'DescribeStream') return this.#describe(call.input);
    if (operation === 'GetShardIterator') return this.#iterator(call.input);
    return this.#records(call.input);
  }

  #describe({ StreamArn, ExclusiveStartShardId: after, Limit = this.pageSize }: Record<string, any>): unknown {
    if (StreamArn !== this.arn) throw awsError('ResourceNotFoundException', 'no such stream');
    const all = [...this.shards.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const rest = after === undefined ? all : all.filter(({ id }) => id > after);
    const page = rest.slice(0, Math.min(Limit, this.pageSize));
    return {
      StreamDescription: {
        StreamArn,
        StreamStatus: this.status,
        Shards: page.map(({ id, parent, closed, endIsListed, records }) => ({
          ShardId: id,
          ...(parent === undefined ? {} : { ParentShardId: parent }),
          SequenceNumberRange: {
            StartingSequenceNumber: numbered(1),
            ...(closed && endIsListed ? { EndingSequenceNumber: records.at(-1)?.number ?? numbered(1) } : {}),
          },
        })),
        ...(page.length < rest.length ? { LastEvaluatedShardId: page.at(-1)?.id } : {}),
      },
    };
  }

  #iterator({ StreamArn, ShardId, ShardIteratorType: type, SequenceNumber }: Record<string, any>): unknown {
    const shard = this.shards.get(ShardId as string);
    if (StreamArn !== this.arn || shard === undefined) throw awsError('ResourceNotFoundException', 'no such shard');
    if (type === 'TRIM_HORIZON') return { ShardIterator: `${shard.id}|${shard.trimmed}` };
    if (String(SequenceNumber).length < 21) throw awsError('ValidationException', 'Invalid SequenceNumber');
    const next = shard.records.findIndex(({ number }) => number > SequenceNumber);
    return { ShardIterator: `${shard.id}|${next < 0 ? shard.records.length : next}` };
  }

  #records({ ShardIterator, Limit }: Record<string, any>): unknown {
    const [id = '', from = '0'] = String(ShardIterator).split('|');
    const shard = this.shard(id);
    const start = Number(from);
    const isEmpty = shard.trimmed > 0 && shard.trimmed === shard.records.length;
    if (start < shard.trimmed || isEmpty) throw awsError('TrimmedDataAccessException', 'trimmed');
    const records = shard.records.slice(start, start + (Limit as number));
    const end = start + records.length;
    const isOver = shard.closed && end >= shard.records.length;
    return {
      Records: records.map(({ number, key, at, image }) => ({
        eventID: `e-${number}`,
        eventName: 'INSERT',
        dynamodb: {
          ApproximateCreationDateTime: new Date(Math.floor(at / 1_000) * 1_000),
          Keys: { id: { S: key } },
          ...(image === undefined ? {} : { NewImage: image }),
          SequenceNumber: number,
          SizeBytes: 10,
          StreamViewType: 'KEYS_ONLY',
        },
      })),
      ...(isOver ? {} : { NextShardIterator: `${id}|${end}` }),
    };
  }
}

export interface ChangeHarness {
  readonly clock: ManualClock;
  readonly timers: ReturnType<typeof countedTimers>;
  readonly model: ModelStream;
  readonly source: StreamSource;
  readonly notices: SourceNotice[];
  readonly results: ReadResult[];
  /** The ids of the changed items, in the order read. */
  readonly ids: string[];
  readonly failure: () => unknown;
  open(start?: StartPosition, lease?: LeasedRead): ShardReader;
  /** Reads until the end or an error. */
  consume(start?: StartPosition, lease?: LeasedRead): ShardReader;
}

export function changeHarness(options: Partial<ChangeSourceOptions> = {}): ChangeHarness {
  const clock = new ManualClock();
  const timers = countedTimers(clock);
  const model = new ModelStream(clock);
  const given = options.tableName === undefined ? { streamArn, ...options } : options;
  const environment = { clock, timers, random: { next: () => 0.5 } };
  const source = changeSource({ client: model, load, ...given }, environment);
  const notices: SourceNotice[] = [];
  const results: ReadResult[] = [];
  const ids: string[] = [];
  let failure: unknown;

  const open: ChangeHarness['open'] = (start = trimHorizon, lease) =>
    source.open(shardId, start, (notice) => notices.push(notice), lease);
  const drain = (reader: ShardReader): void => {
    reader.read(new AbortController().signal).then(
      (result) => {
        results.push(result);
        if (result.type !== 'records') return;
        for (const { partitionKey = '' } of result.records)
          ids.push((JSON.parse(partitionKey) as { readonly id: { readonly S: string } }).id.S);
        drain(reader);
      },
      (error: unknown) => (failure = error),
    );
  };
  return {
    clock,
    timers,
    model,
    source,
    notices,
    results,
    ids,
    failure: () => failure,
    open,
    consume(start, lease) {
      const reader = open(start, lease);
      drain(reader);
      return reader;
    },
  };
}
