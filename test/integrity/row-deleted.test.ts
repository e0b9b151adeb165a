// Somebody deletes the row of a lease that one of two workers holds, while records flow.
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

/** Long enough for the holder to find out and to write, on a slow machine too. */
const failoverMs = 6_000;

describe('a lease row that is deleted under its holder', function () {
  this.timeout(150_000);
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

  it('is created again at its last checkpoint: nothing before that is read again, fences rise, nothing is lost', async () => {
    const [holder] = ['holder', 'other'].map((name) => fleet.start(name, { itemMs: 5, failoverMs }));
    await settled(fleet);
    const [leaseKey] = heldBy(await fleet.rows(), holder!) as [string];
    const row = async () => (await fleet.rows()).get(leaseKey);
    const taken = Number((await row())?.['leaseCounter']?.N);
    await fleet.until('some renewals, and a checkpoint', async () => {
      const now = await row();
      return Number(now?.['leaseCounter']?.N) >= taken + 2 && /^\d+$/.test(now?.['checkpoint']?.S ?? '');
    });
    const { Attributes: deleted } = await fleet.dynamodb.send(
      new DeleteItemCommand({
        TableName: fleet.application,
        Key: { leaseKey: { S: leaseKey } },
        ReturnValues: 'ALL_OLD',
      }),
    );
    const counter = Number(deleted?.['leaseCounter']?.N);
    const checkpoint = BigInt(deleted?.['checkpoint']?.S ?? '');
    const anew = () => fleet.deliveries().filter(({ shardId, fence }) => shardId === leaseKey && fence > counter);
    await fleet.until('delivered under a new fence', () => anew().length > 0);
    await settled(fleet);
    const before = anew().filter(({ sequenceNumber }) => BigInt(sequenceNumber) <= checkpoint);
    expect(before, 'before the last checkpoint').to.deep.equal([]);
    await stopWriting();
    await expectNothingLost('row-deleted', fleet);
    const told = fleet.workers.flatMap((worker) => worker.events('warning').map(({ data }) => data.message ?? ''));
    expect(
      told.filter((message) => message.includes('created again where its shard has been settled to')),
    ).to.have.length(1);
  });
});
