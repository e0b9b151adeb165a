// Which stream is read: the configured ARN, or the newest stream of the configured table. Invariant: the stream changes only while this
// process reads none of its shards, so what a former stream still has is read to its end first. Called by the source.
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { KinactError } from '../../api/errors.js';
import type { Clock } from '../../api/ports.js';
import type { DynamoDbCaller } from '../dynamodb/dynamodb-client.js';

/** How long no shard must have been read before the source turns to the table's new stream. Leases may move meanwhile. */
const quietMs = 60_000;

export interface TableStream {
  /** The ARN of the stream to describe. Rejects with STREAM_NOT_FOUND if the table has no stream that is enabled. */
  arn(signal: AbortSignal): Promise<string>;
  /** The ARN that the last call of `arn` gave. */
  readonly known: string | undefined;
  /** The service no longer has the stream: the next call of `arn` gives the newest one. */
  forget(): void;
}

/** A stream that is configured by its ARN. */
export function configuredStream(arn: string): TableStream {
  return { arn: () => Promise.resolve(arn), known: arn, forget: () => {} };
}

interface Tables {
  readonly table: string;
  readonly caller: () => Promise<DynamoDbCaller>;
  readonly clock: Clock;
  /** How many shards this process reads, and when it last read one (the monotonic clock). */
  readonly reading: () => { readonly shards: number; readonly lastAt: number };
}

/** The newest stream of a table. */
export function newestStream({ table, caller, clock, reading }: Tables): TableStream {
  let known: string | undefined;
  /** The stream that has taken the place of the known one, and when this process first saw it. */
  let successor: { readonly arn: string; readonly seenAt: number } | undefined;

  const noteLatest = (latest: string): void => {
    if (latest !== known && successor?.arn !== latest) successor = { arn: latest, seenAt: clock.now() };
  };
  /** A worker without shards may be about to take those of one that has died, so it waits for as long as the others. */
  const isKnownStillRead = (): boolean => {
    const { shards, lastAt } = reading();
    return shards > 0 || clock.now() - Math.max(lastAt, successor?.seenAt ?? -Infinity) < quietMs;
  };

  return {
    get known() {
      return known;
    },
    forget() {
      known = undefined;
    },
    async arn(signal) {
      const { latest, isEnabled } = await describeTable(await caller(), table, signal);
      if (known !== undefined && latest !== undefined) noteLatest(latest);
      // Also a stream that was disabled is read to its end.
      if (known !== undefined && (latest === undefined || latest === known || isKnownStillRead())) return known;
      if (latest === undefined) throw noStream(table);
      if (!isEnabled) throw disabledStream(table, latest);
      known = latest;
      return known;
    },
  };
}

async function describeTable(
  caller: DynamoDbCaller,
  table: string,
  signal: AbortSignal,
): Promise<{ readonly latest: string | undefined; readonly isEnabled: boolean }> {
  const operation = 'DescribeTable';
  const answer = await caller.attempt(new DescribeTableCommand({ TableName: table }), { operation, table }, signal);
  if (answer.type === 'failed')
    throw answer.failure.kind === 'notFound' ? noTable(table, answer.cause) : answer.failure.error;
  const { LatestStreamArn: latest, StreamSpecification: specification } = answer.output.Table ?? {};
  return {
    latest: latest === '' || latest === null ? undefined : latest,
    isEnabled: specification?.StreamEnabled === true,
  };
}

const about = (stream: string): { readonly stream: string; readonly operation: string } => ({
  stream,
  operation: 'dynamodb:DescribeTable',
});

function noTable(table: string, cause: unknown): KinactError {
  const message = `Table '${table}' does not exist in this region and account. Check tableName, region and credentials.`;
  return new KinactError('STREAM_NOT_FOUND', message, { cause, data: about(table) });
}

function enabling(table: string): string {
  return `aws dynamodb update-table --table-name ${table} --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES`;
}

function noStream(table: string): KinactError {
  const message = `Table '${table}' has no stream. Enable one: ${enabling(table)}`;
  return new KinactError('STREAM_NOT_FOUND', message, { data: about(table) });
}

function disabledStream(table: string, latest: string): KinactError {
  const message = `The stream of table '${table}' is disabled. Enable one: ${enabling(table)}. To read what the disabled one still has, for 24 hours, give streamArn: '${latest}'`;
  return new KinactError('STREAM_NOT_FOUND', message, { data: about(table) });
}
