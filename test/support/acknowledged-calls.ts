// Two consumers of two shards, in virtual time. Consumer `a` has a running call per shard, which has already acknowledged its item.
import { defineReducer } from '../../src/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { virtualConsumer } from './virtual-consumer.js';

type Member = ReturnType<typeof virtualConsumer>;

export interface AcknowledgedCalls {
  /** Makes a consumer but does not start it. The first consumer makes the stream, and the others get this stream. */
  join(workerId: string, stream?: Member['stream']): Member;
  /** Lets time pass until another member has asked for a lease. */
  runUntilAsked(a: Member): Promise<void>;
  /** Puts records until a call of `a` runs for either shard. */
  begin(a: Member): Promise<void>;
  /** Lets `watchMs` pass. Returns the leases that `a` did not own while one of its calls ran for the shard: `shardId owner`. */
  givenAwayBeside(a: Member, watchMs: number): Promise<string[]>;
  /** Lets `watchMs` pass. Returns the shards with a row at SHARD_END while a call of `a` ran for them. */
  endedBeside(a: Member, watchMs: number): Promise<string[]>;
}

/** Every call of `a` acknowledges its item at once and ends `callMs` later. */
export function acknowledgedCalls(clock: ManualClock, callMs: number): AcknowledgedCalls {
  const running = new Map<string, number>();
  const add = (shardId: string, by: number): void => void running.set(shardId, (running.get(shardId) ?? 0) + by);
  /** The results of `wrong` for rows of shards for which a call of `a` runs. */
  const seenBeside = async ({ stream }: Member, watchMs: number, wrong: (row: LeaseRow) => string | undefined) => {
    const beside = new Set<string>();
    for (let passed = 0; passed < watchMs; passed += 100) {
      await clock.advance(100);
      for (const row of stream.leases.get('orders')!.rows.values()) {
        const seen = (running.get(row.leaseKey) ?? 0) > 0 ? wrong(row) : undefined;
        if (seen !== undefined) beside.add(seen);
      }
    }
    return [...beside];
  };
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
    runUntilAsked: async ({ stream }) => {
      const isAsked = (): boolean =>
        [...stream.leases.get('orders')!.rows.values()].some(({ kinactWish }) => kinactWish !== undefined);
      for (let passed = 0; passed < 30_000 && !isAsked(); passed += 20) await clock.advance(20);
      if (!isAsked()) throw new Error('nobody has asked');
    },
    begin: async ({ stream }) => {
      for (let index = 0; running.size < 2; index++) {
        stream.put({ partitionKey: `key-${index}`, data: 'x' });
        await clock.advance(20);
      }
    },
    givenAwayBeside: (a, watchMs) =>
      seenBeside(a, watchMs, ({ leaseKey, leaseOwner }) =>
        leaseOwner === 'a' ? undefined : `${leaseKey} ${leaseOwner ?? 'free'}`,
      ),
    endedBeside: (a, watchMs) =>
      seenBeside(a, watchMs, ({ leaseKey, checkpoint }) => (checkpoint === 'SHARD_END' ? leaseKey : undefined)),
  };
}
