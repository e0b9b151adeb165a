// Every answer of DynamoDB to one of two workers is late: first by less than the time between two renewals, then by more
// than a request may take.
import { expect } from 'chai';
import { faultyProxy } from '../support/faulty-proxy.js';
import type { FaultyProxy } from '../support/faulty-proxy.js';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet, WorkerProcess } from '../support/fleet.js';
import { deliveredBetween, deliversFrom, handOvers, say, settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

/** Renewals every second; a request that takes longer than a second is given up. */
const failoverMs = 3_000;

describe('a worker to whom DynamoDB is slow', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let proxy: FaultyProxy;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 4 });
    proxy = await faultyProxy(fleet.endpoints.dynamodb);
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await proxy?.close();
  });
  it('keeps its leases while the answers come before the next renewal, and nothing is delivered twice', async () => {
    const slow = fleet.start('slow', { itemMs: 5, failoverMs }, { ...fleet.endpoints, dynamodb: proxy.endpoint });
    fleet.start('heir', { itemMs: 5, failoverMs });
    await settled(fleet);
    const held = heldBy(await fleet.rows(), slow);
    const counters = async (): Promise<readonly number[]> => {
      const rows = await fleet.rows();
      return held.map((shardId) => Number(rows.get(shardId)?.['leaseCounter']?.N));
    };
    const before = await counters();
    const from = proxy.set({ type: 'slow', ms: 600 });
    await fleet.until('four renewals of each lease', async () =>
      (await counters()).every((counter, index) => counter >= (before[index] as number) + 4),
    );
    expect(heldBy(await fleet.rows(), slow)).to.deep.equal(held);
    const losses = slow.events('leaseLost').filter(({ data }) => held.includes(data.shardId as string));
    expect(losses).to.deep.equal([]);
    const delivered = deliveredBetween(fleet, slow, from, Infinity).filter(({ shardId }) => held.includes(shardId));
    const tenures = new Set(delivered.map(({ shardId, fence }) => `${shardId}#${fence}`));
    expect(tenures.size, 'one tenure each').to.equal(held.length);
  });

  it('loses them when no answer comes in time, falls silent, and nothing is lost; later they are shared again', async () => {
    const slow = fleet.workers[0] as WorkerProcess;
    const held = heldBy(await fleet.rows(), slow);
    expect(held).to.not.be.empty;
    const from = proxy.set({ type: 'slow', ms: 1_500 });
    // What was under way is still heard: it began before, and reaches failoverMs from there.
    say('delivering elsewhere', await handOvers(fleet, slow, held, () => from, 2 * failoverMs + 20_000));
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, slow, from + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await settled(fleet);
    await deliversFrom(fleet, slow, healed);
    await stopWriting();
    await expectNothingLost('dynamodb-slow', fleet);
  });
});
