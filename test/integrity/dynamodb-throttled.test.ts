// DynamoDB refuses calls as if the table were over its capacity: first half of the calls, then every write.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { deliveredBetween, deliversFrom, renewalsFrom, ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';

const failoverMs = 2_000;
const codes = ['ProvisionedThroughputExceededException', 'ThrottlingException'] as const;

describe('two workers whose lease table is throttled', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });
  let scripted: ScriptedServer;
  before(async () => {
    scripted = await scriptedServer({ proxy: { upstream: scene.fleet.endpoints.dynamodb } });
    scene.closes(() => scripted.stop());
  });
  /** Refuses every `nth` call of each operation, with the two codes in turn. */
  const throttle = (operations: readonly string[], nth: number): (() => void) => {
    const scripts = operations.flatMap((operation) => {
      let calls = 0;
      // The first script counts every call. The second only sees calls that the first has counted and not refused.
      const first = (): boolean => (calls += 1) % (2 * nth) === 0;
      const second = (): boolean => calls % (2 * nth) === nth;
      return [first, second].map((when, index) =>
        scripted.respond(operation, Infinity, { type: 'error', code: codes[index] as string }, when),
      );
    });
    return () => {
      for (const script of scripts) script.cancel();
    };
  };
  const refused = (operation: string, since: number): number =>
    scripted.log.filter((call) => call.operation === operation && call.answeredBy === 'error' && call.at >= since)
      .length;
  const losses = (): number => scene.fleet.workers.flatMap((worker) => worker.events('leaseLost')).length;

  it('keep their leases if half of the calls are refused, and say why they repeat the calls', async () => {
    const { fleet } = scene;
    const workers = ['a', 'b'].map((name) => scene.start(name, {}, scripted.url));
    await ownersDeliver(fleet);
    const [before, since] = [losses(), performance.now()];
    const heal = throttle(['UpdateItem', 'Scan', 'GetItem'], 2);
    const renewed = await renewalsFrom(fleet);
    await renewed(8);
    heal();
    expect(refused('UpdateItem', since)).to.be.above(8);
    expect(refused('Scan', since)).to.be.above(2);
    expect(losses() - before, 'leases lost').to.equal(0);
    const said = workers.flatMap((each) => each.events('retrying')).map(({ data }) => data.error?.message ?? '');
    expect(said).to.have.length.above(8);
    for (const code of codes)
      expect(
        said.some((message) => message.includes(code)),
        code,
      ).to.equal(true);
  });

  it('deliver nothing after their leases expire if every write is refused, and later continue without loss', async () => {
    const { fleet } = scene;
    const heal = throttle(['UpdateItem', 'PutItem', 'DeleteItem'], 1);
    const from = Date.now();
    await delay(2 * failoverMs);
    const healed = Date.now();
    heal();
    for (const worker of fleet.workers) {
      expect(deliveredBetween(fleet, worker, from + failoverMs, healed), worker.name).to.deep.equal([]);
      await deliversFrom(fleet, worker, healed);
    }
    await scene.expectNothingLost('dynamodb-throttled');
    for (const worker of fleet.workers) expect(worker.events('pipelineRestarted'), worker.name).to.deep.equal([]);
  });
});
