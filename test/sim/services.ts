// The services as one process reaches them: kinact's own adapters over a Kinesis and a DynamoDB in memory, behind a network. Calls
// are throttled, reads are eventually consistent, and now and then rows are garbled by hand. The oracle sees every write as it takes
// effect.
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { DynamoDbClientLike } from '../../src/api/options.js';
import type { SourceSpec } from '../../src/api/source.js';
import { answerOf, fromBytes } from '../support/model-kinesis-client.js';
import type { Dice } from './dice.js';
import { DynamoDbRefusal, longestAgeMs } from './dynamodb/memory-dynamodb.js';
import type { Item } from './dynamodb/expressions.js';
import type { Machine } from './machine.js';
import type { Written } from './oracle.js';
import { answerInstead, type Mishap } from './service-faults.js';
import { answered, errorOf } from './sdk-answers.js';
import { eventStream, subscribeIn, type Link, type Subscriber } from './subscribing.js';
import type { Where } from './subscription-laws.js';
import type { Wire } from './wire.js';
import type { World } from './world.js';

interface Command {
  readonly input: Record<string, unknown>;
}

/** By the class of the command. */
const operations = new Map<unknown, string>();

function operationOf({ constructor: made }: Command): string {
  let operation = operations.get(made);
  if (operation === undefined) operations.set(made, (operation = made.name.replace(/Command$/, '')));
  return operation;
}

interface Caller {
  /** The name of the process. */
  readonly name: string;
  readonly wire: Wire;
  readonly dice: Dice;
  /** Called with the bytes of the records in each read. */
  readonly answered: (bytes: number) => void;
  /** Called when a request leaves the process. */
  readonly asks?: (operation: string) => void;
  /** Subscribes too. Default: a process that only polls. */
  readonly fanOut?: { readonly machine: Machine; readonly link?: Link | undefined };
}

type SourceCaller = Omit<Caller, 'asks'> & {
  readonly asks: (operation: string, stream: string) => void;
  readonly fanOut: NonNullable<Caller['fanOut']>;
};

export function sourcesOf(
  world: World,
  { name, wire, dice, answered: told, asks, fanOut }: SourceCaller,
): readonly SourceSpec[] {
  const { initialPosition, layout, outOfRange } = world;
  const retrieval = world.fanOut.retrievalOf(name);
  return layout.streams.map((streamName) =>
    kinesisStream({
      streamName,
      initialPosition,
      idleMs: 1_000,
      maxRecords: dice.pick([50, 1_000]),
      prefetch: {
        batches: dice.pick([1, 2, 4]),
        records: dice.pick([1, 100, 30_000]),
        bytes: dice.pick([500, 8 * 1024 * 1024]),
      },
      outOfRange,
      retrieval,
      client: kinesisClient(world, {
        ...{ name, wire, dice: dice.split(), answered: told },
        asks: (operation) => asks(operation, streamName),
        ...(retrieval === 'polling' ? {} : { fanOut }),
      }),
      ...(layout.kind === 'several' ? { application: layout.tableOf(streamName) } : {}),
    }),
  );
}

export function kinesisClient(
  world: World,
  { name, wire, dice, answered: told, asks, fanOut }: Caller,
): { send(command: never): Promise<object> } {
  const { clock, serviceFaults } = world;
  const repeated = repeating(world, dice.split());
  const watch = fanOut === undefined ? undefined : watchReads(world, fanOut);
  const subscriber = fanOut && {
    ...fanOut,
    wire,
    dice: world.fanOut.diceOf(name),
    got: (event: Page) => told(bytesIn(event)),
    pulls: () => asks?.('SubscribeToShardEvent'),
  };
  const handle = (operation: string, input: Command['input'], signal?: AbortSignal): object => {
    // Only the service knows the shard of an iterator, so the reads of each iterator count separately.
    const about = `${streamOf(input)} ${String(input['ShardId'] ?? input['ShardIterator'] ?? '')}`;
    world.callRates.called(name, operation, about);
    const mishap = serviceFaults.meets('kinesis', operation, dice);
    if (mishap !== undefined) wire.harm();
    if (dice.chance(world.throttled)) {
      wire.harm();
      throw errorOf('kinesis', 'ProvisionedThroughputExceededException', 'Rate exceeded');
    }
    if (subscriber !== undefined && operation === 'SubscribeToShard')
      return subscribe(world, mishap, subscriber, { input, signal });
    const effect = (): object => repeated(operation, input, ofTheStream(world, operation, input));
    const output = answerInstead('kinesis', mishap, dice, effect);
    if (operation === 'GetRecords') told(bytesIn(output));
    return mishap === undefined ? output : misshapen(world, operation, input, output, mishap);
  };
  const send = (command: Command, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}): Promise<object> => {
    const operation = operationOf(command);
    const input = fanOut?.link?.sent?.(operation, command.input) ?? command.input;
    asks?.(operation);
    watch?.sent(operation, input);
    let output: object | undefined;
    return wire
      .call(() => ({ output: (output = handle(operation, input, abortSignal)), at: clock.wallNow() }))
      .then(
        (answer) => {
          watch?.answered(operation, input, answer.output);
          // Half of the processes have a client of ours, whose records lie in slabs, and half a user's.
          const isOurs = operation === 'GetRecords' && /[02468]$/.test(name);
          return answered(command, isOurs ? fromBytes(answer.output) : answer.output, answer.at);
        },
        (error: unknown) => {
          // The answer was lost, and with it the subscription.
          (output as { leave?(): void } | undefined)?.leave?.();
          throw error;
        },
      );
  };
  return { config: { region: 'us-east-1' }, send } as never;
}

/** SubscribeToShard. After an error, the subscription may be open on the service, and belongs to nobody. */
function subscribe(
  world: World,
  mishap: Mishap | undefined,
  subscriber: Subscriber,
  { input, signal }: { readonly input: Command['input']; readonly signal: AbortSignal | undefined },
): object {
  let opened: ReturnType<typeof eventStream> | undefined;
  try {
    const effect = (): object => {
      mustExist(world, input);
      opened = eventStream(world, subscribeIn(world, input), input, subscriber, signal);
      return { EventStream: opened.events, leave: opened.leave };
    };
    return answerInstead('kinesis', mishap, subscriber.dice, effect);
  } catch (error) {
    opened?.leave();
    throw error;
  }
}

/** Tells the laws of subscriptions where a process reads. */
function watchReads(
  { fanOut, layout }: World,
  { machine, link }: NonNullable<Caller['fanOut']>,
): {
  sent(operation: string, input: Command['input']): void;
  answered(operation: string, input: Command['input'], output: object): void;
} {
  const { laws } = fanOut;
  const at = (stream: string, shardId: string): Where => ({
    process: machine.name,
    leaseKey: layout.nameOf(stream, shardId),
    at: machine.worldNow(),
  });
  return {
    sent: (operation, input) => {
      const shardId = String(input['ShardId']);
      if (operation === 'SubscribeToShard') {
        const arn = String(input['ConsumerARN']);
        const { SequenceNumber: number } = input['StartingPosition'] as { readonly SequenceNumber?: string };
        laws.subscribes(at(streamOf(input), shardId), arn, number);
      } else if (operation === 'GetShardIterator')
        laws.polls(at(streamOf(input), shardId), input['StartingSequenceNumber'] as string | undefined);
    },
    answered: (operation, input, output) => {
      link?.answered?.(operation, input, output);
      if (operation !== 'GetRecords') return;
      const { stream, shard } = placeOf(String(input['ShardIterator']));
      const where = at(stream, shard);
      fanOut.lateMs.delete(`${where.process} ${where.leaseKey}`);
      const newest = (output as { readonly Records: readonly { readonly SequenceNumber: string }[] }).Records.at(-1);
      if (newest !== undefined) laws.polled(where, newest.SequenceNumber);
    },
  };
}

/** The shard of an iterator, which only the model knows. */
function placeOf(iterator: string): { readonly stream: string; readonly shard: string } {
  return JSON.parse(Buffer.from(iterator, 'base64').toString()) as { readonly stream: string; readonly shard: string };
}

/** The stream that a request names, also by the ARN of one of its consumers. */
function streamOf(input: Command['input']): string {
  const arn = String(input['ConsumerARN'] ?? '').split('/consumer/')[0] as string;
  return String(input['StreamName'] ?? input['StreamARN'] ?? arn)
    .split('/')
    .at(-1) as string;
}

function mustExist(world: World, input: Command['input']): void {
  const stream = streamOf(input);
  if (world.isCreating(stream)) throw errorOf('kinesis', 'ResourceNotFoundException', `Stream ${stream} is being made`);
}

/** While a stream is being created, it can be described, but every other request fails. */
function ofTheStream(world: World, operation: string, input: Command['input']): object {
  const output = answerOf(world.kinesis, operation, input);
  const stream = streamOf(input);
  if (!world.isCreating(stream)) return output;
  if (operation === 'DescribeStreamSummary') {
    const { StreamDescriptionSummary: summary } = output as { readonly StreamDescriptionSummary: object };
    return { StreamDescriptionSummary: { ...summary, StreamStatus: 'CREATING' } };
  }
  throw errorOf('kinesis', 'ResourceNotFoundException', `Stream ${stream} is being made`);
}

interface Listed {
  readonly ShardId: string;
  readonly SequenceNumberRange: { readonly StartingSequenceNumber: string };
}

/** Makes an answer incomplete or out of date, as the mishap demands. */
function misshapen(world: World, operation: string, input: Command['input'], output: object, mishap: Mishap): object {
  const { clock, dice, kinesis } = world;
  if (operation === 'GetRecords' && mishap.type === 'noIterator') {
    const { NextShardIterator: _next, ChildShards: _children, ...rest } = output as Record<string, unknown>;
    return rest;
  }
  if (operation === 'GetRecords' && mishap.type === 'emptyPage') {
    // The service knows how old the first record is that it leaves out, and says no less (seed 870053).
    const [first] = (output as { readonly Records: readonly { readonly ApproximateArrivalTimestamp: Date }[] }).Records;
    const ageMs = first === undefined ? 0 : clock.wallNow() - first.ApproximateArrivalTimestamp.getTime();
    return { Records: [], NextShardIterator: input['ShardIterator'], MillisBehindLatest: Math.max(5_000, ageMs) };
  }
  if (operation !== 'ListShards' || typeof input['StreamName'] !== 'string') return output;
  const { Shards, ...rest } = output as { readonly Shards: readonly Listed[] };
  if (mishap.type === 'omitsShards') return { ...rest, Shards: Shards.filter(() => dice.chance(0.6)) };
  if (mishap.type !== 'olderListing') return output;
  const then = clock.wallNow() - mishap.ageMs;
  const { shards } = kinesis.stream(String(input['StreamName']));
  const asThen = Shards.filter(({ ShardId }) => (shards.get(ShardId)?.createdAt ?? 0) <= then).map((listed) => {
    const { StartingSequenceNumber } = listed.SequenceNumberRange;
    const wasOpen = (shards.get(listed.ShardId)?.closedAt ?? Infinity) > then;
    return wasOpen ? { ...listed, SequenceNumberRange: { StartingSequenceNumber } } : listed;
  });
  return { ...rest, Shards: asThen };
}

interface Page {
  readonly Records?: readonly { readonly Data: Uint8Array; readonly PartitionKey?: string }[];
  readonly NextShardIterator?: string;
}

function bytesIn({ Records = [] }: Page): number {
  let bytes = 0;
  for (const { Data, PartitionKey = '' } of Records) bytes += Data.length + Buffer.byteLength(PartitionKey);
  return bytes;
}

/** Now and then a read returns the last records again: a stream promises delivery only at least once. */
function repeating(world: World, dice: Dice): (operation: string, input: Command['input'], output: Page) => object {
  // By iterator, because a reader repeats a read with the same iterator if the answer is lost.
  const before = new Map<unknown, NonNullable<Page['Records']>>();
  return (operation, input, output) => {
    if (operation !== 'GetRecords') return output;
    const { Records = [], NextShardIterator } = output;
    const last = before.get(input['ShardIterator']) ?? [];
    if (NextShardIterator !== undefined) before.set(NextShardIterator, Records.length > 0 ? Records : last);
    const again = dice.chance(world.repeats) ? last.slice(-dice.between(1, 20)) : [];
    return { ...output, Records: [...again, ...Records] };
  };
}

/** `wrote` is called for every write as the write takes effect. Default: the oracle's. */
export function dynamoDbClient(
  world: World,
  machine: Machine,
  wire: Wire,
  dice: Dice,
  wrote: (written: Written) => void = world.oracle.wrote,
): DynamoDbClientLike {
  const { clock, dynamoDb, layout, leases, oracle, serviceFaults } = world;
  const ageOf = (): number => (dice.chance(world.staleReads) ? dice.next() * longestAgeMs : 0);
  const handle = (operation: string, input: Command['input'], sentAt: number): object => {
    const mishap = serviceFaults.meets('dynamodb', operation, dice);
    if (mishap !== undefined) wire.harm();
    if (dice.chance(world.throttled / 2)) {
      wire.harm();
      throw errorOf('dynamodb', tooFast, 'Rate exceeded');
    }
    const tableName = String(input['TableName']);
    const leaseKey = layout.tables.includes(tableName) ? keyOf(input) : undefined;
    // All pages of a scan count as one call.
    if (input['ExclusiveStartKey'] === undefined)
      world.callRates.called(machine.name, operation, `${tableName} ${leaseKey ?? ''}`);
    const before = leaseKey === undefined ? undefined : leases.at(tableName, leaseKey);
    try {
      const effect = (): object => readBy(world, tableName, dynamoDb.handle(operation, input, ageOf));
      return answerInstead('dynamodb', mishap, dice, effect);
    } catch (error) {
      if (!(error instanceof DynamoDbRefusal)) throw error;
      const { name, message, item } = error;
      // This is not a failed condition: no service would carry out this request.
      if (name === 'ValidationException') oracle.violate('I29', `${machine.name} sent ${operation}: ${message}`);
      throw errorOf('dynamodb', name, message, item === undefined ? undefined : garbled(world, tableName, item));
    } finally {
      const after = leaseKey === undefined ? undefined : leases.at(tableName, leaseKey);
      const name = (after ?? before)?.leaseKey;
      if (name !== undefined && after !== before) {
        const written = { process: machine.name, leaseKey: name, before, after, sentAt };
        world.refusals.wrote(tableName, written);
        wrote(written);
      }
    }
  };
  const send = (command: Command, options?: { readonly abortSignal?: AbortSignal }): Promise<object> => {
    const sentAt = machine.worldNow();
    const operation = operationOf(command);
    // A refusal changes nothing for the caller if the answer is lost, or if the caller has given the call up (seed 810401).
    const heard = (error: Error): never => {
      if (error.name === tooFast && options?.abortSignal?.aborted !== true)
        world.refusals.refused(machine.name, operation, String(command.input['TableName']), sentAt);
      throw error;
    };
    return wire
      .call(() => ({ output: handle(operation, command.input, sentAt), at: clock.wallNow() }))
      .then(({ output, at }) => answered(command, output, at), heard);
  };
  return { send } as never;
}

const tooFast = 'ProvisionedThroughputExceededException';

function keyOf(input: Command['input']): string | undefined {
  return ((input['Key'] ?? input['Item']) as Item | undefined)?.['leaseKey']?.S;
}

/** The output of a read, with the rows that were garbled by hand in their garbled form. */
function readBy(
  world: World,
  tableName: string,
  output: { readonly Item?: Item; readonly Items?: readonly Item[] },
): object {
  if (world.garbled.size === 0) return output;
  if (output.Item !== undefined) return { ...output, Item: garbled(world, tableName, output.Item) };
  if (output.Items !== undefined)
    return { ...output, Items: output.Items.map((item) => garbled(world, tableName, item)) };
  return output;
}

function garbled(world: World, tableName: string, item: Item): Item {
  const name = world.layout.nameOfRow(tableName, item['leaseKey']?.S ?? '', item);
  return world.garbled.has(name) ? { ...item, leaseCounter: { S: 'garbled by hand' } } : item;
}
