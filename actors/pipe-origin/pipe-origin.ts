// The actor that feeds a pipe without a consumer. It stands in the place of the stages: it makes items of what it is fed, takes the credit
// for them, and notes which of them are done. The pipe is its child. Calls are carried out one after the other, and a feed is over when
// the first node has processed all of it. Invariant: `firstOpen` never passes a message that is not settled. src/consumer/open-pipe.ts
// calls it.
import { effect, hasFailed, type Behaviour, type Effect, type Ref } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import { answered, beginCalls, callsEnded, overdue, queueCall } from './calls.js';
import { createFedTenure } from './fed-item.js';
import type { Message, OriginMessage } from './messages.js';
import type { PipeOriginOptions } from './options.js';
import { disposed, noticed, notify } from './settling.js';
import type { OriginTurn, PipeOriginState } from './state.js';
import { createDeque } from '../../src/core/deque.js';
import { emptyRanges } from '../../src/core/number-ranges.js';

export type { CallAnswer, FedValue, OriginCall, OriginMessage } from './messages.js';
export { createOffsets, type Offsets, type PipeOriginOptions } from './options.js';
export { messageOfFed } from './fed-item.js';

export interface PipeOriginStatus {
  /** How many calls wait for their turn, or for what they have begun. */
  readonly waiting: number;
}

export function pipeOrigin(options: PipeOriginOptions): Behaviour<PipeOriginState, OriginMessage, PipeOriginStatus> {
  return {
    kind: 'pipe-origin',
    initial: (self) => [initialState(options, self), [spawnPipe(options, self)]],
    receive: (state, message) => {
      const turn: OriginTurn = { options, state, effects: [] };
      if (accept(turn, message)) handle(handlers, turn, message);
      if (!hasFailed(turn)) proceed(turn);
      return [state, turn.effects];
    },
    stopped: callsEnded,
    status: ({ calls, feed, flushes }) => ({
      waiting: calls.length + flushes.size + (feed === undefined ? 0 : 1),
    }),
  };
}

function initialState({ name, signal, offsets }: PipeOriginOptions, self: Ref<OriginMessage>): PipeOriginState {
  return {
    self,
    tenure: createFedTenure(name, signal),
    pipe: undefined,
    opening: [],
    calls: createDeque(),
    lastCall: 0,
    feed: undefined,
    flushes: new Map(),
    settled: emptyRanges(),
    lastSent: 0,
    lastReceived: 0,
    lastQuestion: 0,
    noticed: offsets.first - 1,
    isNoticing: false,
    isNoticeDue: false,
  };
}

function spawnPipe(
  { name, makePipe, callDeadlineMs }: PipeOriginOptions,
  self: Ref<OriginMessage>,
): Effect<OriginMessage> {
  // To a stage, a pipe sends nothing but the messages that an origin takes.
  const behaviour = makePipe(self as Ref<never> as Ref<StageMessage>);
  return effect.spawn(name, behaviour, {
    spawned: (pipe): OriginMessage => ({ type: 'pipeStarted', pipe }),
    down: (_, how): OriginMessage => ({ type: 'pipeDown', how }),
    shutdownMs: callDeadlineMs,
  });
}

const handlers: Handlers<OriginTurn, OriginMessage> = {
  open,
  feed: queueCall,
  flush: queueCall,
  notifyUpstreamFailure: (turn, message) => {
    queueCall(turn, message);
    const { state, effects } = turn;
    // What was fed before it should not wait until the next attempt of a failed call is due.
    if (state.pipe !== undefined) effects.push(effect.send(state.pipe, { type: 'hurry' }));
  },
  pipeStarted,
  pipeDown,
  // Nothing to do: `pipeStarted` says the same.
  join: () => undefined,
  disposed,
  punctuated: answered,
  overdue,
  noticed,
  noticeDue: ({ state }) => (state.isNoticeDue = true),
};

/** Returns false for a repeated message: a call would be made twice. */
function accept({ state, effects }: OriginTurn, message: OriginMessage): boolean {
  const [number, last] = numberOf(message);
  if (last === undefined) return true;
  if (number <= state[last]) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  state[last] = number;
  return true;
}

/** The number of a message, and which of the last numbers it follows. */
function numberOf(message: OriginMessage): readonly [number, 'lastReceived' | 'lastQuestion' | undefined] {
  if (message.type === 'disposed' || message.type === 'punctuated') return [message.number, 'lastReceived'];
  return 'replyTo' in message ? [message.replyTo.question, 'lastQuestion'] : [0, undefined];
}

function open({ state, effects }: OriginTurn, { replyTo }: Message<'open'>): void {
  if (state.pipe === undefined) state.opening.push(replyTo);
  else effects.push(effect.reply(replyTo, undefined));
}

function pipeStarted({ state, effects }: OriginTurn, { pipe }: Message<'pipeStarted'>): void {
  state.pipe = pipe;
  for (const replyTo of state.opening.splice(0)) effects.push(effect.reply(replyTo, undefined));
}

/** The pipe has ended, with all its calls. Who still waits for an answer learns of the end with that of the origin. */
function pipeDown({ options, state, effects }: OriginTurn, { how }: Message<'pipeDown'>): void {
  options.offsets.ending = how;
  state.pipe = undefined;
  effects.push(effect.after('notice', options.callDeadlineMs, { type: 'noticeDue' }));
}

/** Takes every step that is due. */
function proceed(turn: OriginTurn): void {
  const { options, state, effects } = turn;
  beginCalls(turn);
  notify(turn);
  const isOver = options.offsets.ending !== undefined && (!state.isNoticing || state.isNoticeDue);
  if (isOver) effects.push(effect.end());
}
