// What a node shows in `status()`, and where a record is in it.
import { effect } from '../protocol/actor.js';
import type { HeldRecord, Whereabouts } from '../protocol/disposition.js';
import { waitingText } from '../protocol/pending-failures.js';
import { isFlushMark, type Entry } from '../protocol/pipe-messages.js';
import { SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import type { Callback, NodeTask } from './calls.js';
import type { Message } from './messages.js';
import { refusalOf } from './refusal.js';
import { isLimited } from './queue.js';
import { keptReferences, oldestItem } from './route-states.js';
import type { NodeTurn, PipeNodeState } from './state.js';
import type { PipeNodeOptions } from './options.js';
import { forEachOldest, namesRecord } from '../../src/core/references.js';

/** What a node does, as `status()` shows it. */
export interface NodeFigures {
  /** Its name, such as `aggregate/2`. */
  readonly node: string;
  /** `waiting`: a failed call waits for another attempt. `blocked`: the next node must take messages first. */
  readonly state: 'initial' | 'ready' | 'working' | 'blocked' | 'waiting' | 'exiting';
  /** How many messages wait for this node, with the one whose call runs or has failed. */
  readonly waiting: number;
  /** How many messages of this node wait for the next one. */
  readonly queued: number;
  /** How many bytes these have. */
  readonly queuedBytes: number;
  /** How many routes have a state, without the main route. */
  readonly routes: number;
  /** The item that a state has kept longest; absent if nothing is kept. */
  readonly oldest?: {
    /** The source's name. */
    readonly source: string;
    /** The id of the shard that it came from. */
    readonly shardId: string;
    /** Its place in the shard, in decimal digits. */
    readonly sequenceNumber: string;
    /** How long the state has kept it, in milliseconds. */
    readonly forMs: number;
  };
  /** The call that runs now; absent if none does. */
  readonly calling?: {
    /** Which callback is called. */
    readonly callback: Callback;
    /** For how long it has run, in milliseconds. */
    readonly forMs: number;
  };
  /** The call that waits for another attempt; absent if there is none. */
  readonly failing?: {
    /** How often it has failed. */
    readonly attempts: number;
    /** Since its first failure, in milliseconds. */
    readonly forMs: number;
    /** Its last error, with its causes. */
    readonly error: string;
  };
}

export interface PipeNodeStatus extends NodeFigures {
  /** The oldest record of each shard worker that is here. */
  readonly holding: readonly HeldRecord[];
}

export function nodeStatus(options: PipeNodeOptions, state: PipeNodeState, now: number): PipeNodeStatus {
  const { task, waiting, calling, queue, queuedBytes, routeStates } = state;
  const oldest = oldestOf(state, now);
  const call = waiting?.call;
  return {
    node: options.name,
    holding: heldBy(state, now),
    state: phaseOf(options, state),
    waiting: task === undefined ? 0 : task.entries.length - task.next,
    queued: queue.length,
    queuedBytes,
    routes: [...routeStates.values()].filter(({ route }) => route !== undefined).length,
    ...(oldest === undefined ? {} : { oldest }),
    ...(calling === undefined
      ? {}
      : { calling: { callback: calling.call.callback, forMs: Math.round(now - calling.since) } }),
    ...(call === undefined
      ? {}
      : {
          failing: {
            attempts: call.failures,
            forMs: now - call.failedSince,
            error: waitingText(call.cause, refusalOf(state, call)),
          },
        }),
  };
}

function phaseOf(options: PipeNodeOptions, state: PipeNodeState): PipeNodeStatus['state'] {
  if (state.phase === 'initial') return 'initial';
  if (state.phase !== 'running') return 'exiting';
  if (state.waiting !== undefined) return 'waiting';
  if (state.run !== 0) return 'working';
  return isLimited(options, state) ? 'blocked' : 'ready';
}

function oldestOf({ routeStates }: PipeNodeState, now: number): PipeNodeStatus['oldest'] {
  let since = Infinity;
  let oldest: PipeNodeStatus['oldest'];
  for (const routeState of routeStates.values()) {
    if (routeState.keepsSince >= since) continue;
    const item = oldestItem(routeState);
    if (item === undefined) continue;
    since = routeState.keepsSince;
    const { source, shardId, sequenceNumber } = item;
    oldest = { source, shardId, sequenceNumber, forMs: now - since };
  }
  return oldest;
}

function heldBy(state: PipeNodeState, now: number): readonly HeldRecord[] {
  const { waiting, calling, task, pending, routeStates, queue } = state;
  const held = new Map<number, HeldRecord>();
  const note = (references: ItemReferences | undefined, where: Whereabouts['state'], since: number): void => {
    if (references === undefined) return;
    forEachOldest(references, ({ shardWorkerNumber }, ordinal) => {
      if (ordinal >= (held.get(shardWorkerNumber)?.ordinal ?? Infinity)) return;
      held.set(shardWorkerNumber, { shardWorker: shardWorkerNumber, ordinal, state: where, forMs: now - since });
    });
  };
  const noteEntry = (entry: Entry | undefined, where: Whereabouts['state'], since: number): void => {
    if (entry !== undefined && !isFlushMark(entry)) note(SentMessage.referencesOf(entry), where, since);
  };
  if (waiting !== undefined) noteEntry(waiting.call.message, 'waiting', waiting.call.failedSince);
  if (calling !== undefined) noteEntry(calling.call.message, 'running', calling.since);
  const waits = waiting === undefined ? 'queued' : 'waiting';
  for (const entry of task?.entries.slice(task.next) ?? []) noteEntry(entry, waits, state.activeAt);
  for (let at = 0; at < pending.length; at += 1)
    for (const entry of (pending.at(at) as NodeTask).entries) noteEntry(entry, waits, state.activeAt);
  for (const routeState of routeStates.values())
    for (const references of keptReferences(routeState)) note(references, 'folded', routeState.keepsSince);
  for (let at = 0; at < queue.length; at += 1) noteEntry(queue.at(at), 'queued', state.activeAt);
  return [...held.values()];
}

/** Answers where a record is. It looks at everything the node holds, so it is asked only for a stalled shard, or for `status()`. */
export function locateRecord(turn: NodeTurn, { shardWorker, ordinal, replyTo }: Message<'locateRecord'>): void {
  turn.effects.push(effect.reply(replyTo, whereabouts(turn, shardWorker, ordinal)));
}

function whereabouts({ options, state, now }: NodeTurn, shardWorker: number, ordinal: number): Whereabouts | undefined {
  const isSought = (entry: Entry | undefined): boolean => {
    if (entry === undefined || isFlushMark(entry)) return false;
    const references = SentMessage.referencesOf(entry);
    return (
      references !== undefined && namesRecord(references, (tenure) => tenure.shardWorkerNumber === shardWorker, ordinal)
    );
  };
  const at = (where: Whereabouts['state'], since: number): Whereabouts => {
    return { actor: `${state.self.path} (${options.name})`, state: where, forMs: now - since };
  };
  const { waiting, calling, task, queue } = state;
  if (waiting !== undefined && isSought(waiting.call.message))
    return { ...at('waiting', waiting.call.failedSince), error: waiting.call.cause };
  if (calling !== undefined && isSought(calling.call.message)) return at('running', calling.since);
  const waits = waiting === undefined ? 'queued' : 'waiting';
  if (task?.entries.slice(task.next).some(isSought) === true) return at(waits, state.activeAt);
  for (let index = 0; index < state.pending.length; index += 1)
    if (state.pending.at(index)?.entries.some(isSought) === true) return at(waits, state.activeAt);
  for (const routeState of state.routeStates.values())
    for (const references of keptReferences(routeState))
      if (namesRecord(references, (tenure) => tenure.shardWorkerNumber === shardWorker, ordinal))
        return at('folded', routeState.keepsSince);
  for (let index = 0; index < queue.length; index += 1)
    if (isSought(queue.at(index))) return at('queued', state.activeAt);
  return undefined;
}
