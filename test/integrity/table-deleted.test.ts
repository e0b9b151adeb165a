// An operator deletes the whole lease table under two workers, while records flow.
import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

/** Long enough to create table and rows again on a slow machine. After this time no holder is left that knows a checkpoint. */
const failoverMs = 8_000;

describe('a lease table that is deleted', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('is created again: each shard continues after its last checkpoint, under a new fence, without loss', async () => {
    const { fleet } = scene;
    await scene.startDelivering('a', 'b');
    const numbered = async (): Promise<boolean> =>
      [...(await fleet.rows()).values()].every((row) => /^\d+$/.test(row['checkpoint']?.S ?? ''));
    await fleet.until('a checkpoint of each shard', numbered);
    const before = await fleet.rows();
    await fleet.dynamodb.send(new DeleteTableCommand({ TableName: fleet.application }));
    const deletedAt = Date.now();
    await fleet.until('the table is there again', async () => (await fleet.rows().catch(() => undefined))?.size === 4);
    process.stdout.write(`        the table was there again after ${Date.now() - deletedAt} ms\n`);
    await ownersDeliver(fleet);
    const newer = (leaseKey: string): boolean =>
      fleet
        .deliveries()
        .some((each) => each.shardId === leaseKey && each.fence > Number(before.get(leaseKey)?.['leaseCounter']?.N));
    await fleet.until('each shard delivers under a new fence', () => [...before.keys()].every((key) => newer(key)));
    await scene.stopWriting();
    for (const [leaseKey, row] of before) {
      const counter = Number(row['leaseCounter']?.N);
      const checkpoint = BigInt(row['checkpoint']?.S ?? '');
      const later = fleet.deliveries().filter(({ shardId, at }) => shardId === leaseKey && at > deletedAt + failoverMs);
      expect(
        later.filter(({ fence }) => fence <= counter),
        'under an old fence',
      ).to.deep.equal([]);
      const again = fleet.deliveries().filter(({ shardId, fence }) => shardId === leaseKey && fence > counter);
      const before = again.filter(({ sequenceNumber }) => BigInt(sequenceNumber) <= checkpoint);
      expect(before, 'before the last checkpoint').to.deep.equal([]);
    }
    await scene.expectNothingLost('table-deleted');
  });
});
