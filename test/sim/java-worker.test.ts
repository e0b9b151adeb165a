// The simulated Java worker does what a KCL 2.x worker does: it takes and steals by force, and leaves kinact's attributes unchanged.
import { expect } from 'chai';
import { writeLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { actors } from '../../src/consumer/wiring.js';
import { leaseRow } from '../support/memory-lease-store.js';
import { createDice } from './dice.js';
import { startJavaWorker } from './java-worker.js';
import { putRecords } from './workload.js';
import { createWorld, type World } from './world.js';

const shardOf = (index: number): string => `shardId-00000000000${index}`;

/** A world with one stream of four shards and these rows, but without processes. */
async function worldOf(rows: readonly Partial<LeaseRow>[]): Promise<World> {
  let seed = 1;
  const make = (): World => createWorld(seed, 4, () => actors, false);
  const fits = ({ java, layout, initialPosition }: World): boolean =>
    java === undefined && layout.kind === 'one' && initialPosition === 'TRIM_HORIZON';
  while (!fits(make())) seed += 1;
  const world = make();
  const { clock, dynamoDb } = world;
  const TableName = 'leases';
  const KeySchema = [{ AttributeName: 'leaseKey', KeyType: 'HASH' }];
  dynamoDb.handle('CreateTable', { TableName, KeySchema }, () => 0);
  await clock.advance(1_000);
  for (const [index, row] of rows.entries()) {
    const Item = writeLeaseRow({ ...leaseRow({ leaseKey: shardOf(index) }), checkpoint: 'TRIM_HORIZON', ...row });
    dynamoDb.handle('PutItem', { TableName, Item }, () => 0);
  }
  world.leases.rows();
  return world;
}

/** The time until the worker has scanned the table this many times. */
const passMs = ({ failoverMs }: World, times: number): number => failoverMs + 2_000 + (times - 1) * 3 * failoverMs;

describe('the Java worker of the simulation', () => {
  const kinact = {
    leaseOwner: 'p0',
    kinactWriter: 'digest.nonce/1',
    kinactFailover: '10000 digest.nonce/1',
    kinactWish: 'other/1 10000 1 digest.nonce/1 p1',
    kinactAnswer: 'yielding other/1 100000',
  };

  it('steals one lease at a time by force, and keeps every attribute of kinact', async () => {
    const world = await worldOf([kinact, kinact, kinact, kinact]);
    startJavaWorker(world, 'java-9', createDice(1));
    await world.clock.advance(passMs(world, 1) / 2);
    const rows = [...world.leases.rows().values()];
    const stolen = rows.filter(({ leaseOwner }) => leaseOwner === 'java-9');
    expect(stolen).to.have.length(1);
    const { leaseKey: _key, leaseCounter, ...rest } = stolen[0] as LeaseRow;
    expect(leaseCounter).to.be.greaterThan(0);
    expect(rest).to.include({ ...kinact, leaseOwner: 'java-9', ownerSwitchesSinceCheckpoint: 1 });
  });

  it('takes all free leases, processes all records, and breaks no law', async () => {
    const world = await worldOf([{}, {}, {}, {}]);
    putRecords(world, 200);
    const java = startJavaWorker(world, 'java-9', createDice(1));
    await world.clock.advance(passMs(world, 2));
    const rows = [...world.leases.rows().values()];
    expect(rows.map(({ leaseOwner }) => leaseOwner)).to.deep.equal(Array.from({ length: 4 }, () => 'java-9'));
    expect(world.oracle.missing()).to.deep.equal([]);
    java.stop();
    await world.clock.advance(1_000);
    world.oracle.atRest();
    expect(world.oracle.violations).to.deep.equal([]);
    expect(java.isGone()).to.equal(true);
    expect(world.clock.pending()).to.equal(0);
  });

  it('ends a split shard, with a row for each child', async () => {
    const world = await worldOf([{}, {}, {}, {}]);
    const java = startJavaWorker(world, 'java-9', createDice(1));
    await world.clock.advance(passMs(world, 1));
    putRecords(world, 50);
    world.kinesis.split('sim', shardOf(0));
    await world.clock.advance(10_000);
    const parent = world.leases.row(`sim/${shardOf(0)}`);
    expect(parent).to.include({ checkpoint: 'SHARD_END', leaseOwner: 'java-9' });
    expect(parent?.childShardIds).to.deep.equal([shardOf(4), shardOf(5)]);
    expect(world.leases.row(`sim/${shardOf(4)}`)).to.include({ checkpoint: 'TRIM_HORIZON' });
    expect(world.oracle.violations).to.deep.equal([]);
    java.kill();
  });

  it('stops reading a shard after another worker has taken the lease', async () => {
    const world = await worldOf([{}, {}, {}, {}]);
    const java = startJavaWorker(world, 'java-9', createDice(1));
    await world.clock.advance(passMs(world, 1));
    const { leaseCounter } = world.leases.row(`sim/${shardOf(0)}`) as LeaseRow;
    const robbed = writeLeaseRow({
      ...leaseRow({ leaseKey: shardOf(0), leaseOwner: 'p0', leaseCounter: leaseCounter + 1 }),
      checkpoint: 'TRIM_HORIZON',
    });
    world.dynamoDb.handle('PutItem', { TableName: 'leases', Item: robbed }, () => 0);
    await world.clock.advance(world.failoverMs / 3);
    putRecords(world, 100);
    await world.clock.advance(5_000);
    const left = new Set(world.oracle.missing().map((id) => world.oracle.shardOf(id)));
    expect([...left]).to.deep.equal([`sim/${shardOf(0)}`]);
    java.kill();
  });
});
