// `dynamodbStream`: the changes of a DynamoDB table as a source. The options are checked here; nothing is opened before the consumer
// starts, and the SDK's package for DynamoDB Streams is loaded then.
import type { Change, ChangeRecord } from '../../api/change.js';
import type { DynamodbStreamOptions, TableOrStreamArn } from '../../api/options.js';
import type { SourceSpec } from '../../api/source.js';
import { resolveDynamodbStream } from '../../options/dynamodb-stream-option-table.js';
import { leasePlace, leaseTableIn } from '../dynamodb/lease-place.js';
import { changeSource } from './change-source.js';

/**
 * The changes of a DynamoDB table to consume, from its stream. Without `extract`, the value of an item is its {@link Change}, and its key
 * is the primary key of the changed item: all changes of one item reach one reducer, in order. `Image` is the type of the table's items.
 *
 * A number that JavaScript cannot hold unchanged fails its record. Such a failure is not retried, so by default it ends the consumer
 * after some restarts. `onFailure: retry({ then: park(…) })` sets the record aside, and `numbers: 'string'` makes every number fit.
 *
 * It needs the package `@aws-sdk/client-dynamodb-streams`, which is loaded when the consumer starts. Region, credentials and endpoints
 * come from the usual AWS environment unless given. The lease table lives in the table's region.
 * @throws KinactError INVALID_OPTION naming path, expected and got. `consumer.start()` rejects with PEER_MISSING without the package,
 * and with STREAM_NOT_FOUND if the table has no stream that is enabled.
 *
 * @example
 * ```ts
 * type Order = { readonly id: string; readonly cents: number };
 * const changes = dynamodbStream<Order>({ tableName: 'orders' });
 * ```
 */
export function dynamodbStream<Image = Readonly<Record<string, unknown>>>(
  options: DynamodbStreamOptions & TableOrStreamArn,
): SourceSpec<Change<Image>, ChangeRecord<Image>> {
  const resolved = resolveDynamodbStream(options);
  const { name, application, initialPosition, opaque, leases, region } = resolved;
  const { tableName, streamArn, numbers, maxRecords, idleMs, prefetch, client, tableClient } = resolved;
  return Object.freeze({
    name,
    application,
    initialPosition,
    opaque,
    leases: leasePlace(region, leases),
    open: (environment) =>
      changeSource(
        {
          ...(streamArn === undefined ? { tableName } : { streamArn }),
          region,
          numbers,
          maxRecords,
          idleMs,
          prefetch,
          client,
          tableClient,
        },
        environment,
      ),
    openLeases: leaseTableIn(region, leases),
  } satisfies SourceSpec<Change<Image>, ChangeRecord<Image>>);
}
