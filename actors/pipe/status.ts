// A pipe as `status()` shows it. Its nodes are its children, and show themselves.
import type { HeldRecord } from '../protocol/disposition.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { queuedItems } from './feeding.js';
import { isWaiting } from './nodes.js';
import { oldestOrdinal } from '../protocol/open-records.js';
import type { PipeState } from './state.js';

export interface PipeStatus {
  /** The oldest open record of each shard worker. `unknown`: it is in a node. */
  readonly holding: readonly HeldRecord[];
  /** `waiting`: a failed call holds a node. `ending`: a node has ended the pipe, and the others drain. */
  readonly doing: 'starting' | 'idle' | 'feeding' | 'waiting' | 'ending';
  /** How many items, or messages of a reducer, wait for the first node. */
  readonly queued: number;
  /** How many records have an item that is open in this pipe. */
  readonly openRecords: number;
  /** How many flushes are on their way through the nodes, or wait for the first one. */
  readonly flushes: number;
}

export function pipeStatus(state: PipeState, now: number): PipeStatus {
  const { open, marks } = state;
  let openRecords = 0;
  for (const { items } of open.values()) openRecords += items.size;
  let queued = 0;
  const inQueue = new Set<string>();
  for (let place = 0; place < state.queue.length; place += 1)
    if (SentMessage.isMessage(state.queue.at(place))) queued += 1;
  for (const { tenure, ordinal } of queuedItems(state)) {
    queued += 1;
    inQueue.add(`${tenure.shardWorkerNumber} ${ordinal}`);
  }
  const atQueue = isWaiting(state) ? 'waiting' : 'queued';
  const holding = [...open.keys()].map((shardWorker): HeldRecord => {
    const ordinal = oldestOrdinal(open, shardWorker) as number;
    const where = inQueue.has(`${shardWorker} ${ordinal}`) ? atQueue : 'unknown';
    return { shardWorker, ordinal, state: where, forMs: where === 'unknown' ? 0 : now - state.settledAt };
  });
  return { holding, doing: doingOf(state), queued, openRecords, flushes: marks.size };
}

function doingOf(state: PipeState): PipeStatus['doing'] {
  if (state.end !== undefined) return 'ending';
  if (state.nodes[0]?.ref === undefined) return 'starting';
  if (isWaiting(state)) return 'waiting';
  return state.feed === undefined ? 'idle' : 'feeding';
}
