// Workers join, leave and are killed under load: real processes, real servers and default options.
import { expect } from 'chai';
import { heldBy, startFleet, type Fleet } from '../support/fleet.js';
import { allSeen, untilOthersDeliver, outOfOrder, replays, printTimes } from '../support/fleet-laws.js';
import { readStrictly } from '../support/strict-lease-reader.js';

const failoverMs = 10_000;
/** Every record takes some time, so some are open whenever a process leaves or dies. */
const itemMs = 5;

describe('a fleet of processes with default settings', function () {
  this.timeout(400_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 6 });
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });

  it('starts with three processes at once on a missing table, and shares the leases evenly', async () => {
    const three = ['a', 'b', 'c'].map((name) => fleet.start(name, { itemMs }));
    for (const worker of three) {
      await fleet.until(`${worker.name} started`, () => worker.reports.some(({ type }) => type === 'started'));
    }
    const ms = await fleet.balanced(three);
    process.stdout.write(`        balanced after three joined: ${ms} ms\n`);
  });

  it('shares the leases evenly again within 30 s after a process joins', async () => {
    fleet.start('d', { itemMs });
    const ms = await fleet.balanced(fleet.workers);
    process.stdout.write(`        balanced after a join: ${ms} ms\n`);
  });

  it('delivers elsewhere within 3 s after a release on SIGTERM, and balances within 30 s', async () => {
    const leaving = fleet.workers[0]!;
    const held = heldBy(await fleet.rows(), leaving);
    expect(held).to.not.be.empty;
    const signalled = leaving.kill('SIGTERM');
    const given = untilOthersDeliver(
      fleet,
      leaving,
      held,
      (shardId) => releasedAt(leaving, shardId) ?? Infinity,
      10_000,
    );
    const balanced = fleet.balanced(fleet.workers.slice(1));
    const handOver = await given;
    printTimes('delivering elsewhere after the release', handOver);
    printTimes('… after SIGTERM', await untilOthersDeliver(fleet, leaving, held, () => signalled, 1_000));
    for (const { ms } of handOver) expect(ms).to.be.below(3_000);
    expect(await leaving.exited).to.equal(0);
    process.stdout.write(`        balanced after a leave: ${await balanced} ms\n`);
  });

  it('delivers elsewhere within failoverMs + 3 s after SIGKILL to a process, and balances within 30 s', async () => {
    const dying = fleet.workers[1]!;
    const held = heldBy(await fleet.rows(), dying);
    expect(held).to.not.be.empty;
    const killed = dying.kill('SIGKILL');
    const given = untilOthersDeliver(fleet, dying, held, () => killed, failoverMs + 10_000);
    const balanced = fleet.balanced(fleet.workers.slice(2));
    const handOver = await given;
    printTimes('delivering elsewhere after SIGKILL', handOver);
    for (const { ms } of handOver) expect(ms).to.be.below(failoverMs + 3_000);
    process.stdout.write(`        balanced after a kill: ${await balanced} ms\n`);
  });

  it('loses nothing, keeps every key in order, and leaves a table that the KCL can read', async () => {
    await stopWriting();
    await allSeen(fleet);
    const left = fleet.workers.filter(({ alive }) => alive);
    for (const worker of left) worker.kill('SIGTERM');
    for (const worker of left) expect(await worker.exited, worker.name).to.equal(0);
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
    expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
    process.stdout.write(`        ${fleet.written.length} written, 0 lost, ${replays(fleet)} replays\n`);
  });
});

function releasedAt(worker: Fleet['workers'][number], shardId: string): number | undefined {
  return worker.events('leaseReleased').find(({ data }) => data.shardId === shardId)?.at;
}
