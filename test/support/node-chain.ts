// The nodes of a pipe as a chain of actors, with a pipe that only collects reports. For tests of nodes without a consumer.
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';
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
  /** The items that are settled, as `worker:ordinal`, in the order of the reports. One that is settled twice is there twice. */
  settled(): string[];
  /** Feeds values as items with rising ordinals of worker 1. Resolves when everything that can happen without time has. */
  feed(...values: unknown[]): Promise<() => boolean>;
  feedOf(worker: number, ...values: unknown[]): Promise<() => boolean>;
  feedEntries(entries: readonly Entry[]): Promise<() => boolean>;
  /** Sends a flush through the chain; returns whether it has come out. */
  flush(): Promise<boolean>;
  /** Ends the tenure of a worker. */
  lose(worker: number): Promise<void>;
  tellAll(message: NodeRequest): Promise<void>;
  status(): PipeNodeStatus[];
}

export async function nodeChain(
  definitions: readonly AnyNode[],
  options: Partial<Pick<PipeNodeOptions, 'onFailure' | 'timeoutMs' | 'answerDeadlineMs'>> = {},
): Promise<NodeChain> {
  const harness = actorHarness();
  const reports: NodeReport[] = [];
  const pipeRef = harness.spawn<undefined, NodeReport>('pipe', {
    kind: 'pipe',
    initial: () => [undefined, []],
    receive: (state, report) => {
      reports.push(report);
      return [state, []];
    },
  });
  const refs: Ref<NodeRequest>[] = [];
  let next: Ref<NodeRequest> | undefined;
  for (const [index, definition] of [...definitions.entries()].reverse()) {
    const node = pipeNode({
      ...{ pipe: 0, index, name: `${definition.name ?? 'node'}/${index}`, definition, pipeRef, next },
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
  const feedOf = (worker: number, ...values: unknown[]): Promise<() => boolean> =>
    feedEntries(
      values.map((value) => {
        ordinals += 1;
        const tenure = tenures[worker] as Tenure;
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
          ? report.settled.flatMap(({ tenure, ordinals: each }) => each.map((n) => `${tenure.workerNumber}:${n}`))
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
    lose: async (worker) => {
      (tenures[worker] as Tenure).ended = true;
      for (const each of refs) await harness.tell(each, { type: 'revoked', worker });
    },
    tellAll: async (message) => {
      for (const each of refs) await harness.tell(each, message);
    },
    status: () => refs.map((each) => harness.statusOf(each) as PipeNodeStatus),
  };
}
