// Others interfere with a hand-over, on real processes: a second worker asks for the same lease, an operator splits the shard, or a Java
// worker takes the lease by force. The holder lives all the time.
import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { localClientConfig } from '../../src/testing/local-servers.js';
import { ownersDeliver } from '../support/fleet-laws.js';
import { forcedFrom, kindsOf, playHandOverCases, type HandOverCase } from '../support/hand-over-cases.js';
import { failoverMs, isHandOver, isTake, isWish, newOwner, type Scene } from '../support/hand-over-scene.js';
import type { WitnessedWrite } from '../support/lease-witness.js';
import { beforeParents, delivering, idOf, split } from '../support/resharding.js';

const java = 'java';

/** Takes a lease like a Java worker: on the condition of the counter alone, and without our attributes. Retries if a renewal wins. */
async function takeAsJava({ fleet, witness }: Scene, leaseKey: string): Promise<void> {
  const client = new DynamoDBClient(localClientConfig(witness.endpoint(java)));
  try {
    await fleet.until('the Java worker has it', async () => {
      const counter = Number((await fleet.rows()).get(leaseKey)?.['leaseCounter']?.N);
      const update = new UpdateItemCommand({
        TableName: fleet.application,
        Key: { leaseKey: { S: leaseKey } },
        UpdateExpression: 'SET #leaseOwner = :owner, #leaseCounter = :next',
        ConditionExpression: '#leaseCounter = :seen',
        ExpressionAttributeNames: { '#leaseOwner': 'leaseOwner', '#leaseCounter': 'leaseCounter' },
        ExpressionAttributeValues: {
          ':owner': { S: java },
          ':next': { N: String(counter + 1) },
          ':seen': { N: String(counter) },
        },
      });
      const taken = client.send(update).then(() => true);
      return await taken.catch(() => false);
    });
  } finally {
    client.destroy();
  }
}

const cases: readonly HandOverCase[] = [
  {
    title: 'moves each lease once, without a repeat, if the first of two askers is killed after its hand-over',
    name: 'two-askers',
    shards: 4,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const askers = await scene.askers('asker', 'second');
      const wishes = askers.map(({ name }) =>
        scene.meet(`${name} asks`, (write) => isWish(write) && write.worker === name),
      );
      const isGiven = (name: string, write: WitnessedWrite): boolean => name === newOwner(write);
      const handedOver = scene.meet('handed over', isHandOver, (write) =>
        askers.find(({ name }) => isGiven(name, write))!.kill('SIGKILL'),
      );
      await Promise.all(wishes);
      scene.hurry();
      const given = await handedOver;
      const living = askers.filter(({ name }) => !isGiven(name, given));
      await ownersDeliver(fleet, [holder, ...living]);
      const { changes, replayed } = await scene.end();
      expect(given.worker).to.equal(holder.name);
      expect(living).to.have.length(1);
      expect(kindsOf(changes, given.leaseKey).slice(0, 3)).to.deep.equal(['take', 'handOver', 'take']);
      for (const each of [holder, ...living]) expect(forcedFrom(changes, each)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  },
  {
    title: 'ends a shard that is split during the drain, and then delivers its children, without a repeat',
    name: 'split-while-drained',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey = '' } = await scene.meetDraining();
      await split(fleet, leaseKey);
      scene.hurry();
      for (const child of [2, 3]) await delivering(fleet, idOf(child));
      await ownersDeliver(fleet, [holder, asker]);
      const { changes, replayed } = await scene.end();
      expect((await fleet.rows()).get(leaseKey)?.['checkpoint']?.S).to.equal('SHARD_END');
      expect(beforeParents(fleet, { [idOf(2)]: [leaseKey], [idOf(3)]: [leaseKey] })).to.deep.equal([]);
      for (const each of [holder, asker]) expect(forcedFrom(changes, each)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  },
  {
    title: 'makes no hand-over if a Java worker takes the lease by force during the drain',
    name: 'java-while-drained',
    stranger: java,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey = '' } = await scene.meetDraining();
      await takeAsJava(scene, leaseKey);
      const taken = Date.now();
      const isLost = (): boolean => holder.events('leaseLost').some(({ data }) => data.leaseKey === leaseKey);
      await fleet.until('the holder knows', isLost);
      scene.hurry();
      await scene.meet('taken from it', (write) => isTake(write) && write.leaseKey === leaseKey);
      expect(Date.now() - taken, 'it is silent, and expires').to.be.above(failoverMs);
      await ownersDeliver(fleet, [holder, asker]);
      const { changes } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 3)).to.deep.equal(['take', 'take', 'take']);
      expect(changes.filter((change) => change.leaseKey === leaseKey)[1]).to.include({ from: holder.name, to: java });
      for (const each of [holder, asker])
        expect(forcedFrom(changes, each).filter(({ to }) => to !== java)).to.deep.equal([]);
    },
  },
];

playHandOverCases('a hand-over that others interfere with', cases);
