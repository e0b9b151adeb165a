// The calls of a source that are under way have a limit. A reader that waits for bytes holds none of them up, and a subscription is none.
import { expect } from 'chai';
import { createByteBudget, openAccount, setShardWorkerBytes } from '../../../../src/core/byte-budget.js';
import { createCallSlots, joinSlots } from '../../../../src/core/call-slots.js';
import { harness } from '../../../support/polling-harness.js';

describe('a polling reader and the slots of its source', () => {
  it('gives its slot back while it waits for bytes, and reads on once there is room', async () => {
    const slots = joinSlots(createCallSlots(1));
    const bytes = openAccount(createByteBudget(1_000_000), () => {});
    setShardWorkerBytes(bytes, 1_000_000, false);
    const on = harness(undefined, { slots, lease: { stream: undefined, bytes } });
    on.put('a');
    on.consume();
    await on.clock.advance(3_000);
    expect([on.keys, slots.underWay]).to.deep.equal([[], 0]);
    setShardWorkerBytes(bytes, 0, false);
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['a']);
    on.reader.close();
  });

  it('reserves no bytes while it waits for a slot', async () => {
    const slots = joinSlots(createCallSlots(1));
    const budget = createByteBudget(100_000_000);
    const bytes = openAccount(budget, () => {});
    const on = harness(undefined, { slots, lease: { stream: undefined, bytes } });
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    setShardWorkerBytes(bytes, 100_000_000, true);
    await on.clock.advance(5_000);
    // Another shard has taken the slot when there is room again.
    slots.underWay = 1;
    setShardWorkerBytes(bytes, 0, false);
    await on.clock.advance(5_000);
    expect(budget.heldBytes).to.equal(0);
    slots.underWay = 0;
    for (const begin of slots.waiting) {
      slots.underWay += 1;
      begin();
    }
    on.put('b');
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    on.reader.close();
  });
});

describe('a reader with enhanced fan-out and the slots of its source', () => {
  it('holds no slot while its subscription lasts, and needs none', async () => {
    const slots = joinSlots(createCallSlots(1));
    const on = harness(undefined, { slots, retrieval: 'fan-out' });
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    expect([on.keys, slots.underWay]).to.deep.equal([['a'], 0]);

    // A polling call takes the only slot and hangs.
    slots.underWay = 1;
    on.put('b');
    await on.clock.advance(1_000);
    [...on.client.subscriptions.open][0]!.end();
    await on.clock.advance(1_000);
    on.put('c');
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    expect([slots.underWay, slots.waiting.size, on.client.subscriptions.open.size]).to.deep.equal([1, 0, 1]);
    expect(on.client.of('GetRecords')).to.deep.equal([]);
    on.reader.close();
  });
});
