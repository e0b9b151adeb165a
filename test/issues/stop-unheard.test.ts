// Symptom: `stop()` reported `drained: true` (and `runUntilSignal` exit code 0), although the leases were still held. Cause: a
// coordinator that was down, because its restart waited for a user call, counted as one that held nothing.
import { expect } from 'chai';
import type { Ref } from '../../actors/protocol/actor.js';
import { createConsumer } from '../../src/consumer/consumer.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { crashActor } from '../../supervision/system.js';
import { inVirtualTime } from '../support/virtual.js';

describe('a stop while the coordinator is down', () => {
  it('reports that it has not drained, and releases the lease with recordsLeft -1', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const stream = fakeStream({ clock });
      const actors = new Map<string, Ref<never>>();
      const deliver = ({ to }: { readonly to: Ref<never> }, go: () => void): void => {
        actors.set(to.path.replace(/#\d+$/, ''), to);
        go();
      };
      const consumer = createConsumer({
        logger: false,
        application: 'orders',
        source: stream.source,
        reducers: 1,
        reducer: defineReducer({
          init: () => 0,
          reduce: (count: number) =>
            new Promise<number>((resolve) => void clock.after(25_000, () => resolve(count + 1))),
        }),
        runtime: { clock, timers: clock, intercept: { deliver } },
      });
      await inVirtualTime(clock, consumer.start());
      stream.put({ partitionKey: 'k', data: 'under way' });
      await clock.advance(2_000);
      crashActor(actors.get('lease-coordinator/orders') as Ref<never>, new Error('for the test'));
      await clock.advance(1_000);
      const report = await inVirtualTime(clock, consumer.stop());
      expect(report.drained).to.equal(false);
      const [row] = [...(stream.leases.get('orders')?.rows.values() ?? [])];
      // The lease is released all the same, after the user call has had its time.
      expect(report.leases).to.have.length(1);
      expect(report.leases[0]).to.include({ released: true, recordsLeft: -1, checkpoint: 'TRIM_HORIZON' });
      expect(row).to.include({ checkpoint: 'TRIM_HORIZON' }).and.not.have.property('leaseOwner');
      await clock.advance(60_000);
      expect(clock.pending()).to.equal(0);
    } finally {
      clock.uninstall();
    }
  });
});
