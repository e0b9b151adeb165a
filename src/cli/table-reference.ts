// A DynamoDB table whose changes a command reads: the value of `--table`. Called by tail and reset, which also read Kinesis streams.
import { changeSource, type ChangeSourceOptions } from '../aws/dynamodb-streams/change-source.js';
import { streamArnParts } from '../aws/dynamodb-streams/stream-arn.js';
import { kinesisSource } from '../aws/kinesis/kinesis-source.js';
import type { StreamSource } from '../api/ports.js';
import type { Environment } from '../api/source.js';
import { isTableStream } from '../core/stream-identity.js';
import { streamReference, UsageError, type StreamReference } from './command.js';

/** A table by its name, which means its newest stream, or one of its streams by ARN. */
export type TableReference =
  | { readonly tableName: string; readonly streamArn?: undefined; readonly streamName?: undefined }
  | { readonly streamArn: string; readonly tableName?: undefined; readonly streamName?: undefined };

/** What a command reads: a Kinesis stream, or the changes of a table. */
export type SourceReference = StreamReference | TableReference;

/** The value of `--table`. */
export function tableOf(text: string): TableReference {
  if (isTableStream(text)) return { streamArn: text };
  if (/^[\w.-]{3,255}$/.test(text)) return { tableName: text };
  const arn = "the ARN of a table's stream, arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL";
  throw new UsageError(
    `--table: expected a table's name (3 to 255 letters, digits, '_', '-', '.') or ${arn}, got '${text}'`,
  );
}

export function isTable(reference: SourceReference): reference is TableReference {
  return reference.tableName !== undefined || (reference.streamArn !== undefined && isTableStream(reference.streamArn));
}

/** The value of `--stream` or `--table`, of which exactly one may be given; undefined if none is. */
export function sourceOf(
  given: { readonly stream: string | undefined; readonly table: string | undefined },
  streamOf: (text: string) => StreamReference,
): SourceReference | undefined {
  const { stream, table } = given;
  if (stream !== undefined && table !== undefined) throw new UsageError('expected --stream or --table, got both');
  if (table !== undefined) return tableOf(table);
  return stream === undefined ? undefined : streamOf(stream);
}

/**
 * The source that an ARN in a lease row names. A stream of a table stands for its table: rows of a stream that was disabled are of
 * use for the stream that the table has now.
 */
export function referenceIn(text: string): SourceReference | undefined {
  const table = isTableStream(text) ? streamArnParts(text)?.table : undefined;
  return table === undefined ? streamReference(text) : { tableName: table };
}

/** Opens the source of a reference. */
export function openSource(
  reference: SourceReference,
  environment: Environment,
  reading: Pick<ChangeSourceOptions, 'idleMs' | 'prefetch'> = {},
): StreamSource {
  return isTable(reference)
    ? changeSource({ ...reference, ...reading }, environment)
    : kinesisSource({ ...reference, ...reading }, environment);
}
