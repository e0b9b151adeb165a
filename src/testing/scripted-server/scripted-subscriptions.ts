// SubscribeToShard in the scripted Kinesis, without HTTP: who may subscribe, and what a subscription sends next. A subscription has no
// timer: its reader asks `next`, and again at `dueAt` or when `onChange` says so. Called by scripted-kinesis.ts.
import { AwsAnswerError, requiredText } from './answer-errors.js';
import { consumerOf, present, statusOf } from './scripted-consumers.js';
import { describeRecords, pageOf, startOf, type ReadModel } from './scripted-reads.js';
import { childrenOf, type ScriptedConsumer, type ScriptedShard, type ScriptedStream } from './scripted-shards.js';

type Input = Readonly<Record<string, unknown>>;

/** What a subscription sends. After an exception or an end nothing follows. */
export type SubscriptionMessage =
  | {
      readonly type: 'event';
      /** SubscribeToShardEvent, as plain JSON. */
      readonly event: object;
    }
  | {
      readonly type: 'exception';
      /** The name of the error, such as ResourceInUseException. */
      readonly code: string;
      /** The text of the error. */
      readonly message: string;
    }
  | { readonly type: 'end' };

/** An open subscription. */
export interface ScriptedSubscription {
  /** The name of the stream. */
  readonly stream: string;
  /** The name of the consumer. */
  readonly consumer: string;
  /** The shard that it reads, such as `shardId-000000000000`. */
  readonly shardId: string;
  /** When it began, on the server's clock: milliseconds since the epoch. */
  readonly since: number;
  /** When `next` has something to send at the latest, on the server's clock: milliseconds since the epoch. */
  readonly dueAt: number;
  /** What is due now, or undefined. It takes what it returns, so only one reader may call it: the server does, for its clients. */
  next(): SubscriptionMessage | undefined;
  /** What is due now, or an event without records before its time. Like `next`, it is for one reader. */
  nextOrHeartbeat(): SubscriptionMessage;
  /** Calls `listener` when `next` may have more to send. Returns the end of it. */
  onChange(listener: () => void): () => void;
  /** Its client has left. For `takeOverAfterMs` after its beginning, the service still refuses a second one. */
  close(): void;
  /** The service ends it: nothing follows, and a second one is not refused. */
  end(): void;
}

/** One page of an event. AWS pushes at most 2 MB a second per shard and consumer, in several events. */
const maxEvent = { limit: 10_000, maxBytes: 1_048_576 };
const callsApartMs = 1_000;
/** Record numbers are multiples of 16 apart. Continuation numbers are between them, so that no record has one. */
const continuationOffset = 8n;

/** The calls of one consumer for one shard. */
interface Caller {
  calledAt: number;
  openedAt: number;
  open: Subscription | undefined;
}

/** All subscriptions of a server. */
export class ScriptedSubscriptions {
  readonly #model: ReadModel;
  readonly #open = new Set<Subscription>();
  /** By the consumer, then by the shard's id. */
  readonly #callers = new WeakMap<ScriptedConsumer, Map<string, Caller>>();

  constructor(model: ReadModel) {
    this.#model = model;
  }

  get list(): readonly Subscription[] {
    return [...this.#open];
  }

  /** Something has changed: records, shards, consumers, the clock. */
  wake(): void {
    for (const one of this.#open) one.wake();
  }

  /** SubscribeToShard. Throws AwsAnswerError if the service would refuse the call. */
  subscribe(input: Input): Subscription {
    const arn = requiredText(input['ConsumerARN']);
    const { stream, consumer } = consumerOf(this.#model, arn);
    const now = this.#model.now();
    if (statusOf(consumer, now) !== 'ACTIVE')
      throw new AwsAnswerError('ResourceInUseException', `Consumer ${arn} is ${statusOf(consumer, now)}, not ACTIVE.`);

    const shard = this.#model.shard(stream.name, requiredText(input['ShardId']));
    const caller = this.#callerOf(consumer, shard.shardId);
    if (now < caller.calledAt + callsApartMs)
      throw new AwsAnswerError(
        'LimitExceededException',
        `Rate exceeded for consumer ${arn} and shard ${shard.shardId}`,
      );
    caller.calledAt = now;

    const from = this.#startOf(stream, shard, input['StartingPosition'] as Input | undefined);
    if (caller.open?.isEnded === false && now < caller.openedAt + this.#model.options.takeOverAfterMs)
      throw new AwsAnswerError(
        'ResourceInUseException',
        `Another active subscription exists for this consumer: ${stream.name}:${shard.shardId}:${consumer.name}`,
      );

    caller.open?.takeOver();
    const place = { stream, shard, consumer };
    const opened = new Subscription(this.#model, place, from, (left) => this.#open.delete(left));
    this.#open.add(opened);
    Object.assign(caller, { openedAt: now, open: opened });
    return opened;
  }

  #callerOf(consumer: ScriptedConsumer, shardId: string): Caller {
    const shards = this.#callers.get(consumer) ?? new Map<string, Caller>();
    this.#callers.set(consumer, shards);
    const caller = shards.get(shardId) ?? { calledAt: -Infinity, openedAt: -Infinity, open: undefined };
    shards.set(shardId, caller);
    return caller;
  }

  #startOf(stream: ScriptedStream, shard: ScriptedShard, position: Input | undefined): string {
    const type = requiredText(position?.['Type']);
    const sequenceNumber = position?.['SequenceNumber'];
    const named = typeof sequenceNumber === 'string' && /^\d+$/.test(sequenceNumber) ? BigInt(sequenceNumber) : 0n;
    const isContinuation = type.endsWith('_SEQUENCE_NUMBER') && this.#isContinuation(shard, named);
    if (isContinuation) return String(named);
    const timestamp = position?.['Timestamp'];
    return startOf(this.#model, stream.name, shard, { operation: 'SubscribeToShard', type, sequenceNumber, timestamp });
  }

  /** True for a number that an event may have had as its continuation. */
  #isContinuation(shard: ScriptedShard, number: bigint): boolean {
    const first = BigInt(shard.startingSequenceNumber);
    return (
      number > first &&
      number < BigInt(this.#model.lastSequence()) + 16n &&
      (number - first) % 16n === continuationOffset
    );
  }
}

interface Place {
  readonly stream: ScriptedStream;
  readonly shard: ScriptedShard;
  readonly consumer: ScriptedConsumer;
}

/** One subscription. It stays open on the server until `next` ends it, or until its client leaves and `close` is called. */
class Subscription implements ScriptedSubscription {
  readonly stream: string;
  readonly consumer: string;
  readonly shardId: string;
  readonly since: number;
  readonly #model: ReadModel;
  readonly #place: Place;
  readonly #ended: (self: Subscription) => void;
  readonly #listeners = new Set<() => void>();
  #from: string;
  #sentAt: number;
  #isTakenOver = false;
  #isEnded = false;

  constructor(model: ReadModel, place: Place, from: string, ended: (self: Subscription) => void) {
    this.#model = model;
    this.#place = place;
    this.#from = from;
    this.#ended = ended;
    this.stream = place.stream.name;
    this.consumer = place.consumer.name;
    this.shardId = place.shard.shardId;
    this.since = model.now();
    this.#sentAt = this.since;
  }

  /** True once the service has ended it. A client that leaves does not end it: the service may learn that late. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  get dueAt(): number {
    const { heartbeatMs, subscriptionMs } = this.#model.options;
    const scalingAt = this.#place.stream.scalings[0]?.at ?? Infinity;
    return Math.min(this.#sentAt + heartbeatMs, this.since + subscriptionMs, scalingAt);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Another call has taken its place. */
  takeOver(): void {
    if (this.#isEnded) return;
    this.#isTakenOver = true;
    this.#ended(this);
    this.wake();
  }

  close(): void {
    this.#ended(this);
  }

  next(): SubscriptionMessage | undefined {
    const now = this.#model.now();
    if (this.#isEnded) return { type: 'end' };
    if (this.#isTakenOver)
      return this.#last({
        type: 'exception',
        code: 'ResourceInUseException',
        message: `Another active subscription exists for this consumer: ${this.stream}:${this.shardId}:${this.consumer}`,
      });
    const gone = this.#whatIsGone();
    if (gone !== undefined)
      return this.#last({ type: 'exception', code: 'ResourceNotFoundException', message: `${gone} not found.` });
    if (now >= this.since + this.#model.options.subscriptionMs) return this.#last({ type: 'end' });

    const { stream, shard } = this.#place;
    const page = pageOf(this.#model, stream, shard, { from: this.#from, ...maxEvent });
    const { endOfShard, heartbeatMs } = this.#model.options;
    if (page.records.length > 0) {
      const isLast = page.atEnd && endOfShard === 'withRecords';
      return this.#event(page, isLast);
    }
    if (page.atEnd) return this.#event(page, true);
    return now >= this.#sentAt + heartbeatMs ? this.#event(page, false) : undefined;
  }

  nextOrHeartbeat(): SubscriptionMessage {
    return this.next() ?? this.#event({ records: [], next: this.#from, behindMs: 0 }, false);
  }

  end(): void {
    this.#isEnded = true;
    this.#ended(this);
  }

  #last<M extends SubscriptionMessage>(message: M): M {
    this.end();
    return message;
  }

  #event(page: Pick<ReturnType<typeof pageOf>, 'records' | 'next' | 'behindMs'>, isLast: boolean): SubscriptionMessage {
    const { stream, shard } = this.#place;
    this.#from = page.next;
    this.#sentAt = this.#model.now();
    if (isLast) this.end();
    return {
      type: 'event',
      event: {
        Records: describeRecords(page.records),
        MillisBehindLatest: page.behindMs,
        ...(isLast ? {} : { ContinuationSequenceNumber: this.#continuation(page) }),
        ...(isLast && this.#model.options.childShards ? { ChildShards: childrenOf(stream, shard.shardId) } : {}),
      },
    };
  }

  /** Above all that was sent, below all that was not. No record has it. */
  #continuation(page: {
    readonly records: readonly { readonly sequenceNumber: string }[];
    readonly behindMs: number;
  }): string {
    const last = page.records.at(-1)?.sequenceNumber;
    const base = page.behindMs > 0 && last !== undefined ? last : this.#model.lastSequence();
    return String(BigInt(base) + continuationOffset);
  }

  #whatIsGone(): string | undefined {
    const { stream, shard, consumer } = this.#place;
    try {
      // A new stream of the same name has other shards.
      if (this.#model.shard(stream.name, shard.shardId) !== shard) return `Shard ${shard.shardId}`;
    } catch {
      return `Shard ${shard.shardId} of stream ${stream.name}`;
    }
    return present(stream, this.#model.now()).includes(consumer) ? undefined : `Consumer ${consumer.name}`;
  }
}
