// The members that events of one kind share. Used by events.ts.
import type { Position } from '../core/position.js';
import type { FailedItem } from './failed-item.js';

/** The members that all events about one shard have. */
export interface ShardEvent {
  /** The source's name. */
  readonly source: string;
  /** The id that Kinesis gave the shard, such as `shardId-000000000000`. */
  readonly shardId: string;
}

/** What a pause is about: a source, a shard of it, or, without both, the whole process. */
export type PauseEvent = Partial<ShardEvent>;

/** The members of events about one record, or an item of it. */
export interface RecordEvent extends ShardEvent, Position {
  /** The item's key; absent if none is known. */
  readonly key?: string;
}

/** The members of events about a failed call: its record, or the oldest record of a flush. */
export interface FailedCallEvent extends RecordEvent {
  /** The call that failed: see `FailedItem.at`. */
  readonly at: FailedItem['at'];
  /** The node of the pipe where the call failed; absent elsewhere. */
  readonly node?: string;
}

/** The members of the event about what a sink keeps. */
export interface ParkedEvent extends FailedCallEvent {
  /** Only for a message of a pipe: how many items it stands for. The other members name the first, and are empty if there is none. */
  readonly items?: number;
}

/** The members of the event about what was skipped. */
export interface SkippedEvent extends RecordEvent {
  /** The node of the pipe where the call failed; absent elsewhere. */
  readonly node?: string;
  /** Only for a message of a pipe: how many items it stood for. The other members name the first. */
  readonly items?: number;
}

/** The members of events about an actor. */
export interface ActorEvent {
  /** The actor's path. */
  readonly actor: string;
}

/** The members of events about a row that somebody must correct. */
export interface RowEvent extends ShardEvent {
  /** The name of the lease table. */
  readonly table: string;
  /** The key of the lease's row in the lease table. */
  readonly leaseKey: string;
  /** What to do, in words. */
  readonly remedy: string;
}

/** The members of the event about a checkpoint that is not of its shard. */
export interface CheckpointEvent extends RowEvent {
  /** The sequence number in the row. */
  readonly checkpoint: string;
  /** The sequence number of the newest record of the shard. */
  readonly newest: string;
  /** What is wrong, in words. */
  readonly reason: string;
}
