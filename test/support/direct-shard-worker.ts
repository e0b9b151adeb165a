// One shard worker as plain functions, without a runtime. The test itself answers as keeper, reader and stages.
import type { Effect } from '../../actors/protocol/actor.js';
import type { Dispositions } from '../../actors/protocol/disposition.js';
import type { LeaseKeeperRequest } from '../../actors/protocol/lease-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import {
  shardWorker,
  type ShardWorkerMessage,
  type ShardWorkerOptions,
} from '../../actors/shard-worker/shard-worker.js';
import type { RawRecord, ReadResult, StreamSource } from '../../src/api/ports.js';
import type { StartPosition } from '../../src/core/position.js';
import { asked, handClock, recordOf, ref, sent, stepped, tenureOf } from './direct.js';

export type ShardWorkerEffects = readonly Effect<ShardWorkerMessage>[];

export const nothing: Dispositions = { itemCounts: [], ordinals: [], items: [] };

/** Worker 1 of a shard with fence 1, and the messages of its keeper, its reader and its stages. */
export function directShardWorker(options: Partial<ShardWorkerOptions> = {}, stageCount = 1) {
  const clock = handClock();
  const self = ref<ShardWorkerMessage>('shard-worker/shardId-1#1');
  const keeper = ref<LeaseKeeperRequest>('lease-keeper/shardId-1#2');
  const stages = Array.from({ length: stageCount }, (_, index) => ref<StageMessage>(`stage/${index}#3`));
  const opened: StartPosition[] = [];
  const closed: number[] = [];
  const reader = { read: () => Promise.reject(new Error('the test answers')), close: () => void closed.push(1) };
  const open: StreamSource['open'] = (_, start) => (opened.push(start), reader);
  const behaviour = shardWorker({
    lease: { leaseKey: 'shardId-1', shardId: 'shardId-1', source: 'orders', keeper, startable: true },
    ...{
      shardWorkerNumber: 1,
      stages,
      spread: 'round-robin',
      onDuplicate: 'skip',
      onFailure: 'crash',
      application: 'test',
      random: { next: () => 0 },
      answerDeadlineMs: 1_000,
      clock,
    },
    ...{ maxPending: 4, maxPendingBytes: 1_000_000, watchdogMs: 1_000, flushes: false, acksEarly: false },
    source: { name: 'orders', open, answersIdle: true } as StreamSource,
    unpack: (record) => ({ records: [record], isDivisible: true }),
    sendFromOutside: () => {},
    ...options,
  });
  const step = stepped(behaviour, self);
  const questions = new Map<string, (answer: unknown) => ShardWorkerMessage>();
  /** Every step goes through here, so that questions can be answered later. */
  const noted = (effects: ShardWorkerEffects): ShardWorkerEffects => {
    for (const [index, stage] of stages.entries())
      for (const { question, answered } of asked(effects, stage)) questions.set(`${question.type}/${index}`, answered);
    return effects;
  };
  const tell = (message: ShardWorkerMessage): ShardWorkerEffects => noted(step.tell(message));
  const heard = (result: ReadResult): ShardWorkerEffects => tell({ type: 'readDone', result });
  return {
    ...step,
    ...{ clock, self, keeper, stages, opened, closed, tell },
    grant: (more: Partial<Tenure> = {}) => {
      const tenure = tenureOf(1, more);
      const [begin] = asked(step.first, keeper);
      return { tenure, effects: tell(begin!.answered({ type: 'granted', tenure })) };
    },
    heard,
    read: (...numbers: number[]) => heard({ type: 'records', records: numbers.map((n): RawRecord => recordOf(n)) }),
    shardEnd: () => heard({ type: 'shardEnd', children: [] }),
    /** The answer to the last question of this type. */
    answer: (type: StageMessage['type'], answer: unknown = nothing, stage = 0) =>
      tell(questions.get(`${type}/${stage}`)!(answer)),
    control: (type: 'drain' | 'revoked', fence = 1) => tell({ type, fence, reason: 'lost' }),
    pause: (number: number) => tell({ type: 'pause', fence: 1, number }),
    resume: (number: number) => tell({ type: 'resume', fence: 1, number }),
    /** How the worker has ended, according to its report to the keeper. */
    endOf: (effects: ShardWorkerEffects): ShardWorkerEnd | undefined =>
      sent(effects, keeper).flatMap((message) => (message.type === 'shardWorkerEnded' ? [message.end] : []))[0],
    /** Of each reported frontier the sequence number, and how many records it covers. */
    frontiers: (effects: ShardWorkerEffects) =>
      sent(effects, keeper).flatMap((message) =>
        message.type === 'frontier' ? [[message.frontier.position.sequenceNumber, message.frontier.records]] : [],
      ),
    /** The questions to a stage; a punctuation by its kind. */
    asks: (effects: ShardWorkerEffects, stage = 0): string[] =>
      asked(effects, stages[stage]!).map(({ question: each }) => (each.type === 'punctuate' ? each.kind : each.type)),
    /** The ordinals that each `notify` hands over. */
    notified: (effects: ShardWorkerEffects, stage = 0) =>
      asked(effects, stages[stage]!).flatMap(({ question: each }) => (each.type === 'notify' ? [each.ordinals] : [])),
  };
}

export function settled(...ordinals: number[]): Dispositions {
  return { ...nothing, ordinals, items: ordinals.map(() => 0) };
}
