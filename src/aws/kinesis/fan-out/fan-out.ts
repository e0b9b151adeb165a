// Enhanced fan-out for one source: its consumer, and the client of its subscriptions. Made by kinesis-source.ts.
import type { Ask } from '../../shared-request.js';
import type { KinesisCaller, KinesisClientLike } from '../kinesis-client.js';
import type { Clock, Random, StreamDescription, Timers } from '../../../api/ports.js';
import { createStreamConsumer, type StreamConsumerDeps } from './stream-consumer.js';
import type { Subscriptions } from './subscription.js';

export interface FanOutOptions {
  readonly consumer: StreamConsumerDeps['configured'];
  /** Whether the source cannot be opened before its consumer can be had. */
  readonly isRequired: boolean;
  /** The user's own client for subscriptions. Default: the client of the other calls. */
  readonly client?: KinesisClientLike | undefined;
}

export interface FanOut {
  readonly subscriptions: Subscriptions;
  /** Called when the source is opened, until it has succeeded once. Rejects if a consumer that is required cannot be had. */
  open(signal: AbortSignal): Promise<void>;
  close(): void;
}

interface FanOutDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly caller: KinesisCaller;
  readonly client: KinesisClientLike;
  readonly stream: string;
  readonly describe: Ask<StreamDescription>;
  readonly requestTimeoutMs: number;
}

export function createFanOut(options: FanOutOptions | undefined, deps: FanOutDeps): FanOut | undefined {
  if (options === undefined) return undefined;
  const { stream, requestTimeoutMs } = deps;
  const consumer = createStreamConsumer({ ...deps, configured: options.consumer });
  let isOpen = false;
  return {
    subscriptions: { client: options.client ?? deps.client, consumer, stream, requestTimeoutMs },
    async open(signal) {
      if (isOpen) return;
      if (options.isRequired) await consumer.confirm(signal);
      isOpen = true;
      // So that it is ACTIVE as soon as possible.
      consumer.startLooking();
    },
    close: () => consumer.close(),
  };
}
