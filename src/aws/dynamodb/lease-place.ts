// Where the lease table of a source is: in the region of its stream, unless the source or the consumer says otherwise. `kinesisStream` and
// `dynamodbStream` call it.
import type { LeasePlace, SourceSpec } from '../../api/source.js';
import type { DynamoDbClientLike } from './dynamodb-client.js';
import { openLeaseTable } from './lease-table.js';

/** Where the lease table of a source with these options is. */
export function leasePlace(streamRegion: string | undefined, { region, client }: LeasePlace): LeasePlace {
  return Object.freeze({ region: region ?? (client === undefined ? streamRegion : undefined), client });
}

/** How a source in this region opens its lease table. */
export function leaseTableIn(streamRegion: string | undefined, place: LeasePlace): SourceSpec['openLeases'] {
  return ({ clock, timers }, { client: shared, tableName, failoverMs, billing }) => {
    const client = place.client ?? (place.region === undefined ? shared : undefined);
    const region = place.region ?? streamRegion;
    return openLeaseTable({
      tableName,
      failoverMs,
      billing,
      clock,
      timers,
      ...(region === undefined ? {} : { region }),
      ...(client === undefined ? {} : { client: client as DynamoDbClientLike }),
      homeRegion: { region: streamRegion },
    });
  };
}
