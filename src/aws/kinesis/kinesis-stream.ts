// `kinesisStream`: a Kinesis stream as a source. The options are checked here; nothing is opened before the consumer starts.
import { leasePlace, leaseTableIn } from '../dynamodb/lease-place.js';
import { kinesisPollingSource } from './polling-source.js';
import { resolveKinesisStream } from '../../options/kinesis-stream-option-table.js';
import type { KinesisStreamOptions } from '../../api/options.js';
import type { SourceSpec } from '../../api/source.js';

/**
 * A Kinesis stream to consume, by polling.
 *
 * Region, credentials and endpoints come from the usual AWS environment unless given. The lease table lives in the stream's
 * region.
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
  const { outOfRange, maxRecords, idleMs, prefetch } = reading;
  return Object.freeze({
    name,
    application,
    initialPosition,
    opaque,
    leases: leasePlace(region, leases),
    stream: Object.freeze({ streamName: name.slice(name.lastIndexOf('/') + 1), streamArn, region, client }),
    open: (environment) =>
      kinesisPollingSource(
        {
          ...(streamArn === undefined ? { streamName: name } : { streamArn }),
          ...(region === undefined ? {} : { region }),
          ...(client === undefined ? {} : { client }),
          outOfRange,
          maxRecords,
          idleMs,
          prefetch,
        },
        environment,
      ),
    openLeases: leaseTableIn(region, leases),
  } satisfies SourceSpec);
}
