// An operator writes nonsense into a lease row that one of two workers holds, while records flow, and repairs it later.
import { UpdateItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

const failoverMs = 2_000;

describe('a lease row that is garbled under its holder', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });
  const set = async (
    leaseKey: string,
    name: string,
    value: AttributeValue,
  ): Promise<Record<string, AttributeValue>> => {
    const { application, dynamodb } = scene.fleet;
    const { Attributes = {} } = await dynamodb.send(
      new UpdateItemCommand({
        TableName: application,
        Key: { leaseKey: { S: leaseKey } },
        UpdateExpression: 'SET #name = :value',
        ExpressionAttributeNames: { '#name': name },
        ExpressionAttributeValues: { ':value': value },
        ReturnValues: 'ALL_OLD',
      }),
    );
    return Attributes;
  };

  it('is reported, and stops only its own shard at the deadline, until the row is repaired', async () => {
    const { fleet } = scene;
    const [holder] = await scene.startDelivering('holder', 'other');
    const [leaseKey] = heldBy(await fleet.rows(), holder) as [string];
    const garbledAt = Date.now();
    const old = await set(leaseKey, 'leaseCounter', { S: 'many' });
    await fleet.until('both say so', () =>
      fleet.workers.every((worker) =>
        worker.events('malformedLease').some(({ data }) => data.leaseKey === leaseKey && data.reason !== undefined),
      ),
    );
    await delay(2 * failoverMs);
    const mendedAt = Date.now();
    const during = fleet.deliveries().filter(({ at }) => at >= garbledAt + failoverMs && at < mendedAt);
    expect(new Set(during.map(({ shardId }) => shardId)).size, 'the other shards').to.equal(3);
    expect(during.filter(({ shardId }) => shardId === leaseKey)).to.deep.equal([]);
    await set(leaseKey, 'leaseCounter', { N: String(Number(old['leaseCounter']?.N) + 1_000) });
    await ownersDeliver(fleet);
    await scene.expectNothingLost('row-garbled');
    const restarts = fleet.workers.flatMap((worker) => worker.events('pipelineRestarted'));
    expect(restarts).to.deep.equal([]);
  });
});
