// SIGKILL of one of two workers while records flow, and of a worker with a record inside its reducer.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { allSeen, untilOthersDeliver, printTimes } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import type { TableSnapshot } from '../support/strict-lease-reader.js';
import type { Delivery } from '../support/worker-process.js';

const failoverMs = 2_000;
/** The lowest sequence number. With two reducers, the first delivery in time may not be the first record of the shard. */
const lowest = (deliveries: readonly Delivery[]): bigint =>
  deliveries.map(({ sequenceNumber }) => BigInt(sequenceNumber)).reduce((a, b) => (a < b ? a : b));

describe('a worker killed by SIGKILL under load', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('loses nothing: its heir begins with the first record after the last checkpoint', async () => {
    const { fleet } = scene;
    const [dying, heir] = [scene.start('dying'), scene.start('heir')];
    await fleet.balanced([dying, heir]);
    const held = heldBy(await fleet.rows(), dying);
    const numbered = (rows: TableSnapshot): boolean =>
      held.every((key) => /^\d+$/.test(rows.get(key)?.['checkpoint']?.S ?? ''));
    await fleet.until('a checkpoint of each shard', async () => numbered(await fleet.rows()));
    const killed = dying.kill('SIGKILL');
    expect(await dying.exited).to.equal('SIGKILL');
    const left = await fleet.rows();
    expect(heldBy(left, dying)).to.deep.equal(held);
    printTimes(
      'delivering elsewhere after SIGKILL',
      await untilOthersDeliver(fleet, dying, held, () => killed, failoverMs + 20_000),
    );
    await scene.expectNothingLost('sigkill');
    for (const shardId of held) {
      const checkpoint = BigInt(left.get(shardId)?.['checkpoint']?.S as string);
      const counter = Number(left.get(shardId)?.['leaseCounter']?.N);
      const all = fleet.deliveries().filter((each) => each.shardId === shardId);
      const again = all.filter(({ fence }) => fence > counter);
      const behind = all.filter(({ sequenceNumber }) => BigInt(sequenceNumber) > checkpoint);
      expect(lowest(again), shardId).to.equal(lowest(behind));
    }
  });
});

const shardId = 'shardId-000000000000';

describe('a process killed with a record inside its reducer', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({
    shards: 1,
    application: 'killed-app',
    streamName: 'killed',
    keys: 1,
    worker: { failoverMs: 3_000 },
  });

  it('has no checkpoint past that record, and its heir begins with that record', async () => {
    const { fleet } = scene;
    const counter = async (): Promise<number> => Number((await fleet.rows()).get(shardId)?.['leaseCounter']?.N ?? 0);
    const dying = scene.start('dying', { holdId: 'k0/5', reducers: 2 });
    await fleet.put(10);
    await fleet.until('all before it', () => fleet.deliveries().length >= 5);
    // After two renewals, everything up to the held record is checkpointed.
    const before = await counter();
    await fleet.until('two renewals', async () => (await counter()) >= before + 2);
    dying.kill('SIGKILL');
    await dying.exited;
    const row = (await fleet.rows()).get(shardId);
    const last = fleet.deliveries().at(-1);
    expect(last?.id).to.equal('k0/4');
    expect(row?.['checkpoint']?.S).to.equal(last?.sequenceNumber);
    scene.start('heir');
    await allSeen(fleet);
    const again = fleet.deliveries().filter(({ worker }) => worker === 'heir');
    expect(
      again.map(({ id }) => id),
      'from the frontier on, and nothing before it',
    ).to.deep.equal(['k0/5', 'k0/6', 'k0/7', 'k0/8', 'k0/9']);
    await scene.expectNothingLost('sigkill inside a reducer');
  });
});
