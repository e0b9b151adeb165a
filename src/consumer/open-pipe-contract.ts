// What an application can do with a pipe that runs without a consumer. open-pipe.ts implements it, and exports these types to everyone.
import type { Runtime } from '../../supervision/index.js';
import type { DrainOptions, FeedOptions, FlushOptions } from '../api/options.js';
import type { Listener } from './emitter.js';
import type { OpenPipeStatus, PipeEnding } from './open-pipe-report.js';

/** The events that an open pipe has. */
export type OpenPipeEventName =
  | 'itemRetrying'
  | 'itemRecovered'
  | 'itemParked'
  | 'parkingFailed'
  | 'recordSkipped'
  | 'warning'
  | 'orphaned'
  | 'actorCrashed';

/**
 * A pipe that runs without a consumer: made by `openPipe`. Its messages have offsets, 0, 1, 2 and so on, and `settled` says up to which of
 * them everything is done. An aggregate, a message divided by `unfold`, and a route each hold it back until they are done.
 *
 * Calls are carried out in the order in which they are made. A call in a callback of a node of the same pipe would wait for that node, so
 * it rejects with REFUSED.
 */
export interface OpenPipe<in In = never> extends AsyncDisposable {
  /**
   * Feeds a value. Resolves with its offset when the first node has processed it; what follows goes on without it. Under `retry` it waits
   * until the call has succeeded. While a node is full, it waits, too: so await each call, or some calls together, and the pipe is never
   * handed more than it takes.
   *
   * @throws KinactError PIPE_TIMEOUT after `deadlineMs`: `data.outcomeUnknown` says whether the message may still be processed. If it is
   * false, the message was not fed. STOPPED, or the error of the pipe, if the pipe ends or has ended. REFUSED in a callback of a node.
   *
   * @example
   * ```ts
   * const opened = await openPipe(pipe<string>().to((text) => save(text)));
   * const offset = await opened.feed('a line', { deadlineMs: 5_000 });
   * ```
   */
  feed(value: In, options?: FeedOptions): Promise<number>;
  /**
   * Feeds values together, in order. Resolves with the offset of the last one when the first node has processed all of them. It costs less
   * than a call for each. Without values it resolves, in its turn, with the newest offset.
   *
   * @throws KinactError as `feed`. PIPE_TIMEOUT: some of the values may be processed, and the others may still be.
   */
  feedAll(values: Iterable<In>, options?: FeedOptions): Promise<number>;
  /**
   * Sends a flush through the pipe, behind what was fed before. Resolves when each node has flushed, and the last one has processed all
   * that came before the flush. What is fed afterwards need not wait for it.
   *
   * @throws KinactError as `feed`. PIPE_TIMEOUT: if `data.outcomeUnknown` is true, the flush goes on.
   */
  flush(options?: FlushOptions): Promise<void>;
  /**
   * The normal end: nothing more comes. What was fed before is processed, each node flushes and drains, one after the other, and the pipe
   * ends. A failed call that waits is repeated at once. Resolves when the pipe has ended, whatever ended it: the ending says how, and what
   * is open. After `deadlineMs` (default 20,000) the pipe stops at once, and `error` of the ending names the node that has not ended. A
   * second call returns the same ending, and its deadline has no effect. `await using` calls it at the end of its block.
   *
   * @throws KinactError INVALID_OPTION for an invalid deadline. REFUSED in a callback of a node: there, `exit: true` does the same.
   *
   * @example
   * ```ts
   * const opened = await openPipe(pipe<string>().to((text) => save(text)));
   * await opened.feed('the only line');
   * const { open, error } = await opened.finish();
   * if (open > 0) console.error('not all is done', error);
   * ```
   */
  finish(options?: DrainOptions): Promise<PipeEnding>;
  /** `finish`, by the name that it has in kflow. */
  notifyUpstreamFailure(options?: DrainOptions): Promise<PipeEnding>;
  /**
   * Stops at once: what is queued is dropped, the signals of calls that run abort, and they are waited for, at most for `callDeadlineMs`.
   * Resolves when all of it has ended. It never rejects. Do not await it in a callback of a node.
   */
  stop(): Promise<PipeEnding>;
  /** What each node does, and what is done. It answers at any time, also while a call hangs. */
  status(): OpenPipeStatus;
  /** The offset up to which everything is done, as `status().settled`. */
  readonly settled: number;
  /** Resolves when the pipe has ended, with the true reason. It never rejects. */
  readonly ended: Promise<PipeEnding>;
  /**
   * Listens to an event, and returns a function that unsubscribes. If a listener throws or rejects, the error is counted and logged,
   * nothing more. `source` in an event is the name of the pipe, and `sequenceNumber` is the offset.
   *
   * @throws KinactError INVALID_OPTION for an event that an open pipe does not have.
   */
  on<Name extends OpenPipeEventName>(event: Name, listener: Listener<Name>): () => void;
  /** The runtime of the actors: for `status`, `actorsOf` and `attachIntercept` of `kinact/supervision`. */
  readonly runtime: Runtime;
}
