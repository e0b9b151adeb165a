// Issue 8: a call that acknowledged early and whose tenure has ended still runs when the next worker of the shard, which has
// handed nothing out yet, is asked to pause or to drain. It takes itself for quiet, and the lease is given away beside the call.
import { expect } from 'chai';
import { defineReducer } from '../../src/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { settled, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a holder whose earlier tenure left a call behind that has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const how of ['hands over', 'stops'] as const)
    it(`${how}, and gives the lease to nobody beside that call`, async () => {
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
              await new Promise<void>((resolve) => void clock.after(40_000, resolve));
              add(item.shardId, -1);
              return count;
            },
          }),
        });
      const a = join('a');
      await settled(clock, a.consumer.start());
      await clock.advance(3_000);
      const store = a.stream.leases.get('orders')!;
      for (let index = 0; running.size < 2; index++) {
        a.stream.put({ partitionKey: `key-${index}`, data: 'x' });
        await clock.advance(20);
      }
      await clock.advance(1_000);
      // The machine was suspended: the tenures end, the leases are renewed, new workers begin.
      clock.jumpWall(8_000);
      await clock.advance(6_000);
      expect([...store.rows.values()].map(({ leaseOwner }) => leaseOwner)).to.deep.equal(['a', 'a']);
      const b = join('b', a.stream);
      const stopping = how === 'stops' ? a.consumer.stop({ deadlineMs: 50_000 }) : undefined;
      if (how === 'hands over') await settled(clock, b.consumer.start());
      const beside = new Set<string>();
      for (let passed = 0; passed < 20_000; passed += 100) {
        await clock.advance(100);
        for (const { leaseKey, leaseOwner } of store.rows.values())
          if (leaseOwner !== 'a' && running.get(leaseKey)! > 0) beside.add(`${leaseKey} ${leaseOwner ?? 'free'}`);
      }
      await clock.advance(40_000);
      await settled(clock, stopping ?? a.consumer.stop());
      await settled(clock, b.consumer.stop());
      expect([...beside], 'given away beside calls that run').to.deep.equal([]);
    });
});
