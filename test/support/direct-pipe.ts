// A pipe as plain functions, with two stages and nodes that the test speaks for.
import type { Behaviour, Effect, Ref } from '../../actors/protocol/actor.js';
import type { NodeReport, NodeRequest, SettledItems } from '../../actors/protocol/pipe-messages.js';
import type { ReducerRequest, StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { PipeNodeOptions } from '../../actors/pipe-node/options.js';
import type { PipeActorMessage } from '../../actors/pipe/messages.js';
import { pipe, type PipeOptions } from '../../actors/pipe/pipe.js';
import type { AnyNode } from '../../src/api/pipe.js';
import { asked, handClock, ofType, ref, stepped, tenureOf } from './direct.js';
import { itemOf } from './direct-reducer.js';

export type Effects = readonly Effect<PipeActorMessage>[];

const node = (name?: string): AnyNode => ({ ...(name === undefined ? {} : { name }), handleMessage: () => ({}) });

/** A pipe of nodes that have not started. */
export function unstarted(
  names: readonly (string | undefined)[] = ['map', undefined, 'sink'],
  more: Partial<PipeOptions> = {},
) {
  const clock = handClock();
  const self = ref<PipeActorMessage>('pipe/0#1');
  const stages = [ref<StageMessage>('stage/0#2'), ref<StageMessage>('stage/1#3')] as const;
  const [stage] = stages;
  const nodes = names.map((_, index) => ref<NodeRequest>(`pipe-node/${index}#${index + 4}`));
  const made: PipeNodeOptions[] = [];
  const progress = { settled: 0 };
  const behaviour = pipe({
    ...{
      index: 0,
      credit: 7,
      callDeadlineMs: 400,
      answerDeadlineMs: 1_000,
      onFailure: 'crash',
      clock,
      stages,
      progress,
    },
    ...{ application: 'orders-app', random: { next: () => 0 }, definitions: names.map(node) },
    makeNode: (options) => {
      made.push(options);
      return { kind: 'pipe-node' } as unknown as Behaviour<never, NodeRequest>;
    },
    ...more,
  });
  const step = stepped(behaviour, self);
  return { ...step, clock, self, stages, stage, nodes, made, progress };
}

/** A pipe whose nodes have started. */
export function direct(nodeCount = 3, more: Partial<PipeOptions> = {}) {
  const it = unstarted(
    Array.from({ length: nodeCount }, () => 'map'),
    more,
  );
  const { tell, nodes, stage, clock } = it;
  let first = it.first;
  for (let index = nodeCount - 1; index >= 0; index -= 1)
    first = tell({ type: 'nodeStarted', node: index, ref: nodes[index]! });

  const tenures = [tenureOf(0), tenureOf(1), tenureOf(2)];
  const numbers = new Map<unknown, number>();
  const next = (from: unknown): number => {
    const number = (numbers.get(from) ?? 0) + 1;
    numbers.set(from, number);
    return number;
  };
  const fromStage = (message: object, from: Ref<StageMessage> = stage): Effects =>
    tell({ ...message, stage: from, number: next(from) } as ReducerRequest);
  const fromNode = (index: number, message: object): Effects =>
    tell({ ...message, node: index, number: next(index) } as NodeReport);
  return {
    ...it,
    first,
    tenures,
    fromStage,
    fromNode,
    /** Items whose values are their ordinals. */
    items: (ordinals: readonly number[], shardWorker = 1, from: Ref<StageMessage> = stage) =>
      fromStage({ type: 'items', items: ordinals.map((n) => itemOf(n, tenures[shardWorker]!, from)) }, from),
    punctuation: (kind: 'flush' | 'drain', id = 5, shardWorker = 1, from = stage) =>
      fromStage({ type: 'punctuation', kind, id, shardWorker }, from),
    revoked: (shardWorker: number) => {
      const tenure = tenures[shardWorker]!;
      tenure.ended = true;
      const { source, shardId, fence } = tenure;
      return fromStage({ type: 'revoked', shardWorker, source, shardId, fence });
    },
    /** Answers the open feed of the first node. */
    answerFeed: (effects: Effects) => tell(feedOf(effects).answered(undefined)),
    settle: (index: number, ordinals: readonly number[], shardWorker = 1, from: Ref<StageMessage> = stage) => {
      const settled: SettledItems = {
        tenure: tenures[shardWorker]!,
        stage: from,
        ordinals: [...ordinals],
        items: ordinals.map(() => 0),
      };
      return fromNode(index, { type: 'settled', settled: [settled] });
    },
    flushed: (mark: number) => fromNode(nodeCount - 1, { type: 'flushed', mark }),
    waits: (index: number, isWaiting = true) => fromNode(index, { type: 'nodeWaits', isWaiting }),
    askedOf: (effects: Effects, index: number) => asked(effects, nodes[index]!),
    clock,
  };

  function feedOf(effects: Effects) {
    const [feed] = asked(effects, nodes[0]!).filter(({ question }) => (question as NodeRequest).type === 'feed');
    if (feed === undefined) throw new Error('nothing was fed');
    return feed;
  }
}

/** What the first node is fed, as values and marks. */
export function fedBy(effects: Effects, first: Ref<NodeRequest>): readonly unknown[] {
  return asked(effects, first)
    .map(({ question }) => question as NodeRequest)
    .flatMap((question) => (question.type === 'feed' ? question.entries : []))
    .map((entry) => ('value' in entry ? entry.value : `mark ${entry.number}`));
}

/** The deadlines of the questions. */
export function deadlines(effects: Effects): readonly (number | undefined)[] {
  return ofType(effects, 'ask').map(({ deadlineMs }) => deadlineMs);
}
