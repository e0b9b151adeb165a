// The nodes of a pipe, which are its children. The last one starts first, because each has to know the next one. The pipe has started when
// all `init` calls have returned, and fails when a node ends without being asked.
import { effect, type Effect } from '../protocol/actor.js';
import type { NodeReport, NodeRequest } from '../protocol/pipe-messages.js';
import type { Message, PipeActorMessage } from './messages.js';
import type { NodeEntry, PipeState, PipeTurn } from './state.js';
import type { PipeOptions } from './options.js';
import { KinactError } from '../../src/api/errors.js';

export function createNodes(options: Pick<PipeOptions, 'definitions'>): readonly NodeEntry[] {
  return namesOf(options).map((name, index) => {
    return { name: `${name}/${index}`, ref: undefined, lastReceived: 0, isWaiting: false };
  });
}

function namesOf({ definitions }: Pick<PipeOptions, 'definitions'>): readonly string[] {
  return definitions.map(({ name = 'node' }) => name);
}

/** Whether a failed call holds a node. */
export function isWaiting({ nodes }: Pick<PipeState, 'nodes'>): boolean {
  return nodes.some((node) => node.isWaiting);
}

export function spawnNode(options: PipeOptions, { self, nodes }: PipeState, index: number): Effect<PipeActorMessage> {
  const { application, onFailure, answerDeadlineMs, clock, random, doubtOf, leftItems } = options;
  const { definitions, format, makeNode, callDeadlineMs } = options;
  const { name } = nodes[index] as NodeEntry;
  const behaviour = makeNode({
    ...{ application, onFailure, answerDeadlineMs, clock, random },
    ...(doubtOf === undefined ? {} : { doubtOf }),
    ...(leftItems === undefined ? {} : { leftItems }),
    pipe: options.index,
    index,
    name,
    definition: definitions[index] as PipeOptions['definitions'][number],
    format,
    nodeNames: namesOf(options),
    isBehindReducer: options.isBehindReducer === true,
    isFed: options.isFed === true,
    // With a `callDeadlineMs` of 0 no restart waits for a call, but each call gets time all the same.
    timeoutMs: answerDeadlineMs,
    pipeRef: self,
    next: nodes[index + 1]?.ref,
  });
  return effect.spawn(`${options.index}/${name}`, behaviour, {
    spawned: (ref): PipeActorMessage => ({ type: 'nodeStarted', node: index, ref }),
    down: (_ref, how): PipeActorMessage => ({ type: 'nodeDown', node: index, how }),
    shutdownMs: callDeadlineMs,
  });
}

/** Starts the node before, or tells that the pipe has started: then the stages may send items. */
export function nodeStarted({ options, state, effects }: PipeTurn, { node, ref }: Message<'nodeStarted'>): void {
  const entry = state.nodes[node];
  if (entry === undefined || entry.ref !== undefined) return;
  entry.ref = ref;
  if (node > 0) {
    effects.push(spawnNode(options, state, node - 1));
    return;
  }
  effects.push(effect.started());
  const { index, credit, stages } = options;
  for (const to of stages) effects.push(effect.send(to, { type: 'join', reducer: index, ref: state.self, credit }));
}

/** Sends a message to every node that runs. */
export function tellNodes({ state, effects }: PipeTurn, message: NodeRequest): void {
  for (const { ref } of state.nodes) if (ref !== undefined) effects.push(effect.send(ref, message));
}

/** The error of a node that has ended without being asked. */
export function endOf({ nodes, self }: PipeState, { node, how }: Message<'nodeDown'>): Error {
  const text = `Node ${nodes[node]?.name} of ${self.path} has ended, and nothing asked it to.`;
  return how.error ?? new KinactError('BROKEN_INVARIANT', text);
}

/** Returns false for a repeated report. Otherwise an item would be settled twice. */
export function acceptReport({ state, effects }: PipeTurn, { node, number }: NodeReport): boolean {
  const entry = state.nodes[node];
  if (entry === undefined || number <= entry.lastReceived) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  entry.lastReceived = number;
  return true;
}
