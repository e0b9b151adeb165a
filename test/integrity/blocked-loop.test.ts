// User code that blocks the event loop for longer than the failover time: no timer of kinact runs, no renewal is sent, and
// others take over before the process can notice.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet, WorkerProcess } from '../support/fleet.js';
import { handOvers, say } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';
import { witnessLeases } from '../support/lease-witness.js';
import type { LeaseWitness } from '../support/lease-witness.js';
import { brokenChains, deliveredTooLate, deliveredUnderOldFence, finishedAfter } from '../support/zombie-laws.js';

const failoverMs = 2_000;

describe('a worker whose event loop is blocked past the failover time', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let witness: LeaseWitness;
  let directory: string;
  let stopWriting: () => Promise<void>;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'kinact-blocked-'));
    fleet = await startFleet({ shards: 4 });
    witness = await witnessLeases(fleet.endpoints.dynamodb);
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await witness?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const start = (name: string, blockUntil?: string): WorkerProcess =>
    fleet.start(name, { itemMs: 5, failoverMs, blockUntil }, { ...fleet.endpoints, dynamodb: witness.endpoint(name) });

  it('delivers nothing more of what it lost, has no checkpoint accepted, and nothing is lost', async () => {
    const goOn = join(directory, 'go-on');
    const [blocked, heir] = [start('blocked', goOn), start('heir')];
    await fleet.balanced([blocked, heir]);
    const held = heldBy(await fleet.rows(), blocked);
    expect(held).to.not.be.empty;
    const delivers = (shardId: string): boolean =>
      fleet.deliveries().some((each) => each.worker === blocked.name && each.shardId === shardId);
    await fleet.until('it delivers', () => held.every(delivers));

    const since = blocked.kill('SIGUSR2');
    say('delivering elsewhere after the block began', await handOvers(fleet, blocked, held, () => since, 25_000));
    const before = blocked.events('leaseLost').length;
    const released = Date.now();
    writeFileSync(goOn, '');
    await fleet.until('it knows', () => blocked.events('leaseLost').length >= before + held.length);
    await fleet.balanced([blocked, heir]);
    await stopWriting();
    await expectNothingLost('blocked-loop', fleet);

    const deliveries = fleet.deliveries();
    expect(deliveredTooLate(deliveries, witness.writes, failoverMs)).to.deep.equal([]);
    expect(deliveredUnderOldFence(deliveries, blocked.name, released)).to.deep.equal([]);
    expect(brokenChains(witness.writes)).to.deep.equal([]);
    const refused = witness.writes.filter((each) => each.worker === blocked.name && !each.accepted && each.at >= since);
    const finished = finishedAfter(deliveries, blocked.name, released);
    // The call that blocked, and what the other reducer was in the middle of.
    expect(finished.length).to.be.within(1, 2);
    process.stdout.write(`        ${refused.length} writes refused, ${finished.length} calls ended after the loss\n`);
  });
});
