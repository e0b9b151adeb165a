// One per lease table: finds shards, plans and takes leases, knows who may start, cleans up.
import type { Ref, ReplyTo } from './actor.js';
import type { HeldLeases } from './tenure.js';
import type { ChildShard } from '../src/ports.js';

/** What a keeper may do about the end of its shard. */
export type ShardEndPlan =
  /** Every child row exists: SHARD_END may be written, with these children in the same write. */
  | { readonly type: 'ready'; readonly childShardIds: readonly string[] }
  /** Not yet (a merge partner's row is missing, children unknown): ask again after `retryMs`. */
  | { readonly type: 'blocked'; readonly reason: string; readonly retryMs: number };

/** One line of the report that `consumer.stop()` returns. */
export interface ReleasedLease {
  readonly source: string;
  readonly shardId: string;
  readonly leaseKey: string;
  /** Records that were open when the lease was given up: they will be delivered again. -1: the worker did not say in time. */
  readonly recordsLeft: number;
  readonly checkpoint: string;
  readonly subSequenceNumber: number;
  /** False when the releasing write failed: peers must wait for expiry. */
  readonly released: boolean;
}

export type CoordinatorMessage =
  /** Sends HeldLeases at once and after every change, until the subscriber stops. */
  | { readonly type: 'subscribe'; readonly subscriber: Ref<HeldLeases> }
  /** A keeper whose worker reached the end of its shard asks whether SHARD_END may be written (kcl.md 2.7). */
  | {
      readonly type: 'prepareShardEnd';
      readonly leaseKey: string;
      readonly children?: readonly ChildShard[];
      readonly vanished: boolean;
      readonly replyTo: ReplyTo<ShardEndPlan>;
    }
  /** Take nothing from now on; release every lease as its shard is drained, at `deadlineMs` at its frontier. */
  | { readonly type: 'releaseAll'; readonly deadlineMs: number; readonly replyTo: ReplyTo<readonly ReleasedLease[]> };
