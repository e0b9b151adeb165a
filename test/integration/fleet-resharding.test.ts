// A stream is resharded while real processes read it and one of them is killed.
import { expect } from 'chai';
import { heldBy, startFleet, type Fleet } from '../support/fleet.js';
import { allSeen, outOfOrder, replays } from '../support/fleet-laws.js';
import { delivering, idOf, merge, split } from '../support/resharding.js';
import { readStrictly } from '../support/strict-lease-reader.js';

const quarter = 2n ** 126n;

describe('a fleet of processes while the stream is resharded', function () {
  this.timeout(400_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 2 });
    stopWriting = fleet.keepWriting(24, 150);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });
  it('follows two splits and a merge while one process is killed, and loses nothing', async () => {
    const workers = ['a', 'b', 'c'].map((name) => fleet.start(name));
    await Promise.all([delivering(fleet, idOf(0)), delivering(fleet, idOf(1))]);
    // 0 → 2, 3 and 1 → 4, 5; then 3 + 4 → 6 across the two families.
    await split(fleet, idOf(0), quarter);
    await split(fleet, idOf(1), 3n * quarter);
    for (const index of [2, 3, 4, 5]) await delivering(fleet, idOf(index));
    await fleet.balanced(workers);
    const rows = await fleet.rows();
    const dying = workers.find((worker) => heldBy(rows, worker).includes(idOf(3)))!;
    await merge(fleet, idOf(3), idOf(4));
    dying.kill('SIGKILL');
    await delivering(fleet, idOf(6));
    await fleet.balanced(workers.filter((worker) => worker !== dying));
    await stopWriting();
    await allSeen(fleet);
    const left = workers.filter(({ alive }) => alive);
    for (const worker of left) worker.kill('SIGTERM');
    for (const worker of left) expect(await worker.exited, worker.name).to.equal(0);
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
    expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
    process.stdout.write(`        ${fleet.written.length} written, 0 lost, ${replays(fleet)} replays\n`);
  });
});
