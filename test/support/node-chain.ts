// The nodes of a pipe as a chain of actors, with a pipe that only collects reports. For tests of nodes without a consumer.
import { effect, type Behaviour, type Effect, type Ref, type ReplyTo } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import { SentMessage } from '../../actors/protocol/pipe-message.js';
import type { Entry, NodeReport, NodeRequest } from '../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { pipeNode, type PipeNodeOptions, type PipeNodeStatus } from '../../actors/pipe-node/pipe-node.js';
import type { AnyNode } from '../../src/api/pipe.js';
import { actorHarness, type Harness } from './actor-harness.js';
import { recordOf, ref, tenureOf } from './direct.js';

export interface NodeChain {
  readonly harness: Harness;
  readonly refs: readonly Ref<NodeRequest>[];
  readonly reports: readonly NodeReport[];
  readonly tenures: readonly Tenure[];
  /** The items that are settled, as `shardWorker:ordinal`, in the order of the reports. One that is settled twice is there twice. */
  settled(): string[];
  /** Feeds values as items with rising ordinals of worker 1. Resolves when everything that can happen without time has. */
  feed(...values: unknown[]): Promise<() => boolean>;
  feedOf(shardWorker: number, ...values: unknown[]): Promise<() => boolean>;
  feedEntries(entries: readonly Entry[]): Promise<() => boolean>;
  /** Sends a flush through the chain; returns whether it has come out. */
  flush(): Promise<boolean>;
  /** Ends the tenure of a worker, and tells all nodes at once. */
  lose(shardWorker: number, tenure?: Tenure): Promise<void>;
  tellAll(message: NodeRequest): Promise<void>;
  /** Nothing more comes (`upstreamFailed`). Returns whether the first node has answered. */
  end(): Promise<() => boolean>;
  /** The node behind this one is gone (`downstreamFailed`). Returns whether it has answered. */
  stopAt(node: number, error?: Error): Promise<() => boolean>;
  status(): PipeNodeStatus[];
}

export interface NodeChainOptions extends Partial<
  Pick<PipeNodeOptions, 'onFailure' | 'timeoutMs' | 'answerDeadlineMs' | 'format' | 'isBehindReducer'>
> {
  /** When a node fails or exits, the others are ended as a pipe ends them. Default false. */
  readonly endsNodes?: boolean;
}

type PipeMessage = NodeReport | { readonly type: 'ended' } | { readonly type: 'lost'; readonly shardWorker: number };

/** The nodes before the one that ends stop at once. It drains, and so do those behind it. */
function endOf(
  refs: readonly Ref<NodeRequest>[],
  { node, error = new Error('exit') }: Extract<NodeReport, { type: 'nodeEnds' }>,
): Effect<PipeMessage>[] {
  const answers = { answered: () => ({ type: 'ended' as const }), failed: () => ({ type: 'ended' as const }) };
  return refs
    .slice(0, node + 1)
    .map((each, index) =>
      effect.ask(
        each,
        (replyTo: ReplyTo<void>): NodeRequest =>
          index < node ? { type: 'downstreamFailed', error, replyTo } : { type: 'upstreamFailed', replyTo },
        answers,
      ),
    );
}

export async function nodeChain(
  definitions: readonly AnyNode[],
  { endsNodes = false, ...options }: NodeChainOptions = {},
): Promise<NodeChain> {
  const harness = actorHarness();
  const reports: NodeReport[] = [];
  const refs: Ref<NodeRequest>[] = [];
  const pipeRef = harness.spawn<undefined, PipeMessage>('pipe', {
    kind: 'pipe',
    initial: () => [undefined, []],
    receive: (state, report) => {
      if (report.type === 'ended') return [state, []];
      if (report.type === 'lost') {
        const { shardWorker } = report;
        return [state, refs.map((each) => effect.send(each, { type: 'revoked', shardWorker }))];
      }
      reports.push(report);
      return [state, endsNodes && report.type === 'nodeEnds' ? endOf(refs, report) : []];
    },
  });
  let next: Ref<NodeRequest> | undefined;
  for (const [index, definition] of [...definitions.entries()].reverse()) {
    const node = pipeNode({
      ...{ pipe: 0, index, name: `${definition.name ?? 'node'}/${index}`, definition, pipeRef, next },
      nodeNames: definitions.map(({ name = 'node' }) => name),
      ...{ application: 'orders-app', onFailure: 'crash', timeoutMs: 10_000, answerDeadlineMs: 10_000 },
      ...{ clock: harness.clock, random: harness.random },
      ...options,
    });
    next = harness.spawn(`node/${index}`, node as unknown as Behaviour<unknown, NodeRequest>);
    refs.unshift(next);
    await harness.settle();
  }
  const [first] = refs as [Ref<NodeRequest>];
  const stage = ref<StageMessage>('stage/0#1');
  const tenures = [tenureOf(0), tenureOf(1), tenureOf(2), tenureOf(3)];
  let ordinals = 0;
  let marks = 0;

  const feedEntries = async (entries: readonly Entry[]): Promise<() => boolean> => {
    const asked = await harness.ask<NodeRequest, void>(first, (replyTo) => ({ type: 'feed', entries, replyTo }));
    return asked.hasAnswer;
  };
  const feedOf = (shardWorker: number, ...values: unknown[]): Promise<() => boolean> =>
    feedEntries(
      values.map((value) => {
        ordinals += 1;
        const tenure = tenures[shardWorker] as Tenure;
        const item = new DeliveredItem(stage, 'k', value, tenure, ordinals, 0, recordOf(ordinals), undefined);
        return new SentMessage(value, item, undefined, 1);
      }),
    );

  return {
    harness,
    refs,
    reports,
    tenures,
    settled: () =>
      reports.flatMap((report) =>
        report.type === 'settled'
          ? report.settled.flatMap(({ tenure, ordinals: each }) => each.map((n) => `${tenure.shardWorkerNumber}:${n}`))
          : [],
      ),
    feed: (...values) => feedOf(1, ...values),
    feedOf,
    feedEntries,
    flush: async () => {
      marks += 1;
      const mark = marks;
      await feedEntries([{ type: 'flushMark', number: mark }]);
      return reports.some((report) => report.type === 'flushed' && report.mark === mark);
    },
    lose: async (shardWorker, tenure = tenures[shardWorker]) => {
      if (tenure !== undefined) tenure.ended = true;
      await harness.tell(pipeRef as Ref<PipeMessage>, { type: 'lost', shardWorker });
    },
    end: async () => {
      const asked = await harness.ask<NodeRequest, void>(first, (replyTo) => ({ type: 'upstreamFailed', replyTo }));
      return asked.hasAnswer;
    },
    stopAt: async (node, error = new Error('below')) => {
      const to = refs[node] as Ref<NodeRequest>;
      const asked = await harness.ask<NodeRequest, void>(to, (replyTo) => ({
        type: 'downstreamFailed',
        error,
        replyTo,
      }));
      return asked.hasAnswer;
    },
    tellAll: async (message) => {
      for (const each of refs) await harness.tell(each, message);
    },
    status: () => refs.map((each) => harness.statusOf(each) as PipeNodeStatus),
  };
}
