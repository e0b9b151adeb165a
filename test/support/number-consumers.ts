// Consumers of a stream of numbers in virtual time, one for each test of the suite that calls this. For tests of pipes.
import { nemesis } from '../../src/testing/nemesis/nemesis.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { inVirtualTime, virtualClock } from './virtual.js';
import { virtualConsumer, type VirtualConsumer, type VirtualOptions } from './virtual-consumer.js';

export interface NumberConsumer extends VirtualConsumer {
  /** Puts these numbers, without the last, as text. Those of one remainder by seven have one key. */
  put(from: number, to: number): void;
  readonly chaos: ReturnType<typeof nemesis>;
}

export interface NumberConsumers {
  readonly clock: ManualClock;
  /** Starts a consumer. It is stopped after the test. */
  start(options: VirtualOptions): Promise<NumberConsumer>;
}

/** Call it in `describe`. */
export function numberConsumers(): NumberConsumers {
  let clock: ManualClock;
  let made: VirtualConsumer | undefined;
  beforeEach(() => void (clock = virtualClock()));
  afterEach(async () => {
    if (made !== undefined) await inVirtualTime(clock, made.consumer.stop({ deadlineMs: 1_000 }));
    made = undefined;
    clock.uninstall();
  });
  return {
    get clock() {
      return clock;
    },
    async start(options) {
      const it = (made = virtualConsumer(clock, { leases: { failoverMs: 3_000 }, ...options }));
      await inVirtualTime(clock, it.consumer.start());
      const put = (from: number, to: number): void => {
        for (let n = from; n < to; n += 1) it.stream.put({ partitionKey: `k${n % 7}`, data: String(n) });
      };
      return { ...it, put, chaos: nemesis(it.consumer, { seed: 1 }) };
    },
  };
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

export function sorted(values: Iterable<number>): number[] {
  return [...values].toSorted((one, other) => one - other);
}
