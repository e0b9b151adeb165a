// Finds out where a record is in a pipe, for the watchdog and for a full ledger. The pipe knows whether a record is open here. Where it is,
// the nodes know, and they are asked in turn.
import { effect } from '../protocol/actor.js';
import type { Whereabouts } from '../protocol/disposition.js';
import { SentMessage } from '../protocol/pipe-message.js';
import type { Message, PipeActorMessage, RecordQuestion } from './messages.js';
import { isWaiting } from './nodes.js';
import { isOpen, oldestOrdinal } from '../protocol/open-records.js';
import type { PipeTurn } from './state.js';
import { namesRecord } from '../../src/core/references.js';

/** Answers where the record or the punctuation is, or passes the question on. The last pipe answers in any case. */
export function locate(turn: PipeTurn, question: Message<'locate'>): void {
  if (question.queued) answerPlace(turn, question, atQueue(turn));
  else if ('punctuation' in question) answerPlace(turn, question, ofPunctuation(turn, question));
  else {
    const { shardWorker, ordinal } = question;
    // A reducer asks only for what it has emitted.
    const isHere = turn.state.feeder !== undefined || isOpen(turn.state.open, shardWorker, ordinal);
    if (!isHere) answerPlace(turn, question, undefined);
    else if (isQueued(turn, shardWorker, ordinal)) answerPlace(turn, question, atQueue(turn));
    else askNode(turn, { asked: question, shardWorker, ordinal }, 0);
  }
}

/** What waits here waits for the first node, or behind a failed call. */
function atQueue({ state, now }: PipeTurn): Whereabouts {
  const where = isWaiting(state) ? 'waiting' : 'queued';
  return { actor: state.self.path, state: where, forMs: now - state.settledAt };
}

function isQueued({ state }: PipeTurn, shardWorker: number, ordinal: number): boolean {
  const { queue } = state;
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    const references = SentMessage.isMessage(queued) ? SentMessage.referencesOf(queued) : queued;
    if (references === undefined || 'punctuation' in references) continue;
    if (namesRecord(references, ({ shardWorkerNumber }) => shardWorkerNumber === shardWorker, ordinal)) return true;
  }
  return false;
}

/** A mark in the nodes counts as `running`: it waits for their calls. */
function ofPunctuation(
  { state, now }: PipeTurn,
  { stage, punctuation }: Extract<Message<'locate'>, { readonly punctuation: number }>,
): Whereabouts | undefined {
  for (const { punctuation: each, since } of state.marks.values())
    if (each.type === 'punctuation' && each.stage === stage && each.id === punctuation)
      return { actor: state.self.path, state: 'running', forMs: now - Math.max(since, state.activeAt) };
  return undefined;
}

function answerPlace({ state, effects }: PipeTurn, question: Message<'locate'>, found: Whereabouts | undefined): void {
  const [next, ...rest] = question.next;
  if (found === undefined && next !== undefined) effects.push(effect.send(next, { ...question, next: rest }));
  else effects.push(effect.reply(question.replyTo, found ?? { actor: state.self.path, state: 'unknown', forMs: 0 }));
}

/**
 * Answers for how long the shard worker's records have waited here for a flush alone, or for more messages. 0: something is on its way
 * through the nodes. A pipe that holds none of them passes the question on.
 */
export function reportAckWait(turn: PipeTurn, question: Message<'waitsForAck'>): void {
  const { state } = turn;
  const ordinal = question.ordinal ?? oldestOrdinal(state.open, question.shardWorker);
  // What is queued waits for the feed.
  const isBusy = state.feed !== undefined || state.marks.size > 0 || state.end !== undefined;
  if (ordinal === undefined) passOn(turn, question, question.heldForMs);
  else if (isBusy || isWaiting(state) || state.queue.length > 0) passOn(turn, question, 0);
  // Nothing is on its way to the first node. Whether the others hold the oldest record back, they know.
  else askNode(turn, { asked: question, shardWorker: question.shardWorker, ordinal }, 0);
}

function passOn({ effects }: PipeTurn, question: Message<'waitsForAck'>, heldForMs: number): void {
  const [first, ...next] = question.next;
  if (heldForMs > 0 && first !== undefined) effects.push(effect.send(first, { ...question, heldForMs, next }));
  else effects.push(effect.reply(question.replyTo, heldForMs === Infinity ? 0 : heldForMs));
}

/** Asks a node where the record is. If there is no such node, the record is on its way between two, or was settled. */
function askNode(turn: PipeTurn, question: RecordQuestion, node: number): void {
  const ref = turn.state.nodes[node]?.ref;
  if (ref === undefined) return nodesAnswered(turn, question, undefined);
  const { shardWorker, ordinal } = question;
  const located = (found: Whereabouts | undefined): PipeActorMessage => ({ type: 'located', question, node, found });
  turn.effects.push(
    effect.ask(ref, (replyTo) => ({ type: 'locateRecord', shardWorker, ordinal, replyTo }), {
      answered: (found) => located(found),
      failed: () => located(undefined),
    }),
  );
}

export function located(turn: PipeTurn, { question, node, found }: Message<'located'>): void {
  if (found === undefined) askNode(turn, question, node + 1);
  else nodesAnswered(turn, question, found);
}

function nodesAnswered(turn: PipeTurn, { asked }: RecordQuestion, found: Whereabouts | undefined): void {
  if (asked.type === 'locate') {
    answerPlace(turn, asked, found);
    return;
  }
  const isKept = found?.state === 'folded';
  const keptForMs = isKept ? Math.min(found.forMs, turn.now - turn.state.activeAt) : 0;
  passOn(turn, asked, Math.min(asked.heldForMs, keptForMs));
}
