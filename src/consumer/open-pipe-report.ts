// What a pipe without a consumer tells of itself: what it does now, and how it has ended.
import type { NodeFigures } from '../../actors/pipe-node/pipe-node.js';

/** How a pipe without a consumer has ended. */
export interface PipeEnding {
  /**
   * `crash`: a call has failed under the policy `crash`, or did not end in time. `exit`: a callback has asked for the end.
   * `upstreamFailure`: it has drained after `finish`, or was stopped at the deadline of that. `stop`: `stop` was called.
   */
  readonly reason: 'crash' | 'exit' | 'upstreamFailure' | 'stop';
  /** The error behind it. Absent after `stop`, and if the pipe has drained. */
  readonly error?: Error;
  /** The first offset that is not done: everything before it is. To lose nothing, feed again from here. */
  readonly firstOpen: number;
  /** How many messages are not done. 0: nothing is to be fed again. */
  readonly open: number;
  /** The calls that did not end in time, and may still act. */
  readonly orphans: readonly string[];
}

/** What a pipe without a consumer does now. */
export interface OpenPipeStatus {
  /** `draining`: after `finish`. `stopping`: calls that run are waited for. */
  readonly state: 'running' | 'draining' | 'stopping' | 'ended';
  /** The offset of the newest message that was handed to the first node; one less than the first offset if there is none. */
  readonly newest: number;
  /** The offset up to which everything is done; one less than the first offset if nothing is. */
  readonly settled: number;
  /** How many messages are not done. */
  readonly open: number;
  /** How many calls of `feed`, `feedAll` and `flush` have not resolved. */
  readonly waiting: number;
  /** The nodes in the order of the pipe; empty after the end. */
  readonly nodes: readonly NodeFigures[];
  /** How often something worth a number has happened: see docs/status.md. */
  readonly counters: Readonly<Record<string, number>>;
}
