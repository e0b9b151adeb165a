// One of two workers is killed by SIGKILL while records flow.
import { expect } from 'chai';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { handOvers, say } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';
import type { TableSnapshot } from '../support/strict-lease-reader.js';

const failoverMs = 2_000;

describe('a worker killed by SIGKILL under load', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 4 });
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });

  it('loses nothing: its heir begins right behind the last checkpoint, and nowhere else', async () => {
    const dying = fleet.start('dying', { itemMs: 5, failoverMs });
    const heir = fleet.start('heir', { itemMs: 5, failoverMs });
    await fleet.balanced([dying, heir]);
    const held = heldBy(await fleet.rows(), dying);
    const numbered = (rows: TableSnapshot): boolean =>
      held.every((key) => /^\d+$/.test(rows.get(key)?.['checkpoint']?.S ?? ''));
    await fleet.until('a checkpoint of each shard', async () => numbered(await fleet.rows()));
    const killed = dying.kill('SIGKILL');
    expect(await dying.exited).to.equal('SIGKILL');
    const left = await fleet.rows();
    expect(heldBy(left, dying)).to.deep.equal(held);
    say('delivering elsewhere after SIGKILL', await handOvers(fleet, dying, held, () => killed, failoverMs + 20_000));
    await stopWriting();
    await expectNothingLost('sigkill', fleet);
    for (const shardId of held) {
      const checkpoint = BigInt(left.get(shardId)?.['checkpoint']?.S as string);
      const counter = Number(left.get(shardId)?.['leaseCounter']?.N);
      const all = fleet.deliveries().filter((each) => each.shardId === shardId);
      const behind = all.map(({ sequenceNumber }) => BigInt(sequenceNumber)).filter((number) => number > checkpoint);
      const begun = all.find(({ fence }) => fence > counter);
      expect(begun?.sequenceNumber, shardId).to.equal(String(behind.reduce((a, b) => (a < b ? a : b))));
    }
  });
});
