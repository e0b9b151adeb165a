// Punctuation in a pipe. It travels among the messages, as a mark: each node flushes when it comes. When the last node has flushed, the
// punctuation is answered. While a failed call holds a node, no mark passes. Then a flush is answered at once, and a drain once every node
// was asked for one more attempt. The answer names what is open. So a hand-over, a stop and a full ledger do not wait for the failed call.
// Nor does a stop wait for what a node keeps beyond its flush.
import { effect } from '../protocol/actor.js';
import { sendPunctuated } from '../protocol/stage-reports.js';
import { sendMarkPassed } from './behind-reducer.js';
import type { Message, PipeActorMessage } from './messages.js';
import { isWaiting } from './nodes.js';
import { openOrdinals } from '../protocol/open-records.js';
import type { Mark, NodeEntry, PipeTurn } from './state.js';

export function queuePunctuation({ state, now }: PipeTurn, punctuation: Mark['punctuation']): void {
  state.lastMark += 1;
  const mark: Mark = { punctuation, number: state.lastMark, since: now, attempts: undefined };
  state.marks.set(mark.number, mark);
  state.queue.push(mark);
}

/** The last node has flushed. The mark may be answered already, because a node began to wait. */
export function flushed(turn: PipeTurn, { mark: number }: Message<'flushed'>): void {
  const { state } = turn;
  const mark = state.marks.get(number);
  if (mark === undefined) return;
  // What is still open after a drain is kept by a node. Nothing more comes for it, because its shard is not read now.
  answer(turn, mark, mark.punctuation.kind === 'drain');
}

/** Answers the marks that cannot pass, or asks the nodes for one more attempt. */
export function proceedMarks(turn: PipeTurn): void {
  const { options, state } = turn;
  if (options.holdsCredit === true || state.marks.size === 0 || state.end !== undefined || !isWaiting(state)) return;
  for (const mark of state.marks.values()) {
    const { kind } = mark.punctuation;
    if (kind === 'drain' && mark.attempts === undefined) askForAttempts(turn, mark);
    else if (kind === 'flush' || mark.attempts?.size === 0) answer(turn, mark, true);
  }
}

function askForAttempts(turn: PipeTurn, mark: Mark): void {
  mark.attempts = new Set(turn.state.nodes.keys());
  hurryNodes(turn, mark.number);
}

/** Asks each node for one more attempt of a failed call. `mark`: the mark that waits for the answers. */
export function hurryNodes({ state, effects }: PipeTurn, mark: number): void {
  for (const [node, { ref }] of state.nodes.entries()) {
    if (ref === undefined) continue;
    const about = { type: 'attempted', mark, node } as const;
    effects.push(
      effect.ask(ref, (replyTo) => ({ type: 'attemptNow', replyTo }), {
        answered: (answered): PipeActorMessage => ({ ...about, isWaiting: answered.isWaiting }),
        failed: (): PipeActorMessage => about,
      }),
    );
  }
}

/** A node has made the attempt. If none waits any more, the mark goes on. */
export function attempted({ state }: PipeTurn, { mark, node, isWaiting: stillWaits }: Message<'attempted'>): void {
  if (stillWaits === false) (state.nodes[node] as NodeEntry).isWaiting = false;
  state.marks.get(mark)?.attempts?.delete(node);
}

/** `namesOpen`: whether the answer names what is open. A reducer in front knows that itself. */
function answer(turn: PipeTurn, mark: Mark, namesOpen: boolean): void {
  const { options, state, effects } = turn;
  const { punctuation } = mark;
  state.marks.delete(mark.number);
  state.queue.retain((queued) => queued !== mark);
  if (punctuation.type === 'emittedMark') {
    sendMarkPassed(turn, punctuation);
    return;
  }
  const { stage, id, shardWorker } = punctuation;
  const waiting = namesOpen ? openOrdinals(state.open, shardWorker) : [];
  sendPunctuated(state.reports, { stage, id }, { reducer: options.index, waiting }, effects);
}
