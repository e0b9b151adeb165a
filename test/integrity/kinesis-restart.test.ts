// The Kinesis server is killed while records flow, is down for longer than a lease lives, and restarts with all records that it has
// accepted.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { deliversFrom } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { startLocalServers } from '../../src/testing/local-servers.js';
import { startRestartableKinesis, type RestartableKinesis } from '../support/restartable-kinesis.js';

const failoverMs = 2_000;

describe('two workers whose Kinesis server restarts', function () {
  this.timeout(400_000);
  let restartable: RestartableKinesis;
  const scene = sceneOfSuite({
    shards: 4,
    load: { count: 24 },
    worker: { itemMs: 5, failoverMs },
    servers: async (opening) => {
      const [servers, own] = await Promise.all([startLocalServers(), startRestartableKinesis()]);
      opening.closes(() => Promise.all([own.stop(), servers.stop()]));
      restartable = own;
      return { kinesis: own.kinesis, dynamodb: servers.dynamodb };
    },
  });

  it('keep their leases while the server is down, restart nothing, and continue in the same tenures', async () => {
    const { fleet } = scene;
    const workers = await scene.startDelivering('a', 'b');
    // A writer in the background could not tell whether the server accepted its last batch.
    await scene.stopWriting();
    const before = fleet.deliveries().length;
    await fleet.put(240);
    await fleet.until('a part of them delivered', () => fleet.deliveries().length > before + 10);
    const held = await Promise.all(workers.map(async (worker) => heldBy(await fleet.rows(), worker)));
    const killedAt = Date.now();
    await restartable.kill();
    await delay(2 * failoverMs);
    const during = await Promise.all(workers.map(async (worker) => heldBy(await fleet.rows(), worker)));
    expect(during, 'leases need no Kinesis').to.deep.equal(held);
    await restartable.restart();
    const back = Date.now();
    scene.keepWriting(24);
    for (const worker of workers) await deliversFrom(fleet, worker, back);
    await scene.expectNothingLost('kinesis-restart');
    const said = (name: string): number =>
      workers.flatMap((worker) => worker.events(name)).filter(({ at }) => at >= killedAt && at < back).length;
    expect(said('pipelineRestarted'), 'pipelineRestarted').to.equal(0);
    expect(said('leaseLost'), 'leaseLost').to.equal(0);
    expect(said('retrying'), 'retrying').to.be.above(0);
    const fences = new Set(
      fleet
        .deliveries()
        .filter(({ at }) => at >= back)
        .map(({ shardId, fence }) => `${shardId}#${fence}`),
    );
    expect(fences.size, 'one tenure each').to.equal(4);
  });
});
