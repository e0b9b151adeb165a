// What the naive pipe shows, and how it is made.
import type { MessageLease } from '../../src/api/pipe.js';
import type { NaiveItem, NaiveMessage } from './naive-shares.js';

export type Verdict = 'retry' | 'skip' | 'crash';

/** `heads`: the route of the state. */
export interface NaiveEvent {
  readonly type: 'in' | 'out' | 'init' | 'terminate' | 'lost' | 'flush' | 'timer' | 'skipped';
  readonly node: number;
  readonly heads: readonly string[];
  readonly message?: NaiveMessage;
  /** The lost one. */
  readonly lease?: MessageLease;
  /** Those that the message had when it came in. It may lose some of them later. */
  readonly leases?: readonly MessageLease[];
  /** What was settled by the verdict. */
  readonly items?: readonly NaiveItem[];
}

export interface NaivePipe {
  now: number;
  offer(...items: NaiveItem[]): void;
  flush(mark?: number): void;
  /** Nothing more comes: every node flushes and ends. */
  stop(): void;
  /** One call of this node. False: it has nothing to do. */
  step(node: number): Promise<boolean>;
  /** Steps until no node has anything to do. */
  run(): Promise<void>;
  /** Moves the clock; timers fire at their time, and idle routes end. */
  advance(ms: number): Promise<void>;
  lose(lease: MessageLease): void;
  /** Whether the node waits to repeat a call. */
  isWaiting(node: number): boolean;
  readonly settled: readonly NaiveItem[];
  /** What the last node has sent on. */
  readonly sent: NaiveMessage[];
  readonly flushed: number[];
  readonly trace: NaiveEvent[];
  readonly hasEnded: boolean;
  /** How many attempts have failed, and were repeated. */
  readonly retries: number;
  /** The last node that has crashed, or asked for the exit. */
  readonly endedBy: number | undefined;
  /** How many outputs contained what was lost, and no `handleLost` took out. */
  readonly foldedAfterLoss: number;
  /** The heads of the routes that have a state. */
  routes(node: number): readonly (readonly string[])[];
}

export interface NaiveOptions {
  /** What follows a call that has thrown. Default: crash, and `step` throws the error. */
  readonly onFailure?: (error: unknown, attempt: number, node: number) => Verdict;
  /** How long a failed call waits for its next attempt. Default 0. */
  readonly pauseMs?: number;
  /**
   * Whether a state of this node is told of a lost lease. Default: whether the node has `handleLost`, which is not so of a node that builds
   * another one for each route.
   */
  readonly isTold?: (node: number, heads: readonly string[]) => boolean;
  /** After a crash the nodes before stop, and what was sent on drains. Default: `step` throws the error. */
  readonly drains?: boolean;
}
