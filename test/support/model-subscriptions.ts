// Consumers and subscriptions of enhanced fan-out over the scripted Kinesis, in virtual time: what AWS documents of SubscribeToShard.
// Used by the model client.
import type { Clock, Timers } from '../../src/api/ports.js';
import type { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { awsError } from './aws-error.js';

type Input = Record<string, any>;

interface Consumer {
  readonly arn: string;
  readonly stream: string;
  readonly name: string;
  activeAt: number;
}

/** A subscription that is open. */
export interface ModelSubscription {
  readonly consumer: string;
  readonly shardId: string;
  readonly since: number;
  /** Whether the reader waits for an event now. */
  readonly isPulled: () => boolean;
  /** Ends it with this error in the stream; without one, as after five minutes. */
  end(error?: string): void;
  /** From now on nothing comes, and the connection stays open. */
  stall(): void;
}

export interface ModelSubscriptions {
  readonly consumers: Map<string, Consumer>;
  readonly open: Set<ModelSubscription>;
  /** Settings of the model. */
  readonly settings: {
    activeAfterMs: number;
    recordsPerEvent: number;
    lastsMs: number;
    consumers: number;
    creating: number;
  };
  register(stream: string, name: string): string;
  countOf(stream: string): number;
  handle(
    operation: string,
    input: Input,
    signal: AbortSignal | undefined,
  ): { readonly handled: boolean; readonly output: object };
}

const heartbeatMs = 5_000;
const tickMs = 100;

export function modelSubscriptions(kinesis: ScriptedKinesis, clock: Clock & Timers): ModelSubscriptions {
  const consumers = new Map<string, Consumer>();
  const open = new Set<ModelSubscription>();
  const continuations = new Set<string>();
  const calledAt = new Map<string, number>();
  const settings = { activeAfterMs: 0, recordsPerEvent: 10_000, lastsMs: 300_000, consumers: 20, creating: 5 };
  const streamOf = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1);

  const register = (stream: string, name: string): string => {
    const arn = `${kinesis.stream(stream).arn}/consumer/${name}:${Math.floor(clock.wallNow() / 1_000)}`;
    consumers.set(arn, { arn, stream, name, activeAt: clock.now() + settings.activeAfterMs });
    return arn;
  };
  const countOf = (stream: string): number => [...consumers.values()].filter((each) => each.stream === stream).length;
  const described = (consumer: Consumer): object => ({
    ConsumerName: consumer.name,
    ConsumerARN: consumer.arn,
    ConsumerStatus: clock.now() >= consumer.activeAt ? 'ACTIVE' : 'CREATING',
  });
  const find = (input: Input): Consumer => {
    const arn = input['ConsumerARN'] as string | undefined;
    const found = [...consumers.values()].find((each) =>
      arn === undefined
        ? each.name === input['ConsumerName'] && each.stream === streamOf(input['StreamARN'] as string)
        : each.arn === arn,
    );
    if (found === undefined || !kinesis.streams.has(found.stream))
      throw awsError('ResourceNotFoundException', 'Consumer not found.');
    return found;
  };

  const fresh = (stream: string, shardId: string): string => startOf(kinesis, stream, shardId, { Type: 'LATEST' });

  function subscribe(input: Input, signal: AbortSignal | undefined): object {
    const consumer = find(input);
    const shardId = input['ShardId'] as string;
    const key = `${consumer.arn} ${shardId}`;
    const last = calledAt.get(key) ?? -Infinity;
    calledAt.set(key, clock.now());
    if (clock.now() - last < 1_000) throw awsError('LimitExceededException', 'One call a second.');
    if (clock.now() < consumer.activeAt) throw awsError('ResourceInUseException', 'The consumer is being created.');

    const position = input['StartingPosition'] as Input;
    const number = position['SequenceNumber'] as string | undefined;
    const from =
      number !== undefined && continuations.has(number)
        ? String(BigInt(number) + 1n)
        : startOf(kinesis, consumer.stream, shardId, position);

    const older = [...open].find((each) => each.consumer === consumer.name && each.shardId === shardId);
    if (older !== undefined && clock.now() - older.since < 5_000)
      throw awsError('ResourceInUseException', 'Another active subscription exists for this consumer.');
    older?.end('ResourceInUseException');
    return { EventStream: events(consumer, shardId, from, signal) };
  }

  function events(consumer: Consumer, shardId: string, start: string, signal?: AbortSignal): AsyncIterable<object> {
    const { stream } = consumer;
    const since = clock.now();
    let from = start;
    let saidAt = -Infinity;
    let ending: { readonly error?: string | undefined } | undefined;
    let stalled = false;
    let pulled = false;
    let cancel = (): void => {};
    let wake = (): void => {};

    const subscription: ModelSubscription = {
      consumer: consumer.name,
      shardId,
      since,
      isPulled: () => pulled,
      end(error) {
        ending ??= { error };
        open.delete(subscription);
        wake();
      },
      stall: () => (stalled = true),
    };
    open.add(subscription);
    const stop = (): void => subscription.end('AbortError');
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();

    /** What is to be said now; undefined if nothing. */
    const due = (): object | undefined => {
      const shard = kinesis.streams.get(stream)?.shards.get(shardId);
      if (shard === undefined) throw awsError('ResourceNotFoundException', 'The shard is gone.');
      let first = shard.records.length;
      while (first > 0 && BigInt(shard.records[first - 1]!.sequenceNumber) >= BigInt(from)) first -= 1;
      const later = shard.records.slice(first);
      const page = later.slice(0, settings.recordsPerEvent);
      const behind = later.length - page.length;
      const ends = shard.endingSequenceNumber !== undefined && behind === 0;
      if (page.length === 0 && !ends && clock.now() - saidAt < heartbeatMs) return undefined;

      saidAt = clock.now();
      const number = behind > 0 ? String(BigInt(page.at(-1)!.sequenceNumber) + 1n) : fresh(stream, shardId);
      continuations.add(number);
      from = String(BigInt(number) + 1n);
      const children = [...kinesis.stream(stream).shards.values()].filter(({ parents }) => parents.includes(shardId));
      const ended = {
        ChildShards: children.map((child) => ({
          ShardId: child.shardId,
          ParentShards: child.parents,
          HashKeyRange: {
            StartingHashKey: String(child.startingHashKey),
            EndingHashKey: String(child.endingHashKey),
          },
        })),
      };
      if (ends) ending = {};
      return {
        SubscribeToShardEvent: {
          Records: page.map((record) => ({
            SequenceNumber: record.sequenceNumber,
            ...(record.partitionKey === undefined ? {} : { PartitionKey: record.partitionKey }),
            Data: Buffer.from(record.data, 'base64'),
            ApproximateArrivalTimestamp: new Date(record.arrivedAt),
          })),
          MillisBehindLatest: behind > 0 ? Math.max(1, clock.wallNow() - later[page.length]!.arrivedAt) : 0,
          ...(ends ? ended : { ContinuationSequenceNumber: number }),
        },
      };
    };

    const next = async (): Promise<IteratorResult<object>> => {
      pulled = true;
      try {
        for (;;) {
          if (ending?.error !== undefined) throw awsError(ending.error, 'in the event stream');
          if (ending === undefined && clock.now() - since >= settings.lastsMs) subscription.end();
          if (ending !== undefined) return { done: true, value: undefined };
          const event = stalled ? undefined : due();
          if (event !== undefined) {
            if (ending !== undefined) open.delete(subscription);
            return { done: false, value: event };
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
            cancel = clock.after(tickMs, resolve);
          });
          cancel();
        }
      } finally {
        pulled = false;
      }
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  return {
    consumers,
    open,
    settings,
    register,
    countOf,
    handle(operation, input, signal) {
      switch (operation) {
        case 'DescribeStreamConsumer':
          return { handled: true, output: { ConsumerDescription: described(find(input)) } };
        case 'RegisterStreamConsumer': {
          const stream = streamOf(input['StreamARN'] as string);
          const known = [...consumers.values()].filter((each) => each.stream === stream);
          if (known.some(({ name }) => name === input['ConsumerName']))
            throw awsError('ResourceInUseException', 'The consumer exists.');
          const creating = known.filter(({ activeAt }) => clock.now() < activeAt);
          if (known.length >= settings.consumers || creating.length >= settings.creating)
            throw awsError('LimitExceededException', 'Too many consumers.');
          const arn = register(stream, input['ConsumerName'] as string);
          return { handled: true, output: { Consumer: described(consumers.get(arn)!) } };
        }
        case 'SubscribeToShard':
          return { handled: true, output: subscribe(input, signal) };
        default:
          return { handled: false, output: {} };
      }
    },
  };
}

/** The number from which a subscription at this position reads, found as for an iterator. */
function startOf(kinesis: ScriptedKinesis, stream: string, shardId: string, position: Input): string {
  const timestamp = position['Timestamp'] as Date | undefined;
  try {
    const { ShardIterator } = kinesis.handle('GetShardIterator', {
      StreamName: stream,
      ShardId: shardId,
      ShardIteratorType: position['Type'],
      StartingSequenceNumber: position['SequenceNumber'],
      ...(timestamp === undefined ? {} : { Timestamp: timestamp.getTime() / 1_000 }),
    }) as { readonly ShardIterator: string };
    return (JSON.parse(Buffer.from(ShardIterator, 'base64').toString()) as { from: string }).from;
  } catch (error) {
    const { code, message, status } = error as { code: string; message: string; status?: number };
    throw awsError(code, message, status);
  }
}
