// SIGSTOP for longer than the failover time, a takeover, then SIGCONT: a process that believes it still holds its leases.
import { expect } from 'chai';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { handOvers, say } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';
import { witnessLeases } from '../support/lease-witness.js';
import type { LeaseWitness } from '../support/lease-witness.js';
import { brokenChains, deliveredTooLate, deliveredUnderOldFence, finishedAfter } from '../support/zombie-laws.js';

const failoverMs = 2_000;

describe('a worker stopped by SIGSTOP past the failover time, and continued', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let witness: LeaseWitness;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 4 });
    witness = await witnessLeases(fleet.endpoints.dynamodb);
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await witness?.stop();
  });

  it('delivers nothing of what it lost, has no checkpoint accepted, and nothing is lost', async () => {
    const [zombie, heir] = ['zombie', 'heir'].map((name) =>
      fleet.start(name, { itemMs: 5, failoverMs }, { ...fleet.endpoints, dynamodb: witness.endpoint(name) }),
    ) as [Fleet['workers'][number], Fleet['workers'][number]];
    await fleet.balanced([zombie, heir]);
    const held = heldBy(await fleet.rows(), zombie);
    expect(held).to.not.be.empty;
    const delivers = (shardId: string): boolean =>
      fleet.deliveries().some((each) => each.worker === zombie.name && each.shardId === shardId);
    await fleet.until('the zombie-to-be delivers', () => held.every(delivers));

    const stopped = zombie.kill('SIGSTOP');
    say('delivering elsewhere after SIGSTOP', await handOvers(fleet, zombie, held, () => stopped, failoverMs + 20_000));
    const before = zombie.events('leaseLost').length;
    const continued = zombie.kill('SIGCONT');
    await fleet.until('it knows', () => zombie.events('leaseLost').length >= before + held.length);
    // It takes its part again, like any worker that joins.
    await fleet.balanced([zombie, heir]);
    await stopWriting();
    await expectNothingLost('zombie', fleet);

    const deliveries = fleet.deliveries();
    expect(deliveredTooLate(deliveries, witness.writes, failoverMs)).to.deep.equal([]);
    expect(deliveredUnderOldFence(deliveries, zombie.name, continued)).to.deep.equal([]);
    expect(brokenChains(witness.writes)).to.deep.equal([]);
    const refused = witness.writes.filter(
      (each) => each.worker === zombie.name && !each.accepted && each.at >= stopped,
    );
    const finished = finishedAfter(deliveries, zombie.name, continued);
    // At most what its two reducers were in the middle of.
    expect(finished.length).to.be.at.most(2);
    process.stdout.write(`        ${refused.length} writes refused, ${finished.length} calls ended after the loss\n`);
  });
});
