// Runs parked entries through a reducer without a pipe: the pipeline of a consumer, one after the other. Invariant: an entry is *done* only
// when a checkpoint has passed it, no call has failed for it, and nothing was emitted. (Without a pipe, nothing would take it.)
import { createConsumer, type Consumer } from '../consumer/consumer.js';
import type { ConsumerOptions } from '../api/options.js';
import { NonRetryableError } from '../api/failure-policy.js';
import type { ReducerDefinition } from '../api/reducer.js';
import type { StoredItem } from '../parking/stored-item.js';
import { itemsOf, replayReducer, type ItemMakers } from './replayed-item.js';
import { replaySource } from './replay-source.js';

interface ReducerModule extends ItemMakers {
  readonly reducer: ReducerDefinition;
}

export type ReplayOutcome =
  /** `items`: how many the module has made of the entry. */
  | { readonly type: 'done'; readonly items: number }
  | { readonly type: 'failed'; readonly error: unknown }
  /** The pipeline was stopped first. */
  | { readonly type: 'left' };

export interface ReplayPipeline {
  start(): Promise<void>;
  /** One at a time. Rejects if the consumer ends by itself. */
  replay(stored: StoredItem): Promise<ReplayOutcome>;
  /** Lets a call that runs finish. A second call has no effect. */
  stop(): Promise<void>;
}

const noPipe =
  'ctx.emit was called, and the module exports no pipe: export the pipe that stands behind the reducer, too, as pipe';

function refuseEmit(fail: (error: unknown) => void): never {
  const error = new NonRetryableError(noPipe);
  // Also if the reducer catches it.
  fail(error);
  throw error;
}

interface Current {
  readonly number: number;
  readonly stored: StoredItem;
  failure: { readonly error: unknown } | undefined;
  items: number;
  /** Called for each item that is made. */
  readonly counted: () => void;
  readonly settled: () => void;
}

export function replayPipeline(module: ReducerModule): ReplayPipeline {
  const source = replaySource();
  let current: Current | undefined;
  let number = 0;
  let stopped = false;

  const fail = (error: unknown): void => {
    if (current !== undefined) current.failure ??= { error };
  };
  const options: ConsumerOptions = {
    application: 'kinact-parked-replay',
    logger: false,
    source: source.spec,
    extract: () => (current === undefined ? [] : itemsOf(current.stored, module, current.counted)),
    reducer: replayReducer(module.reducer, () => refuseEmit(fail)),
    reducers: 1,
    // A reducer that waits for more items is asked to acknowledge what it has.
    maxPending: 1,
    checkpointRecords: 1,
    onFailure: (error) => {
      fail(error);
      return 'skip';
    },
    onCheckpoint: ({ sequenceNumber }) => {
      if (current !== undefined && sequenceNumber === String(current.number)) current.settled();
    },
  };
  const consumer: Consumer = createConsumer(options as Parameters<typeof createConsumer>[0]);
  const ended = consumer.closed;
  // It is looked at with each entry.
  ended.catch(() => undefined);

  return {
    start: () => consumer.start(),
    async replay(stored) {
      const settled = new Promise<'settled'>((resolve) => {
        number += 1;
        const settled = (): void => resolve('settled');
        const entry: Current = {
          number,
          stored,
          failure: undefined,
          items: 0,
          counted: () => (entry.items += 1),
          settled,
        };
        current = entry;
      });
      source.give(number);
      const how = await Promise.race([settled, ended.then(() => 'left' as const)]);
      const { failure, items } = current as Current;
      current = undefined;
      if (failure !== undefined) return { type: 'failed', error: failure.error };
      return how === 'settled' ? { type: 'done', items } : { type: 'left' };
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      await consumer.stop();
    },
  };
}
