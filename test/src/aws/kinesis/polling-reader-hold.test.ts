// A polling reader that is held makes no requests, and goes on where it was.
import { expect } from 'chai';
import { createByteBudget, openAccount, setShardWorkerBytes } from '../../../../src/core/byte-budget.js';
import { harness } from '../../../support/polling-harness.js';

describe('a polling reader that is held', () => {
  it('makes no request, whether its shard is idle or not, and reads on afterwards, even after its iterator has expired', async () => {
    const on = harness();
    on.consume();
    on.put('a', 'b');
    await on.clock.advance(3_000);
    expect(on.keys).to.deep.equal(['a', 'b']);

    on.reader.hold?.(true);
    await on.clock.advance(2_000);
    const requests = on.client.of('GetRecords').length;
    on.put('c');
    await on.clock.advance(600_000);
    expect(on.client.of('GetRecords')).to.have.length(requests);

    on.reader.hold?.(false);
    on.put('d');
    await on.clock.advance(5_000);
    expect(on.keys.slice(-2)).to.deep.equal(['c', 'd']);
    on.reader.close();
  });

  for (const retrieval of ['polling', 'fan-out'] as const)
    it(`asks for nothing if it waited for bytes when the hold began (${retrieval})`, async () => {
      const bytes = openAccount(createByteBudget(1_000_000), () => {});
      setShardWorkerBytes(bytes, 1_000_000, false);
      const on = harness({ type: 'trimHorizon' }, { retrieval, lease: { stream: undefined, bytes } });
      on.put('a');
      on.consume();
      await on.clock.advance(3_000);
      on.reader.hold?.(true);
      setShardWorkerBytes(bytes, 0, false);
      await on.clock.advance(20_000);
      expect(on.client.of('GetRecords')).to.have.length(0);
      expect(on.client.of('SubscribeToShard')).to.have.length(0);
      on.reader.hold?.(false);
      await on.clock.advance(5_000);
      expect(on.keys).to.deep.equal(['a']);
      on.reader.close();
    });

  it('says of an answer when it came, even of an empty one: it is no news of the tip when it is read much later', async () => {
    const on = harness();
    const read = async (): Promise<unknown> => {
      const reading = on.reader.read(new AbortController().signal);
      await on.clock.advance(1);
      const result = await reading;
      return result.type === 'records' && result.records.length === 0 ? result.fetchedAt : 'another answer';
    };
    await read();
    await on.clock.advance(5_000);
    on.reader.hold?.(true);
    const heldAt = on.clock.wallNow();
    await on.clock.advance(60_000);
    expect(await read()).to.be.within(heldAt - 2_000, heldAt);
    on.reader.close();
  });

  it('keeps what it had fetched, and may be closed', async () => {
    const on = harness();
    on.put('a');
    on.consume();
    await on.clock.advance(100);
    on.reader.hold?.(true);
    on.put('b');
    await on.clock.advance(10_000);
    on.reader.close();
    await on.clock.advance(10_000);
    expect(on.keys[0]).to.equal('a');
    expect(on.timers.pending).to.equal(0);
  });
});
