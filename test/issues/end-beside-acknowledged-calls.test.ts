// Symptom: the children of a shard were delivered, perhaps by another process, beside a call for an earlier record of the
// same key. Cause: a stop and a hand-over waited for a running call that had acknowledged its item, but the end of a shard did not.
// Rule: SHARD_END waits for all calls of the shard, and the watchdog bounds this wait.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';

describe('a shard that ends while a call that has acknowledged its item still runs', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('gets SHARD_END only after the call has ended', async () => {
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

  it('gets SHARD_END in spite of a call that never ends: WATCHDOG restarts the pipeline and reports the orphan', async () => {
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
