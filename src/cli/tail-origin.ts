// What `kinact tail` reads, and the lines that it writes: records of a Kinesis stream, or changes of a DynamoDB table. Called by tail.ts
// and tail-application.ts.
import { dynamodbStream } from '../aws/dynamodb-streams/dynamodb-stream.js';
import { kinesisStream } from '../aws/kinesis/kinesis-stream.js';
import type { ChangeRecord } from '../api/change.js';
import type { InitialPosition } from '../core/position.js';
import { unpacked } from '../core/slab-record.js';
import type { StreamSource, UserRecord } from '../api/ports.js';
import type { AnySource } from '../api/source.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { recordLine } from './record-lines.js';
import { isTable, openSource, type SourceReference } from './table-reference.js';
import { changeLine } from './change-lines.js';

export interface TailOrigin {
  /** The operation that lists its shards, for messages. */
  readonly listing: string;
  /** For a reader without an application. It reads only a little ahead. */
  open(idleMs: number): StreamSource;
  /** For a member of an application. */
  spec(from: InitialPosition, idleMs: number): AnySource;
  lineOf(record: UserRecord, shardId: string): string;
}

export function tailOrigin(reference: SourceReference, asText: boolean): TailOrigin {
  const open = (idleMs: number): StreamSource =>
    openSource(reference, hostEnvironment, { idleMs, prefetch: { batches: 1 } });

  if (isTable(reference))
    return {
      listing: 'dynamodb:DescribeStream',
      open,
      spec(from, idleMs) {
        // The command line has refused a time.
        const initialPosition = from === 'LATEST' ? from : 'TRIM_HORIZON';
        return dynamodbStream({ ...reference, initialPosition, idleMs });
      },
      lineOf: (record, shardId) => changeLine(record as ChangeRecord, shardId),
    };

  return {
    listing: 'kinesis:ListShards',
    open,
    spec: (initialPosition, idleMs) => kinesisStream({ ...reference, initialPosition, idleMs }),
    lineOf: (record, shardId) => recordLine({ ...unpacked(record), shardId }, asText),
  };
}
