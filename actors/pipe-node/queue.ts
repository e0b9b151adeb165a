// What a node has emitted and the next node has not taken yet. A *feed* hands a batch to the next node, and one feed is open at a time. A
// callback may emit any number of messages at once: they are fed in pieces within the limits, and no call is made while the queue is full.
import { effect } from '../protocol/actor.js';
import { isFlushMark, type Entry } from '../protocol/pipe-messages.js';
import type { PipeNodeOptions } from './options.js';
import { settle } from './settled.js';
import type { NodeTurn, PipeNodeState } from './state.js';
import { SentMessage } from '../protocol/pipe-message.js';

const defaultQueueLen = 1_000;
const defaultQueueBytes = 8_388_608;

function limitsOf({ definition }: PipeNodeOptions): { readonly entries: number; readonly bytes: number } {
  const { maxQueueLen = defaultQueueLen, maxQueueBytes = defaultQueueBytes } = definition;
  return { entries: maxQueueLen, bytes: maxQueueBytes };
}

function bytesOf(entry: Entry): number {
  return isFlushMark(entry) ? 0 : SentMessage.sizeOf(entry);
}

/** Whether the node must not emit more. What the run under way has emitted counts. */
export function isLimited(options: PipeNodeOptions, { queue, queuedBytes, result }: PipeNodeState): boolean {
  const { entries, bytes } = limitsOf(options);
  // The last node keeps nothing: what it emits is done.
  if (options.next === undefined) return false;
  return queue.length + result.emitted.length >= entries || queuedBytes + result.emittedBytes >= bytes;
}

/** Takes what a run has emitted. */
export function queueEmitted({ options, state }: NodeTurn, emitted: readonly Entry[]): void {
  for (const entry of emitted) {
    if (options.next !== undefined) {
      state.queue.push(entry);
      state.queuedBytes += bytesOf(entry);
    } else if (isFlushMark(entry)) {
      state.flushedMarks.push(entry.number);
    } else {
      settle(state.settled, SentMessage.referencesOf(entry));
      SentMessage.setReferences(entry, undefined);
    }
  }
}

/** What waits for the next node is not sent on: it stays open, and comes again after the restart. */
export function dropQueue(state: PipeNodeState): void {
  while (state.queue.shift() !== undefined);
  state.queuedBytes = 0;
}

/** Feeds the next node, unless it is still at work. */
export function feedNext({ options, state, effects }: NodeTurn): void {
  const { next } = options;
  if (next === undefined || state.isFeeding || state.nextEnded || state.queue.length === 0) return;
  const limits = limitsOf(options);
  const entries: Entry[] = [];
  let bytes = 0;
  for (let head = state.queue.peek(); head !== undefined; head = state.queue.peek()) {
    const sizeBytes = bytesOf(head);
    if (entries.length > 0 && (entries.length >= limits.entries || bytes + sizeBytes > limits.bytes)) break;
    state.queue.shift();
    entries.push(head);
    bytes += sizeBytes;
  }
  state.queuedBytes -= bytes;
  state.isFeeding = true;
  effects.push(
    effect.ask(next, (replyTo) => ({ type: 'feed', entries, replyTo }), {
      answered: () => ({ type: 'fed' }),
      failed: () => ({ type: 'nextStopped' }),
    }),
  );
}
