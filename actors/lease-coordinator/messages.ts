// The messages that a lease coordinator receives, including those that it sends to itself.
import type { Ending, Ref } from '../protocol/actor.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { LeaseCoordinatorRequest, LeaseKeeperRequest, KeeperNotice } from '../protocol/lease-messages.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseScan, StreamDescription } from '../../src/api/ports.js';

import type { Evidence, ShardEndResult, CleanUpResult, Misidentified, SyncResult } from './effect-results.js';

export type AskShardEnd = MessageOf<LeaseCoordinatorRequest, 'askShardEnd'>;

/** The coordinator message of one type. */
export type Message<Type extends LeaseCoordinatorMessage['type']> = MessageOf<LeaseCoordinatorMessage, Type>;

/** All messages that a coordinator receives: questions, its keepers' notices, the results of its effects, its timers. */
export type LeaseCoordinatorMessage =
  | LeaseCoordinatorRequest
  | KeeperNotice
  | { readonly type: 'streamOpened'; readonly stream: number; readonly description: StreamDescription }
  | { readonly type: 'openStreamFailed'; readonly stream: number; readonly error: unknown }
  | { readonly type: 'openStreamAgain'; readonly stream: number }
  | { readonly type: 'joinOverdue'; readonly stream: number }
  | { readonly type: 'tableOpened' }
  | { readonly type: 'openTableFailed'; readonly error: unknown }
  | { readonly type: 'openTableAgain' }
  | { readonly type: 'startOverdue' }
  | { readonly type: 'scanDue' }
  | { readonly type: 'scanned'; readonly scan: LeaseScan }
  | { readonly type: 'scanFailed'; readonly error: unknown }
  | { readonly type: 'synced'; readonly stream: number; readonly result: SyncResult | Misidentified }
  | { readonly type: 'syncFailed'; readonly stream: number; readonly error: unknown }
  | { readonly type: 'stamped'; readonly stream: number; readonly error?: unknown }
  | { readonly type: 'described'; readonly stream: number; readonly error?: unknown }
  | { readonly type: 'cleaned'; readonly stream: number; readonly result: CleanUpResult }
  | { readonly type: 'cleanUpFailed'; readonly stream: number; readonly error: unknown }
  | {
      readonly type: 'parentsRead';
      readonly leaseKey: string;
      readonly incarnation: number;
      readonly awaited: readonly string[];
    }
  | {
      readonly type: 'parentsReadFailed';
      readonly leaseKey: string;
      readonly incarnation: number;
      readonly error: unknown;
    }
  | { readonly type: 'childrenRead'; readonly rows: readonly LeaseRow[] }
  | { readonly type: 'childrenReadFailed' }
  | { readonly type: 'gatherDue'; readonly stream: number }
  | {
      readonly type: 'gathered';
      readonly stream: number;
      readonly questions: readonly AskShardEnd[];
      readonly evidence: Evidence;
    }
  | {
      readonly type: 'evidenceFailed';
      readonly stream: number;
      readonly questions: readonly AskShardEnd[];
      readonly error: unknown;
    }
  | { readonly type: 'shardEndJudged'; readonly question: AskShardEnd; readonly result: ShardEndResult }
  | { readonly type: 'shardEndFailed'; readonly question: AskShardEnd; readonly error: unknown }
  | {
      readonly type: 'keeperSpawned';
      readonly leaseKey: string;
      readonly incarnation: number;
      readonly keeper: Ref<LeaseKeeperRequest>;
    }
  | { readonly type: 'keeperDown'; readonly leaseKey: string; readonly incarnation: number; readonly how: Ending }
  | { readonly type: 'subscriberDown'; readonly id: number }
  | { readonly type: 'releaseOverdue' };
