// The types of option values that are written by hand: clients by their shape, a reference of nact, the argument of a callback.
// The options themselves are in generated/.
import type { Position } from '../core/position.js';
import type { ShardEvent } from './events.js';

/**
 * A reference of nact's: the actor or system under which the tree is spawned. All members are optional, because nact's
 * own typings leave them out; what a reference really has is checked at construction.
 */
export interface NactParent {
  readonly type?: string;
  readonly system?: { readonly name?: string | undefined };
}

/** A DynamoDB client of the application's own, by shape: any `@aws-sdk/client-dynamodb` will do. It is never closed here. */
export interface DynamoDbClientLike {
  send(command: never, options?: never): Promise<unknown>;
}

/** A Kinesis client of the application's own, by shape: any `@aws-sdk/client-kinesis` will do. It is never closed here. */
export interface KinesisClientLike {
  send(command: never, options?: never): Promise<unknown>;
}

/** The argument of `onCheckpoint`. */
export type CheckpointNotice = ShardEvent & Position;
