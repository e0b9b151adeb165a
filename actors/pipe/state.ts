// The state of a pipe, and its turn.
import type { Effect, Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { PipeNews } from '../protocol/pipe-feed.js';
import type { SentMessage } from '../protocol/pipe-message.js';
import type { NodeRequest, SettledItems } from '../protocol/pipe-messages.js';
import type { StageNumbers } from '../protocol/stage-numbers.js';
import type { StageReports } from '../protocol/stage-reports.js';
import type { Deque } from '../../src/core/deque.js';
import type { Message, PipeActorMessage } from './messages.js';
import type { OpenRecords } from '../protocol/open-records.js';
import type { PipeOptions } from './options.js';

/** A node as its pipe knows it. */
export interface NodeEntry {
  readonly name: string;
  /** Undefined until it has started. */
  ref: Ref<NodeRequest> | undefined;
  /** The number of its last report: a repeated one is dropped. */
  lastReceived: number;
  /** Whether a failed call holds it. */
  isWaiting: boolean;
}

/** A punctuation that is not answered. */
export interface Mark {
  readonly punctuation: Message<'punctuation'> | Message<'emittedMark'>;
  /** Unique in the pipe: the number of its `FlushMark`. */
  readonly number: number;
  readonly since: number;
  /** The nodes that were asked for one more attempt and have not answered. Undefined: none was asked yet. */
  attempts: Set<number> | undefined;
}

/** What the first node was fed and has not processed. */
export interface Feed {
  readonly number: number;
  readonly items: readonly DeliveredItem[];
  /** How many messages of a reducer were fed, and their bytes. */
  readonly emitted: number;
  readonly emittedBytes: number;
}

/** The reducer in front of a pipe that stands behind one, and what the next message to it says. */
export interface Feeder {
  /** Undefined until its first message. */
  ref: Ref<PipeNews> | undefined;
  /** The number of its last message, and of the last one to it. */
  lastReceived: number;
  lastSent: number;
  taken: number;
  takenBytes: number;
  settled: SettledItems[];
  /** What it knows. */
  isWaiting: boolean;
}

/** A node has ended the pipe, or its origin. */
export interface PipeEnd {
  /**
   * What the pipe fails with, once its nodes have drained: the first failure, or that a node has asked for the end. Undefined: it ends
   * without a failure, because nothing more comes.
   */
  error: Error | undefined;
  /** No node has failed so far. */
  isExit: boolean;
  /** When the nodes are not waited for any longer; Infinity if they have all the time that the origin gives them. */
  readonly dueAt: number;
  /** The last node, in the order of the pipe, that has reported its end. */
  node: number;
  /** The nodes that have not answered. */
  readonly draining: Set<number>;
}

export interface PipeState {
  readonly self: Ref<PipeActorMessage>;
  readonly nodes: readonly NodeEntry[];
  readonly queue: Deque<DeliveredItem | SentMessage | Mark>;
  /** Undefined: the stages feed the pipe. */
  readonly feeder: Feeder | undefined;
  /** The marks in the queue and in the nodes, by number, in order. */
  readonly marks: Map<number, Mark>;
  lastMark: number;
  feed: Feed | undefined;
  lastFeed: number;
  readonly open: OpenRecords;
  /** The number of the last numbered message from each stage: a repeated message is dropped. */
  readonly lastReceived: StageNumbers;
  readonly reports: StageReports;
  end: PipeEnd | undefined;
  /** Nothing more comes: the end begins when nothing waits for the first node. */
  hasUpstreamFailed: boolean;
  settledAt: number;
  /** When something last came, was processed or settled here. */
  activeAt: number;
}

/** One call of `receive`. */
export interface PipeTurn {
  readonly options: PipeOptions;
  readonly state: PipeState;
  /** Monotonic: when the call began. */
  readonly now: number;
  readonly effects: Effect<PipeActorMessage>[];
}
