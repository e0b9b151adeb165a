// Reads the streams of the scripted tables as a client does, without HTTP: describe, iterators, pages.
import { AwsAnswerError } from '../../src/testing/scripted-server/answer-errors.js';
import { ScriptedTables } from '../../src/testing/scripted-server/scripted-tables.js';
import type { ScriptedTablesOptions } from '../../src/testing/index.js';

export interface StreamShard {
  readonly ShardId: string;
  readonly ParentShardId?: string;
  readonly SequenceNumberRange: { readonly StartingSequenceNumber: string; readonly EndingSequenceNumber?: string };
}

export interface StreamRecord {
  readonly eventName: string;
  readonly userIdentity?: object;
  readonly dynamodb: {
    readonly SequenceNumber: string;
    readonly ApproximateCreationDateTime: number;
    readonly Keys: object;
    readonly NewImage?: object;
    readonly OldImage?: object;
  };
}

export interface StreamPage {
  readonly Records: readonly StreamRecord[];
  readonly NextShardIterator?: string;
}

export interface StreamDescription {
  readonly StreamStatus: string;
  readonly Shards: readonly StreamShard[];
  readonly LastEvaluatedShardId?: string;
}

/** Midnight of a day, so that seconds and minutes are whole. */
export const startMs = Date.UTC(2026, 0, 1);

/** Tables whose clock stands still unless `advance` moves it. */
export const stillTables = (options: ScriptedTablesOptions = {}): ScriptedTables =>
  new ScriptedTables({ now: () => startMs, ...options });

export const describeOf = (tables: ScriptedTables, stream: string, more: object = {}): StreamDescription =>
  (tables.handle('DescribeStream', { StreamArn: tables.stream(stream).arn, ...more }) as { StreamDescription: never })
    .StreamDescription;

export const shardsOf = (tables: ScriptedTables, stream: string, more: object = {}): readonly StreamShard[] =>
  describeOf(tables, stream, more).Shards;

/** An iterator on a shard. By default the first one of the stream, from its beginning. */
export function iteratorOn(tables: ScriptedTables, stream: string, more: object = {}): string {
  const { arn, shards } = tables.stream(stream);
  const input = { StreamArn: arn, ShardId: [...shards.keys()][0], ShardIteratorType: 'TRIM_HORIZON', ...more };
  return (tables.handle('GetShardIterator', input) as { ShardIterator: string }).ShardIterator;
}

export const pageAt = (tables: ScriptedTables, ShardIterator: string | undefined, more: object = {}): StreamPage =>
  tables.handle('GetRecords', { ShardIterator, ...more }) as StreamPage;

/** The ids of the items in the records of one page. */
export const idsOf = ({ Records }: StreamPage): readonly string[] =>
  Records.map(({ dynamodb }) => (dynamodb.Keys as { id: { S: string } }).id.S);

/** The code of the AWS error that `work` throws. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof AwsAnswerError) return error.code;
    throw error;
  }
  return 'no error';
}
