// One shard of the scripted Kinesis, a reader of this shard, and a worker that reads everything after `consume`, in virtual time. With
// `retrieval: 'fan-out'` the reader subscribes, with a consumer that is registered already.
import type { SourceSlots } from '../../src/core/call-slots.js';
import type { StartPosition } from '../../src/core/position.js';
import type { LeasedRead, ReadResult, ShardReader, SourceNotice, Timers } from '../../src/api/ports.js';
import type { RetrievalWay } from '../../src/api/retrieval.js';
import { kinesisSource, type KinesisSourceOptions } from '../../src/aws/kinesis/kinesis-source.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import type { ScriptedKinesisOptions } from '../../src/testing/index.js';
import type { ScriptedStreamSettings } from '../../src/testing/scripted-server/scripted-settings.js';
import { modelClient, type ModelCall, type ModelClient } from './model-kinesis-client.js';

export const stream = 'orders';
export const consumerName = 'totals';
export const shardId = 'shardId-000000000000';
export const trimHorizon: StartPosition = { type: 'trimHorizon' };

/** Timers with a count of those that are set. */
export function countedTimers(timers: Timers): Timers & { readonly pending: number } {
  const set = new Set<object>();
  return {
    after(ms, callback) {
      const timer = {};
      set.add(timer);
      const cancel = timers.after(ms, () => {
        set.delete(timer);
        callback();
      });
      return () => {
        set.delete(timer);
        cancel();
      };
    },
    get pending() {
      return set.size;
    },
  };
}

export interface Harness {
  readonly timers: ReturnType<typeof countedTimers>;
  readonly clock: ManualClock;
  readonly client: ModelClient;
  readonly notices: SourceNotice[];
  readonly reader: ShardReader;
  /** All results that the worker has read so far. */
  readonly results: ReadResult[];
  readonly keys: string[];
  readonly failure: () => unknown;
  put(...keys: string[]): string[];
  /** Starts the worker, which reads until the end or an error. */
  consume(): void;
}

export function harness(
  start: StartPosition | ((put: (...keys: string[]) => string[], clock: ManualClock) => StartPosition) = trimHorizon,
  more: {
    readonly options?: KinesisSourceOptions;
    readonly model?: ScriptedKinesisOptions;
    readonly settings?: ScriptedStreamSettings;
    readonly random?: number;
    readonly lease?: LeasedRead;
    readonly retrieval?: RetrievalWay;
    readonly slots?: SourceSlots;
  } = {},
): Harness {
  const clock = new ManualClock();
  const timers = countedTimers(clock);
  const client = modelClient(clock, more.model);
  client.kinesis.createStream(stream, 1, more.settings);
  const put = (...keys: string[]): string[] =>
    keys.map((key) => client.kinesis.put(stream, { partitionKey: key, data: key }).sequenceNumber);
  const random = { next: () => more.random ?? 0.5 };
  const isFanOut = more.retrieval === 'fan-out';
  const fanOut = isFanOut ? { consumer: { consumerName }, isRequired: true } : undefined;
  const source = kinesisSource(
    { streamName: stream, client, fanOut, ...more.options },
    { clock, timers, random, slots: more.slots },
  );
  if (isFanOut) client.subscriptions.register(stream, consumerName);
  const notices: SourceNotice[] = [];
  const position = typeof start === 'function' ? start(put, clock) : start;
  const reader = source.open(shardId, position, (notice) => notices.push(notice), more.lease);
  const results: ReadResult[] = [];
  const keys: string[] = [];
  let failure: unknown;
  let isOpen = !isFanOut;
  const open = async (): Promise<void> => {
    await source.describe(new AbortController().signal);
    await Promise.resolve();
    client.calls.length = 0;
    isOpen = true;
    consume();
  };
  const consume = (): void => {
    if (!isOpen) return void open();
    reader.read(new AbortController().signal).then(
      (result) => {
        results.push(result);
        if (result.type === 'records') keys.push(...[...result.records].map((record) => record.partitionKey ?? ''));
        if (result.type === 'records') consume();
      },
      (error: unknown) => (failure = error),
    );
  };
  return { clock, timers, client, notices, reader, results, keys, failure: () => failure, put, consume };
}

export const end = (on: Harness): ReadResult | undefined => on.results.find((result) => result.type === 'shardEnd');
export const types = (on: Harness): unknown[] =>
  on.client.of('GetShardIterator').map((call) => call.input['ShardIteratorType']);
export const only =
  (operation: string, answer: (call: ModelCall) => ReturnType<ModelClient['script']>) =>
  (call: ModelCall): ReturnType<ModelClient['script']> =>
    call.operation === operation ? answer(call) : undefined;
/** The most calls that fall into any window of `ms`. */
export const most = (calls: readonly ModelCall[], ms: number): number =>
  Math.max(...calls.map((first) => calls.filter((call) => call.at >= first.at && call.at < first.at + ms).length));
