// The hand-written types of option values: AWS clients, a nact reference, the argument of a callback. The types of the options
// themselves are in generated/.
import type { Position } from '../core/position.js';
import type { ShardEvent } from './event-members.js';
import type { HashKeyRange } from './ports.js';

/**
 * A nact reference: the actor or system under which the tree is spawned. All members are optional, because nact's own typings
 * leave them out. The members of the actual reference are checked at construction.
 */
export interface NactParent {
  /** nact's word for what it is: `actor` or `system`. */
  readonly type?: string;
  /** The actor system that the reference belongs to. */
  readonly system?: {
    /** The system's name. */
    readonly name?: string | undefined;
  };
}

/** The application's own DynamoDB client, by shape: any `@aws-sdk/client-dynamodb` fits. kinact never closes it. */
export interface DynamoDbClientLike {
  /** Sends a command of the SDK, and resolves with the service's answer. */
  send(command: never, options?: never): Promise<unknown>;
}

/** The application's own Kinesis client, by shape: any `@aws-sdk/client-kinesis` fits. kinact never closes it. */
export interface KinesisClientLike {
  /** Sends a command of the SDK, and resolves with the service's answer. */
  send(command: never, options?: never): Promise<unknown>;
}

/** The application's own DynamoDB Streams client, by shape: any `@aws-sdk/client-dynamodb-streams` fits. kinact never closes it. */
export interface DynamodbStreamsClientLike {
  /** Sends a command of the SDK, and resolves with the service's answer. */
  send(command: never, options?: never): Promise<unknown>;
}

/** The argument of `onCheckpoint`. */
export type CheckpointNotice = ShardEvent & Position;

/** The argument of `onShardStarted`. */
export interface StartedShard extends ShardEvent {
  /** The `fence` of the items to come: higher than that of any earlier start of the shard. */
  readonly fence: number;
  /** The hash keys of the shard; absent if they are not known, and for a table's stream. */
  readonly hashKeyRange?: HashKeyRange;
  /** Aborts when the lease is lost, when the pipeline stops, and when the call has taken `callDeadlineMs`. */
  readonly signal: AbortSignal;
}

/** The argument of `onShardEnded`. */
export interface EndedShard extends ShardEvent {
  /** A fencing token that is higher than the `fence` of any item of the shard. */
  readonly fence: number;
  /** The ids of the shards that continue it; empty if none is known. */
  readonly children: readonly string[];
  /** Aborts when the lease is lost, and when the call has taken `callDeadlineMs`. */
  readonly signal: AbortSignal;
}

/** What `dynamodbStream` reads: a table's newest stream, or one stream by its ARN. */
export type TableOrStreamArn =
  | {
      /** The table whose newest stream is read. */
      readonly tableName: string;
      /** Not beside `tableName`. */
      readonly streamArn?: undefined;
    }
  | {
      /** The stream that is read. */
      readonly streamArn: string;
      /** Not beside `streamArn`. */
      readonly tableName?: undefined;
    };
