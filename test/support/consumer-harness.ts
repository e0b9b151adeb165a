// Consumers inside the test's own process over real local servers. The harness records their items and events, and has waits with a
// deadline. For tests that need separate processes, use fleet.ts.
import { setTimeout as delay } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import {
  createConsumer,
  defineReducer,
  kinesisStream,
  type Consumer,
  type ConsumerEventName,
  type ConsumerEvents,
  type ConsumerOptions,
  type Item,
  type KinesisStreamOptions,
} from '../../src/index.js';
import { localClientConfig } from '../../src/testing/local-servers.js';

export type Said = {
  [Name in ConsumerEventName]: { readonly name: Name; readonly data: ConsumerEvents[Name] };
}[ConsumerEventName];

export interface Watched {
  readonly consumer: Consumer;
  /** Items in the order of their delivery to reducers. */
  readonly seen: Item[];
  /** Every event, in order. */
  readonly said: Said[];
  heard<Name extends ConsumerEventName>(name: Name): readonly ConsumerEvents[Name][];
}

export const allEvents: readonly ConsumerEventName[] = [
  'leaseTaken',
  'leaseLost',
  'leaseReleased',
  'leaseHandedOver',
  'shardStarted',
  'shardEnded',
  'checkpoint',
  'recordSkipped',
  'itemRetrying',
  'itemRecovered',
  'readingStopped',
  'readingResumed',
  'outageStarted',
  'outageEnded',
  'outOfRange',
  'malformedAggregate',
  'retentionAtRisk',
  'trimmed',
  'throttled',
  'retrying',
  'retrievalChanged',
  'subscriptionTakenOver',
  'recordDistribution',
  'malformedLease',
  'leaseHole',
  'leaseUnread',
  'leaseContradiction',
  'noProgress',
  'checkpointBeyondTip',
  'leaseTableBusy',
  'sourceFailed',
  'paused',
  'resumed',
  'warning',
  'pipelineRestarted',
  'orphaned',
  'actorCrashed',
  'closed',
];

/** Makes a consumer, and records all its events. */
export function watched(make: (seen: Item[]) => Consumer): Watched {
  const seen: Item[] = [];
  const said: Said[] = [];
  const consumer = make(seen);
  for (const name of allEvents) consumer.on(name, (data) => void said.push({ name, data } as Said));
  return {
    consumer,
    seen,
    said,
    heard: (name) => said.filter((each) => each.name === name).map(({ data }) => data as never),
  };
}

export interface Harness {
  readonly kinesis: KinesisClient;
  readonly dynamodb: DynamoDBClient;
  /** Makes a consumer of `streamName` that records its items. `onItem` runs inside its reducer. */
  consumer(
    streamName: string,
    options?: Partial<ConsumerOptions> & {
      readonly source?: never;
      readonly stream?: Partial<KinesisStreamOptions>;
      readonly onItem?: (item: Item) => unknown;
    },
  ): Watched;
  /** Stops every consumer that is still running, and the clients. */
  close(): Promise<void>;
}

/** A harness over these endpoints. Reads every 100 ms, so that tests need not wait for the default second. */
export function consumerHarness(endpoints: { readonly kinesis: string; readonly dynamodb: string }): Harness {
  const kinesis = new KinesisClient(localClientConfig(endpoints.kinesis));
  const dynamodb = new DynamoDBClient({ ...localClientConfig(endpoints.dynamodb), maxAttempts: 1 });
  const running: Consumer[] = [];
  return {
    kinesis,
    dynamodb,
    consumer: (streamName, { stream, onItem = () => {}, leases, ...options } = {}) => {
      const made = watched((seen) =>
        createConsumer({
          logger: false,
          application: 'orders-app',
          source: kinesisStream({ streamName, client: kinesis, idleMs: 100, ...stream }),
          reducers: 2,
          reducer: defineReducer({
            init: () => 0,
            reduce: async (count: number, item) => {
              seen.push(item);
              await onItem(item);
              return count + 1;
            },
          }),
          leases: { client: dynamodb, ...leases },
          ...options,
        }),
      );
      running.push(made.consumer);
      return made;
    },
    close: async () => {
      await Promise.all(running.map((consumer) => consumer.stop({ deadlineMs: 1_000 })));
      kinesis.destroy();
      dynamodb.destroy();
    },
  };
}

/** Waits for a condition that real servers and timers bring about. The error shows the awaited condition and `instead`. */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 15_000,
  instead: () => unknown = () => '',
): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const met = await condition();
    if (met !== undefined && met !== false) return met;
    if (Date.now() > deadline) {
      throw new Error(`not within ${deadlineMs} ms: ${what}. Instead: ${JSON.stringify(await instead())}`);
    }
    await delay(20);
  }
}

/** The bytes of an item as text. */
export function textOf(item: Item): string {
  return Buffer.from(item.value).toString();
}
