// Real processes read the changes of a table over HTTP, while its shards roll over and one process is killed.
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { heldBy, startFleet, type Fleet } from '../support/fleet.js';
import { allSeen, outOfOrder, replays } from '../support/fleet-laws.js';
import { delivering } from '../support/resharding.js';

describe('a fleet of processes that reads a table', function () {
  this.timeout(200_000);
  let local: LocalServers;
  let server: ScriptedServer;
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;

  before(async () => {
    local = await startLocalServers();
    server = await scriptedServer({ proxy: { upstream: local.dynamodb } });
    server.tables.createTable('orders', { shards: 2 });
    fleet = await startFleet({
      shards: 2,
      endpoints: { kinesis: server.url, dynamodb: server.url, streams: server.url },
      table: {
        name: 'orders',
        put: (key, serial) => server.tables.put('orders', { id: { S: key }, serial: { N: String(serial) } }),
      },
    });
    stopWriting = fleet.keepWriting(24, 150);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await server?.stop();
    await local?.stop();
  });

  it('follows roll-overs while one process is killed, loses nothing, and keeps the changes of an item in order', async () => {
    const workers = ['a', 'b'].map((name) => fleet.start(name, { failoverMs: 2_000, idleMs: 250 }));
    for (const shardId of server.tables.openShards('orders')) await delivering(fleet, shardId);
    await fleet.balanced(workers);
    const held = heldBy(await fleet.rows(), workers[0]!);
    const children = server.tables.rollShard('orders');
    workers[0]!.kill('SIGKILL');
    expect(held).to.have.length(1);
    for (const shardId of children) await delivering(fleet, shardId);
    const halves = server.tables.rollShard('orders', children[0], 2);
    for (const shardId of halves) await delivering(fleet, shardId);

    await stopWriting();
    await allSeen(fleet);
    workers[1]!.kill('SIGTERM');
    expect(await workers[1]!.exited).to.equal(0);
    expect(outOfOrder(fleet.deliveries())).to.deep.equal([]);
    process.stdout.write(`        ${fleet.written.length} written, 0 lost, ${replays(fleet)} replays\n`);
  });
});
