// A store that refuses lower fences takes nothing from a process that was paused in a write, once another process has read the shard.
// Two consumers run on simulated machines, in virtual time.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { defineReducer, type Item } from '../../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { createDice } from '../../sim/dice.js';
import { createMachine, type Machine } from '../../sim/machine.js';
import { inVirtualTime } from '../../support/virtual.js';

/** docs/guarantees.md: the highest fence per shard is kept, anything lower is refused. */
function fencedSink(): { write(item: Item): boolean; readonly rows: Map<string, string>; readonly refused: string[] } {
  const highest = new Map<string, number>();
  const rows = new Map<string, string>();
  const refused: string[] = [];
  return {
    rows,
    refused,
    write: (item) => {
      const { idempotencyKey } = item.token;
      const shard = `${item.source}/${item.shardId}`;
      if (item.fence < (highest.get(shard) ?? 0)) {
        refused.push(idempotencyKey);
        return false;
      }
      highest.set(shard, item.fence);
      rows.set(idempotencyKey, item.key);
      return true;
    },
  };
}

function consumerOn(machine: Machine, stream: FakeStream, reduce: (item: Item) => Promise<void>): Consumer {
  return createConsumer({
    logger: false,
    application: 'orders',
    workerId: machine.name,
    source: stream.source,
    reducers: 1,
    reducer: defineReducer({ init: () => null, reduce: (_: null, item) => reduce(item).then(() => null) }),
    runtime: {
      clock: machine.clock,
      timers: machine.timers,
      intercept: machine.intercept,
      random: { next: () => 0.5 },
    },
  });
}

describe('the fence of an item', () => {
  it('lets a sink refuse the write of a resumed process after another process has read the shard', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const sink = fencedSink();
    const zombie = createMachine('zombie', clock, createDice(1));
    const heir = createMachine('heir', clock, createDice(2));
    let begun = 0;
    // The write is under way when the process is paused, and cannot be called back.
    const first = consumerOn(zombie, stream, async (item) => {
      begun += 1;
      await new Promise<void>((resolve) => zombie.timers.after(500, resolve));
      sink.write(item);
    });
    const second = consumerOn(heir, stream, async (item) => void sink.write(item));
    stream.put(...Array.from({ length: 5 }, (_, index) => ({ partitionKey: `k${index}`, data: 'x' })));
    const started = first.start();
    await clock.advanceUntil(() => begun === 1, 10_000);
    await started;
    zombie.pause();
    const taken = second.start();
    await clock.advanceUntil(() => sink.rows.size === 5, 60_000);
    await taken;
    expect(sink.rows.size, 'all five by the heir').to.equal(5);
    zombie.resume();
    await clock.advance(5_000);
    expect(sink.refused, 'the one write that was under way').to.have.length(1);
    expect(begun, 'and nothing more was handed to the zombie').to.equal(1);
    await inVirtualTime(clock, Promise.all([first.stop(), second.stop()]));
    clock.uninstall();
  });
});
