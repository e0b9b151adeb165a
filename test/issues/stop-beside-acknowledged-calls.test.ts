// Issue 8: a stop gave shards away beside calls that had acknowledged their items and still ran, for what is settled was taken for
// drained. Whole consumers in virtual time, asked for the lease by another one and not.
import { expect } from 'chai';
import { defineReducer } from '../../src/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { settled, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a holder that stops while a call for its shard runs, though the call has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const isAsked of [true, false])
    it(`gives the lease to nobody beside it, ${isAsked ? 'asked for it' : 'asked by nobody'}`, async () => {
      const running = new Map<string, number>();
      const add = (shardId: string, by: number): void => void running.set(shardId, (running.get(shardId) ?? 0) + by);
      const join = (workerId: string, stream?: ReturnType<typeof virtualConsumer>['stream']) =>
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
              await new Promise<void>((resolve) => void clock.after(12_000, resolve));
              add(item.shardId, -1);
              return count;
            },
          }),
        });
      const a = join('a');
      await settled(clock, a.consumer.start());
      await clock.advance(3_000);
      const store = a.stream.leases.get('orders')!;
      const b = join('b', a.stream);
      if (isAsked) {
        await settled(clock, b.consumer.start());
        for (let passed = 0; passed < 30_000; passed += 100) {
          if ([...store.rows.values()].some(({ kinactWish }) => kinactWish !== undefined)) break;
          await clock.advance(100);
        }
      }
      const asked = [...store.rows.values()].filter(({ kinactWish }) => kinactWish !== undefined);
      expect(asked.length > 0).to.equal(isAsked);
      for (let index = 0; running.size < 2; index++) {
        a.stream.put({ partitionKey: `key-${index}`, data: 'x' });
        await clock.advance(20);
      }
      const stopping = a.consumer.stop({ deadlineMs: 20_000 });
      const beside = new Set<string>();
      for (let passed = 0; passed < 15_000; passed += 100) {
        await clock.advance(100);
        for (const { leaseKey, leaseOwner } of store.rows.values())
          if (leaseOwner !== 'a' && running.get(leaseKey)! > 0) beside.add(`${leaseKey} ${leaseOwner ?? 'free'}`);
      }
      await settled(clock, stopping);
      expect([...beside], 'given away beside calls that run').to.deep.equal([]);
    });
});
