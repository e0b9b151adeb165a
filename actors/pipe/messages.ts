// The messages that a pipe receives, including those that it sends to itself.
import type { Ending, Ref } from '../protocol/actor.js';
import type { Whereabouts } from '../protocol/disposition.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { OriginRequest } from '../protocol/origin-messages.js';
import type { PipeFeed } from '../protocol/pipe-feed.js';
import type { NodeReport, NodeRequest } from '../protocol/pipe-messages.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';

export type PipeActorMessage =
  | ReducerRequest
  | OriginRequest
  | PipeFeed
  | NodeReport
  | { readonly type: 'nodeStarted'; readonly node: number; readonly ref: Ref<NodeRequest> }
  | { readonly type: 'nodeDown'; readonly node: number; readonly how: Ending }
  /** The first node has processed this feed. */
  | { readonly type: 'fed'; readonly feed: number }
  /** The first node has stopped. `nodeDown` follows. */
  | { readonly type: 'feedFailed' }
  /** A node has made the attempt that a drain waits for, or has none to make. Absent `isWaiting`: it has stopped. */
  | { readonly type: 'attempted'; readonly mark: number; readonly node: number; readonly isWaiting?: boolean }
  /** A node has answered where a record is. */
  | {
      readonly type: 'located';
      readonly question: RecordQuestion;
      readonly node: number;
      readonly found: Whereabouts | undefined;
    }
  /** A node has drained, or has dropped what it had, after another one has ended the pipe. */
  | { readonly type: 'nodeDrained'; readonly node: number };

export type Message<Type extends PipeActorMessage['type']> = MessageOf<PipeActorMessage, Type>;

/** A question of a stage that the nodes are asked about in turn. `ordinal`: the record that it is about. */
export interface RecordQuestion {
  readonly asked: Message<'locate'> | Message<'waitsForAck'>;
  readonly shardWorker: number;
  readonly ordinal: number;
}
