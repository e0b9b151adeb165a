// The messages that a lease keeper receives, including those that it sends to itself.
import type { Ending } from '../protocol/actor.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { HookMessage } from '../protocol/hook-call.js';
import type { LeaseKeeperRequest, ShardEndPlan } from '../protocol/lease-messages.js';
import type { ShardEnd } from './shard-end.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { TrafficPermit } from '../../src/core/lease-traffic.js';
import type { WishOutcome, WriteOutcome } from '../../src/api/ports.js';

/** A keeper's messages to itself: results of its effects, and its one timer. */
type Internal =
  | { readonly type: 'wake' }
  /** The wait for a permit is over. `permit` is undefined if the wait failed. */
  | { readonly type: 'permitCame'; readonly permit: TrafficPermit | undefined }
  | { readonly type: 'written'; readonly id: number; readonly outcome: WriteOutcome }
  | { readonly type: 'created'; readonly id: number }
  | { readonly type: 'wished'; readonly id: number; readonly outcome: WishOutcome }
  /** The row of the lease that the keeper has asked for, as it was just read. */
  | { readonly type: 'looked'; readonly row: LeaseRow | undefined }
  | { readonly type: 'lookFailed' }
  | { readonly type: 'writeFailed'; readonly id: number; readonly error: unknown }
  | { readonly type: 'shardWorkerDown'; readonly shardWorker: number; readonly how: Ending }
  | { readonly type: 'shardEndPlanned'; readonly shardEnd: ShardEnd; readonly plan: ShardEndPlan }
  | { readonly type: 'onCheckpointSettled'; readonly failure: { readonly error: unknown } | undefined }
  | HookMessage;

export type LeaseKeeperMessage = LeaseKeeperRequest | Internal;

export type Message<Type extends LeaseKeeperMessage['type']> = MessageOf<LeaseKeeperMessage, Type>;
