// An operator deletes the row of a lease that one of two workers holds, while records flow.
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

/** Long enough for the holder to find out and to write, on a slow machine too. */
const failoverMs = 6_000;

describe('a lease row that is deleted under its holder', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('is created again, and reading continues after its last checkpoint, under a new fence, without loss', async () => {
    const { fleet } = scene;
    const [holder] = await scene.startDelivering('holder', 'other');
    const [leaseKey] = heldBy(await fleet.rows(), holder) as [string];
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
    const again = () => fleet.deliveries().filter(({ shardId, fence }) => shardId === leaseKey && fence > counter);
    await fleet.until('delivered under a new fence', () => again().length > 0);
    await ownersDeliver(fleet);
    const before = again().filter(({ sequenceNumber }) => BigInt(sequenceNumber) <= checkpoint);
    expect(before, 'before the last checkpoint').to.deep.equal([]);
    await scene.expectNothingLost('row-deleted');
    const told = fleet.workers.flatMap((worker) => worker.events('warning').map(({ data }) => data.message ?? ''));
    expect(told.filter((message) => message.includes('created again at the last settled record'))).to.have.length(1);
  });
});
