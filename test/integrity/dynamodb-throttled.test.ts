// DynamoDB refuses calls as it does over its capacity: first a half of them, then every write.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { startLocalServers } from '../../src/testing/local-servers.js';
import type { LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import type { ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { deliveredBetween, deliversFrom, settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

const failoverMs = 2_000;
const codes = ['ProvisionedThroughputExceededException', 'ThrottlingException'] as const;

describe('two workers whose lease table is throttled', function () {
  this.timeout(120_000);
  let servers: LocalServers;
  let scripted: ScriptedServer;
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    servers = await startLocalServers();
    scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    fleet = await startFleet({ shards: 4, endpoints: servers });
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await scripted?.stop();
    await servers?.stop();
  });
  /** Every `nth` call of each operation is refused, with the two codes in turn. */
  const throttle = (operations: readonly string[], nth: number): (() => void) => {
    const scripts = operations.flatMap((operation) => {
      let calls = 0;
      // The first order looks at every call; what it leaves to the second is one that it has counted.
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
  const losses = (): number => fleet.workers.flatMap((worker) => worker.events('leaseLost')).length;

  it('keep their leases when a half of renewals and scans is refused, and say why they repeat them', async () => {
    const at = { ...fleet.endpoints, dynamodb: scripted.url };
    const workers = ['a', 'b'].map((name) => fleet.start(name, { itemMs: 5, failoverMs }, at));
    await settled(fleet);
    const counters = async (): Promise<readonly number[]> =>
      [...(await fleet.rows()).values()].map((row) => Number(row['leaseCounter']?.N));
    const renewed = async (times: number): Promise<unknown> => {
      const before = await counters();
      return fleet.until(`${times} renewals of each lease`, async () =>
        (await counters()).every((counter, index) => counter >= (before[index] as number) + times),
      );
    };
    const [before, since] = [losses(), performance.now()];
    const heal = throttle(['UpdateItem', 'Scan', 'GetItem'], 2);
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

  it('deliver nothing after their leases when every write is refused, and read on from there when it ends', async () => {
    const heal = throttle(['UpdateItem', 'PutItem', 'DeleteItem'], 1);
    const from = Date.now();
    await delay(2 * failoverMs);
    const healed = Date.now();
    heal();
    for (const worker of fleet.workers) {
      expect(deliveredBetween(fleet, worker, from + failoverMs, healed), worker.name).to.deep.equal([]);
      await deliversFrom(fleet, worker, healed);
    }
    await stopWriting();
    await expectNothingLost('dynamodb-throttled', fleet);
    for (const worker of fleet.workers) expect(worker.events('pipelineRestarted'), worker.name).to.deep.equal([]);
  });
});
