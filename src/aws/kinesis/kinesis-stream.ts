// `kinesisStream`: a Kinesis stream as a source. The options are checked here; nothing is opened before the consumer starts.
import { leasePlace, leaseTableIn } from '../dynamodb/lease-place.js';
import { kinesisSource } from './kinesis-source.js';
import { consumerNameOf, resolveKinesisStream } from '../../options/kinesis-stream-option-table.js';
import type { KinesisStreamOptions } from '../../api/options.js';
import type { SourceSpec } from '../../api/source.js';
import type { FanOutOptions } from './fan-out/fan-out.js';

/**
 * A Kinesis stream to consume: by polling, or with `retrieval` by enhanced fan-out.
 *
 * Region, credentials and endpoints come from the usual AWS environment unless given. The lease table lives in the stream's
 * region.
 * Enhanced fan-out costs about 0.015 USD for each shard and hour, and 0.013 USD for each GB; polling costs nothing beyond the stream. It
 * is worth it if records must arrive within a tenth of a second, or if more than two applications read one stream. Otherwise
 * stay with polling, because nothing else differs.
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 *
 * @example
 * ```ts
 * const orders = kinesisStream({ streamName: 'orders', initialPosition: 'TRIM_HORIZON' });
 * ```
 */
export function kinesisStream(options: KinesisStreamOptions): SourceSpec {
  const { name, application, initialPosition, opaque, leases, streamName, streamArn, region, client, ...reading } =
    resolveKinesisStream(options);
  const { outOfRange, maxRecords, idleMs, prefetch, retrieval, consumerName, consumerArn, subscriptionClient } =
    reading;
  const fanOutFor = (leaseTable: string | undefined): FanOutOptions | undefined =>
    retrieval === 'polling'
      ? undefined
      : {
          consumer:
            consumerArn === undefined ? { consumerName: consumerName ?? consumerNameOf(leaseTable) } : { consumerArn },
          isRequired: retrieval === 'fan-out',
          client: subscriptionClient,
        };
  return Object.freeze({
    name,
    application,
    initialPosition,
    opaque,
    leases: leasePlace(region, leases),
    stream: Object.freeze({ streamName: name.slice(name.lastIndexOf('/') + 1), streamArn, region, client }),
    open: (environment, leaseTable) =>
      kinesisSource(
        {
          ...(streamArn === undefined ? { streamName: name } : { streamArn }),
          ...(region === undefined ? {} : { region }),
          ...(client === undefined ? {} : { client }),
          outOfRange,
          maxRecords,
          idleMs,
          prefetch,
          fanOut: fanOutFor(leaseTable),
        },
        environment,
      ),
    openLeases: leaseTableIn(region, leases),
  } satisfies SourceSpec);
}
