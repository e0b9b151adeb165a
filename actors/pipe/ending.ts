// The end of a pipe by one of its nodes: its failure policy says `crash`, or a callback has asked for the end. What the nodes have
// produced is not lost: the node and those behind it drain, hop by hop. The nodes before it stop at once, since nothing can be sent on.
// Only then does the pipe fail, with the true reason, and its items are read again. An origin may end its pipe, too: then all nodes drain.
import { effect } from '../protocol/actor.js';
import type { NodeRequest } from '../protocol/pipe-messages.js';
import type { Message, PipeActorMessage } from './messages.js';
import { endOf } from './nodes.js';
import type { NodeEntry, PipeEnd, PipeTurn } from './state.js';
import { KinactError } from '../../src/api/errors.js';

export function nodeEnds(turn: PipeTurn, { node, error }: Message<'nodeEnds'>): void {
  const { options, state } = turn;
  const { end, nodes } = state;
  const dueAt = turn.now + options.callDeadlineMs;
  const { name } = nodes[node] as NodeEntry;
  const exit = `Node ${name} of ${state.self.path} has asked for the end of the pipe.`;
  const reason = error ?? end?.error ?? new KinactError('PIPE_EXITED', exit);
  // Nothing has ended the pipe so far, or only its origin.
  if (end?.error === undefined) {
    state.end = { error: reason, isExit: error === undefined, dueAt, node, draining: new Set() };
    for (let before = 0; before < node; before += 1) stopNode(turn, before, reason);
  } else {
    noteReason(end, error);
    // A node before the failed one was told to stop, so its end changes nothing. If a later node ends, the nodes between stop, too, because
    // they cannot send on.
    if (node <= end.node) return;
    for (let before = end.node; before < node; before += 1) stopNode(turn, before, reason);
    end.node = node;
  }
  askToDrain(turn, node);
}

/** A failure while the pipe only exits is the true reason of its end. */
function noteReason(end: PipeEnd, error: Error | undefined): void {
  if (!end.isExit || error === undefined) return;
  end.error = error;
  end.isExit = false;
}

/**
 * The origin has said that nothing more comes. All that it has sent goes through the first node before. Each node lets the next one drain,
 * and the end is one without a failure only if every node has ended without one.
 */
export function beginDrain(turn: PipeTurn): void {
  const { state } = turn;
  if (!state.hasUpstreamFailed || state.end !== undefined || state.feed !== undefined || state.queue.length > 0) return;
  const draining = new Set(state.nodes.keys());
  state.end = { error: undefined, isExit: true, dueAt: Infinity, node: 0, draining };
  askToDrain(turn, 0);
}

function stopNode(turn: PipeTurn, node: number, error: Error): void {
  askNode(turn, node, (replyTo) => ({ type: 'downstreamFailed', error, replyTo }));
}

function askToDrain(turn: PipeTurn, node: number): void {
  askNode(turn, node, (replyTo) => ({ type: 'upstreamFailed', replyTo }));
}

type EndRequest = Extract<NodeRequest, { readonly type: 'upstreamFailed' | 'downstreamFailed' }>;

function askNode(
  { state, now, effects }: PipeTurn,
  node: number,
  question: (replyTo: EndRequest['replyTo']) => EndRequest,
): void {
  const { end } = state;
  const ref = state.nodes[node]?.ref;
  if (end === undefined || ref === undefined) return;
  end.draining.add(node);
  const over = (): PipeActorMessage => ({ type: 'nodeDrained', node });
  const deadline = end.dueAt === Infinity ? {} : { deadlineMs: Math.max(0, end.dueAt - now) };
  effects.push(effect.ask(ref, question, { answered: over, failed: over, ...deadline }));
}

/** A node has drained, or its time is over. */
export function nodeDrained({ state: { end } }: PipeTurn, { node }: Message<'nodeDrained'>): void {
  // If only the origin has ended the pipe, `nodeDown` says how the node has ended.
  if (end?.error !== undefined) end.draining.delete(node);
}

/** A node that has drained ends. Without a reason to end, it has crashed, and so does the pipe. */
export function nodeDown({ state, effects }: PipeTurn, message: Message<'nodeDown'>): void {
  const { end } = state;
  const { node, how } = message;
  if (end === undefined || (end.error === undefined && how.error !== undefined)) {
    effects.push(effect.fail(endOf(state, message)));
    return;
  }
  noteReason(end, how.error);
  end.draining.delete(node);
}

/** Ends when nothing drains any more. The last dispositions have gone first. */
export function endWhenDrained({ state, effects }: PipeTurn): void {
  if (state.end === undefined || state.end.draining.size > 0) return;
  const { error } = state.end;
  effects.push(error === undefined ? effect.end() : effect.fail(error));
}
