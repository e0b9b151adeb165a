/** Two consumers of two shards, of which `a` has a call running per shard that has acknowledged its item. In virtual time. */
import { defineReducer } from '../../src/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { virtualConsumer } from './virtual-consumer.js';

type Member = ReturnType<typeof virtualConsumer>;

export interface AcknowledgedCalls {
  /** A consumer that has not started. The first one makes the stream, the others are given it. */
  join(workerId: string, stream?: Member['stream']): Member;
  /** Puts records until a call of `a` runs for either shard. */
  begin(a: Member): Promise<void>;
  /** Lets `watchMs` pass. The leases that `a` did not own while a call of its ran for their shard: `shardId owner`. */
  givenAwayBeside(a: Member, watchMs: number): Promise<string[]>;
}

/** Every call of `a` acknowledges its item at once and ends `callMs` later. */
export function acknowledgedCalls(clock: ManualClock, callMs: number): AcknowledgedCalls {
  const running = new Map<string, number>();
  const add = (shardId: string, by: number): void => void running.set(shardId, (running.get(shardId) ?? 0) + by);
  return {
    join: (workerId, stream) =>
      virtualConsumer(clock, {
        ...(stream === undefined ? { streamOptions: { shards: 2 } } : { stream }),
        workerId,
        reducers: 16,
        reducer: defineReducer({
          init: () => 0,
          acknowledge: 'manual',
          reduce: async (count: number, item, ctx) => {
            ctx.ack(item.token);
            if (workerId !== 'a') return count;
            add(item.shardId, 1);
            await new Promise<void>((resolve) => void clock.after(callMs, resolve));
            add(item.shardId, -1);
            return count;
          },
        }),
      }),
    begin: async ({ stream }) => {
      for (let index = 0; running.size < 2; index++) {
        stream.put({ partitionKey: `key-${index}`, data: 'x' });
        await clock.advance(20);
      }
    },
    givenAwayBeside: async ({ stream }, watchMs) => {
      const beside = new Set<string>();
      for (let passed = 0; passed < watchMs; passed += 100) {
        await clock.advance(100);
        for (const { leaseKey, leaseOwner } of stream.leases.get('orders')!.rows.values())
          if (leaseOwner !== 'a' && (running.get(leaseKey) ?? 0) > 0) beside.add(`${leaseKey} ${leaseOwner ?? 'free'}`);
      }
      return [...beside];
    },
  };
}
