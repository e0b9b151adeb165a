// One subscription: a call of SubscribeToShard for a *stream's consumer* (a name registered with the stream for enhanced fan-out), and the
// events that answer it until it ends. Invariants: nothing is pulled from the service unless `next` asks. Every wait is bounded. `close`
// aborts the request, because only that frees the subscription on the server. Opened by subscription-follower.ts.
import { SubscribeToShardCommand, type KinesisClient, type StartingPosition } from '@aws-sdk/client-kinesis';
import type { Timers } from '../../../api/ports.js';
import { classifyAwsError, type AwsFailure } from '../../aws-errors.js';
import { oneAttempt } from '../../one-attempt.js';
import type { KinesisClientLike } from '../kinesis-client.js';
import type { StreamConsumer } from './stream-consumer.js';
import { eventOf, type SubscriptionEvent } from './subscription-event.js';

/** What the readers of a source need to subscribe. */
export interface Subscriptions {
  /** The client of the subscriptions; AWS wants HTTP/2. */
  readonly client: KinesisClientLike;
  readonly consumer: StreamConsumer;
  /** The stream as configured, for messages. */
  readonly stream: string;
  /** How long the service may take to accept a subscription. */
  readonly requestTimeoutMs: number;
}

/** What came next. `silent`: nothing in time; the subscription is closed. */
export type SubscriptionStep =
  | { readonly type: 'event'; readonly event: SubscriptionEvent }
  | { readonly type: 'ended' }
  | { readonly type: 'silent' }
  | { readonly type: 'failed'; readonly failure: AwsFailure };

export interface Subscription {
  /** Waits for the next event, at most `timeoutMs`. Not to be called again before its promise is fulfilled. Never rejects. */
  next(timeoutMs: number): Promise<SubscriptionStep>;
  close(): void;
}

interface SubscriptionRequest {
  readonly consumerArn: string;
  readonly shardId: string;
  readonly start: StartingPosition;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

const operation = 'SubscribeToShard';

/** Subscribes once. Never rejects. */
export async function openSubscription(
  { client, stream, requestTimeoutMs }: Subscriptions,
  { consumerArn, shardId, start, timers, signal }: SubscriptionRequest,
): Promise<
  { readonly type: 'open'; readonly subscription: Subscription } | Extract<SubscriptionStep, { type: 'failed' }>
> {
  const ending = new AbortController();
  const close = (): void => ending.abort();
  const failed = (cause: unknown): Extract<SubscriptionStep, { type: 'failed' }> => {
    close();
    return { type: 'failed', failure: classifyAwsError(cause, { service: 'kinesis', operation, stream, shardId }) };
  };

  const command = new SubscribeToShardCommand({ ConsumerARN: consumerArn, ShardId: shardId, StartingPosition: start });
  const limits = { signal, timers, timeoutMs: requestTimeoutMs };
  const { output, failure } = await oneAttempt(command, limits, (attempt) => {
    attempt.addEventListener('abort', close, { once: true });
    // The only cast from the structural type to the SDK's; only `send` is used.
    return (client as unknown as Pick<KinesisClient, 'send'>).send(command, { abortSignal: ending.signal });
  });
  if (failure !== undefined) return failed(failure.cause);
  const events: unknown = output?.EventStream;
  if (!isIterable(events)) return failed(new SyntaxError('SubscribeToShard was answered without EventStream'));

  const iterator = events[Symbol.asyncIterator]();
  const next = (timeoutMs: number): Promise<SubscriptionStep> =>
    new Promise((resolve) => {
      const settle = (step: SubscriptionStep): void => {
        cancel();
        signal.removeEventListener('abort', stop);
        resolve(step);
      };
      const stop = (): void => settle(failed(aborted()));
      const cancel = timers.after(timeoutMs, () => {
        close();
        settle({ type: 'silent' });
      });
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) return stop();
      // A late rejection, after the abort, is handled here, too: a promise resolves once.
      nextEvent(iterator, shardId).then(
        (event) => settle(event === undefined ? { type: 'ended' } : { type: 'event', event }),
        (cause: unknown) => settle(failed(cause)),
      );
    });

  return { type: 'open', subscription: { next, close } };
}

/** The next event that is known; undefined at the end. Rejects with the failure that an event reports. */
async function nextEvent(iterator: AsyncIterator<unknown>, shardId: string): Promise<SubscriptionEvent | undefined> {
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) return undefined;
    const event = eventOf(value, shardId);
    if (event !== undefined) return event;
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function aborted(): Error {
  return Object.assign(new Error('the reader was closed'), { name: 'AbortError' });
}
