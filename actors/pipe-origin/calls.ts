// The calls of an origin: feeds, flushes, and the end. They begin in the order in which they come. A call whose deadline passes before it
// has begun is withdrawn, so no message waits in the pipe without its caller knowing.
import { effect, type LastEffect } from '../protocol/actor.js';
import { fedItem } from './fed-item.js';
import type { CallAnswer, Message } from './messages.js';
import type { NumberedCall, OpenFeed, OriginTurn, PipeOriginState } from './state.js';

export function queueCall({ state, effects }: OriginTurn, call: NumberedCall['call']): void {
  state.lastCall += 1;
  const number = state.lastCall;
  state.calls.push({ number, call });
  if (call.type === 'notifyUpstreamFailure' || call.deadlineMs === undefined) return;
  effects.push(effect.after(timerOf(number), call.deadlineMs, { type: 'overdue', call: number }));
}

function timerOf(call: number): string {
  return `call#${call}`;
}

/** Begins the calls whose turn it is. One feed is open at a time, so each is answered for itself. */
export function beginCalls(turn: OriginTurn): void {
  const { state } = turn;
  const { pipe } = state;
  while (pipe !== undefined && state.feed === undefined) {
    const next = state.calls.shift();
    if (next === undefined) return;
    const { number, call } = next;
    if (call.type === 'feed') beginFeed(turn, pipe, number, call);
    else if (call.type === 'flush') beginFlush(turn, pipe, number, call);
    else turn.effects.push(effect.send(pipe, { type: 'upstreamFailed' }));
  }
}

type PipeRef = NonNullable<PipeOriginState['pipe']>;

function beginFeed(turn: OriginTurn, pipe: PipeRef, number: number, { values, replyTo }: Message<'feed'>): void {
  const { options, state, effects } = turn;
  const { offsets } = options;
  const { self: stage, tenure } = state;
  const items = values.map((value, at) => fedItem(stage, value, { tenure, offset: offsets.next + at }));
  offsets.next += items.length;
  offsets.open += items.length;
  state.feed = { number, offset: offsets.next - 1, left: items.length, replyTo };
  if (items.length === 0) return finishFeed(turn, state.feed);
  state.lastSent += 1;
  effects.push(effect.send(pipe, { type: 'items', stage: stage as never, number: state.lastSent, items }));
}

/** The first node has processed this many more messages. */
export function processed(turn: OriginTurn, messages: number): void {
  const { feed } = turn.state;
  if (feed === undefined) return;
  feed.left -= messages;
  if (feed.left <= 0) finishFeed(turn, feed);
}

function finishFeed(turn: OriginTurn, { number, offset, replyTo }: OpenFeed): void {
  turn.state.feed = undefined;
  if (replyTo !== undefined) answer(turn, number, replyTo, { type: 'done', offset });
}

function beginFlush({ state, effects }: OriginTurn, pipe: PipeRef, number: number, call: Message<'flush'>): void {
  state.flushes.set(number, call);
  state.lastSent += 1;
  const about = { id: number, shardWorker: state.tenure.shardWorkerNumber, kind: 'flush' } as const;
  effects.push(
    effect.send(pipe, {
      ...{ type: 'punctuation', stage: state.self as never, number: state.lastSent },
      ...about,
    }),
  );
}

/** All nodes have flushed. */
export function answered(turn: OriginTurn, { id }: Message<'punctuated'>): void {
  const { options, state } = turn;
  const flush = state.flushes.get(id);
  if (flush === undefined) return;
  state.flushes.delete(id);
  answer(turn, id, flush.replyTo, { type: 'done', offset: options.offsets.next - 1 });
}

/** The deadline of a call has passed. If the call has begun, it goes on, and its caller gets no other answer. Otherwise it is withdrawn. */
export function overdue(turn: OriginTurn, { call: number }: Message<'overdue'>): void {
  const { options, state } = turn;
  const { feed, flushes, calls } = state;
  const flush = flushes.get(number);
  const offset = options.offsets.next - 1;
  if (feed?.number === number && feed.replyTo !== undefined) {
    answer(turn, number, feed.replyTo, { type: 'overdue', begun: true, offset: feed.offset });
    feed.replyTo = undefined;
  } else if (flush !== undefined) {
    flushes.delete(number);
    answer(turn, number, flush.replyTo, { type: 'overdue', begun: true, offset });
  } else {
    calls.retain((each) => {
      if (each.number !== number || each.call.type === 'notifyUpstreamFailure') return true;
      answer(turn, number, each.call.replyTo, { type: 'overdue', begun: false, offset });
      return false;
    });
  }
}

/** The answers to all calls when the origin ends, in the order in which they were made. */
export function callsEnded({ feed, flushes, calls }: PipeOriginState): LastEffect[] {
  const begun = [...flushes.values(), ...(feed === undefined ? [] : [feed])];
  const answers = begun.flatMap(({ replyTo }) => (replyTo === undefined ? [] : [endedWith(replyTo, true)]));
  for (let next = calls.shift(); next !== undefined; next = calls.shift())
    if (next.call.type !== 'notifyUpstreamFailure') answers.push(endedWith(next.call.replyTo, false));
  return answers;
}

function endedWith(replyTo: Message<'feed'>['replyTo'], begun: boolean): LastEffect {
  return effect.reply(replyTo, { type: 'ended', begun });
}

function answer(
  { effects }: OriginTurn,
  number: number,
  replyTo: Message<'feed'>['replyTo'],
  answerOf: CallAnswer,
): void {
  effects.push(effect.cancel(timerOf(number)), effect.reply(replyTo, answerOf));
}
