// The actor that stands in the place of a reducer and sends its items through a chain of nodes, its children. It speaks with the stages as
// a reducer does: credit, numbers, punctuation, lost tenures. It may also stand behind a reducer (behind-reducer.ts). The nodes tell it
// which items are done. Invariant: an item is reported as settled only when a node says that everything that stands for it is done.
import { hasFailed, type Behaviour, type Ref } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import { acceptNumber } from '../protocol/stage-numbers.js';
import { createStageReports, sendStageReports } from '../protocol/stage-reports.js';
import { beginDrain, endWhenDrained, nodeDown, nodeDrained, nodeEnds } from './ending.js';
import { acceptFeed, createFeeder, queueEmitted, sendNews } from './behind-reducer.js';
import { creditAll, fed, feedFirstNode, queueItems } from './feeding.js';
import { noteLeft } from './left-items.js';
import { locate, located, reportAckWait } from './locating.js';
import { attempted, flushed, hurryNodes, proceedMarks, queuePunctuation } from './marks.js';
import { acceptReport, createNodes, nodeStarted, spawnNode } from './nodes.js';
import { emittedLost, reportEndedTenures, revoked, settled } from './settling.js';
import { pipeStatus, type PipeStatus } from './status.js';
import type { NodeEntry, PipeState, PipeTurn } from './state.js';
import type { Message, PipeActorMessage } from './messages.js';
import type { PipeOptions } from './options.js';
import type { PipeFeed } from '../protocol/pipe-feed.js';
import type { NodeReport } from '../protocol/pipe-messages.js';
import { createDeque } from '../../src/core/deque.js';

export type { PipeActorMessage } from './messages.js';
export type { PipeOptions } from './options.js';
export type { PipeState } from './state.js';

export function pipe(options: PipeOptions): Behaviour<PipeState, PipeActorMessage, PipeStatus> {
  return {
    kind: 'pipe',
    deferStart: true,
    initial: (self) => {
      const state = initialState(options, self);
      return [state, [spawnNode(options, state, state.nodes.length - 1)]];
    },
    receive: (state, message) => {
      const turn: PipeTurn = { options, state, now: options.clock.now(), effects: [] };
      if (accept(turn, message)) handle(handlers, turn, message);
      if (!hasFailed(turn)) proceed(turn);
      return [state, turn.effects];
    },
    stopped: (state) => {
      noteLeft(options, state);
      return [];
    },
    status: (state) => pipeStatus(state, options.clock.now()),
  };
}

function initialState(options: PipeOptions, self: Ref<PipeActorMessage>): PipeState {
  const now = options.clock.now();
  return {
    self,
    nodes: createNodes(options),
    queue: createDeque(),
    feeder: options.isBehindReducer === true ? createFeeder() : undefined,
    marks: new Map(),
    lastMark: 0,
    feed: undefined,
    lastFeed: 0,
    open: new Map(),
    lastReceived: new Map(),
    reports: createStageReports(),
    end: undefined,
    hasUpstreamFailed: false,
    settledAt: now,
    activeAt: now,
  };
}

const handlers: Handlers<PipeTurn, PipeActorMessage> = {
  items: asActivity(queueItems),
  punctuation: queuePunctuation,
  emitted: asActivity(queueEmitted),
  emittedMark: queuePunctuation,
  emittedLost,
  // Only ended tenures are reported: a pipe flushes by its nodes' own timers.
  heartbeat: ({ state }) => reportEndedTenures(state),
  revoked,
  locate,
  waitsForAck: reportAckWait,
  settled: asActivity(settled),
  flushed: asActivity(flushed),
  nodeWaits: asActivity(nodeWaits),
  nodeEnds,
  nodeStarted,
  nodeDown,
  fed: asActivity(fed),
  // Nothing to do: `nodeEnds` or `nodeDown` says why the node takes no feed.
  feedFailed: () => undefined,
  attempted,
  located,
  nodeDrained,
  upstreamFailed: ({ state }) => (state.hasUpstreamFailed = true),
  hurry: (turn) => hurryNodes(turn, 0),
};

/** A handler of what shows that the pipe goes on. */
function asActivity<M>(handler: (turn: PipeTurn, message: M) => void): (turn: PipeTurn, message: M) => void {
  return (turn, message) => {
    handler(turn, message);
    turn.state.activeAt = turn.now;
  };
}

/** Returns false for a repeated message of a stage or a node. */
function accept(turn: PipeTurn, message: PipeActorMessage): boolean {
  if (isReport(message)) return acceptReport(turn, message);
  if (isFeed(message)) return acceptFeed(turn, message);
  return acceptNumber(turn.state.lastReceived, message, turn.effects);
}

function isReport(message: PipeActorMessage): message is NodeReport {
  const { type } = message;
  return type === 'settled' || type === 'flushed' || type === 'nodeWaits' || type === 'nodeEnds';
}

function isFeed(message: PipeActorMessage): message is PipeFeed {
  const { type } = message;
  return type === 'emitted' || type === 'emittedMark' || type === 'emittedLost';
}

function nodeWaits(turn: PipeTurn, { node, isWaiting: waits }: Message<'nodeWaits'>): void {
  const { state } = turn;
  (state.nodes[node] as NodeEntry).isWaiting = waits;
  if (waits) creditAll(turn);
  // The policy may have said `stopShard`.
  else reportEndedTenures(state);
}

/** Takes every step that is due, and reports to the stages. */
function proceed(turn: PipeTurn): void {
  const { options, state } = turn;
  proceedMarks(turn);
  feedFirstNode(turn);
  beginDrain(turn);
  if (sendStageReports(state.reports, options.index, turn.effects)) state.settledAt = turn.now;
  sendNews(turn);
  endWhenDrained(turn);
}
