// Issue 8: the end of a shard did not wait for a call that had acknowledged its item and still ran, as a stop and a hand-over do.
// So its children were delivered, perhaps by another process, beside a call for an earlier record of the same key.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';

describe('a shard that ends while a call for it runs, though the call has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('is written as ended when the call has, and not before', async () => {
    const calls = acknowledgedCalls(clock, 25_000);
    const a = calls.join('a');
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await calls.begin(a);
    for (const shardId of ['shardId-000000000000', 'shardId-000000000001']) a.stream.split(shardId);
    expect(await calls.endedBeside(a, 20_000)).to.deep.equal([]);
    await clock.advance(60_000);
    const rows = a.stream.leases.get('orders')!.rows;
    expect([...rows.values()].filter(({ checkpoint }) => checkpoint === 'SHARD_END')).to.have.length(2);
    await inVirtualTime(clock, a.consumer.stop());
  });

  it('is ended in spite of a call that never ends, and the watchdog says which one', async () => {
    const calls = acknowledgedCalls(clock, 10_000_000);
    const a = calls.join('a');
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await calls.begin(a);
    for (const shardId of ['shardId-000000000000', 'shardId-000000000001']) a.stream.split(shardId);
    await clock.advance(500_000);
    expect(a.heard('pipelineRestarted')).to.deep.equal([]);
    await clock.advance(400_000);
    const rows = a.stream.leases.get('orders')!.rows;
    expect([...rows.values()].filter(({ checkpoint }) => checkpoint === 'SHARD_END')).to.have.length(2);
    const error = a.heard('pipelineRestarted')[0]?.error;
    expect(error).to.include({ code: 'WATCHDOG' });
    expect(error?.message).to.match(/acknowledged/);
    expect(a.heard('orphaned').length).to.be.at.least(1);
    await inVirtualTime(clock, a.consumer.stop());
  });
});
