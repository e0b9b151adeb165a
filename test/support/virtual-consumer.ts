// A whole consumer in virtual time over a stream in memory. No part of it waits for the host's clock.
import { consumerOf, type Consumer } from '../../src/consumer/consumer.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import { type Item, defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import type { FakeStream, FakeStreamOptions } from '../../src/testing/index.js';
import { actors, type Actors } from '../../src/consumer/wiring.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { watched, type Watched } from './consumer-harness.js';

/** Numbers from a seed: the same seed gives the same run. */
export function seeded(seed: number): { next(): number } {
  let state = seed >>> 0;
  return {
    // mulberry32
    next: () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** Default of `onFailure`: `crash`, because most of these tests are about restarts. */
export interface VirtualOptions extends Partial<ConsumerOptions> {
  readonly stream?: FakeStream;
  readonly streamOptions?: FakeStreamOptions;
  /** Runs inside `reduce`. */
  readonly onItem?: (item: Item, signal: AbortSignal) => unknown;
  /** Default: those of production. */
  readonly actors?: Actors;
}

export interface VirtualConsumer extends Watched {
  readonly stream: FakeStream;
}

export function virtualConsumer(clock: ManualClock, options: VirtualOptions = {}): VirtualConsumer {
  const { stream: given, streamOptions, onItem = () => {}, runtime, actors: behaviours = actors, ...rest } = options;
  const stream = given ?? fakeStream({ shards: 1, clock, ...streamOptions });
  const made = watched((seen): Consumer =>
    consumerOf(
      {
        logger: false,
        application: 'orders',
        workerId: 'virtual',
        source: stream.source,
        reducers: 2,
        onFailure: 'crash',
        reducer: defineReducer({
          init: () => 0,
          reduce: (count: number, item, { signal }) => {
            seen.push(item);
            const work = onItem(item, signal);
            return work instanceof Promise ? work.then(() => count + 1) : count + 1;
          },
        }),
        runtime: { clock, timers: clock, random: seeded(1), ...runtime },
        ...rest,
      } as ConsumerOptions,
      behaviours,
    ),
  );
  return { ...made, stream };
}
