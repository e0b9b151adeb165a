// Symptom: a host that cannot reach Kinesis held its shards forever beside healthy peers. It renewed the leases, but did not read the
// shards. Rule: a shard whose reads have failed for a minute is released if a peer is alive. The host then leaves the source alone for a
// time that doubles with each failure. An outage of Kinesis for all hosts must not make every host leave every shard alone.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const failoverMs = 10_000;
const shards = 4;

interface Host extends VirtualConsumer {
  /** Whether its calls to Kinesis fail on the network. */
  cutOff: boolean;
  /** The number of shards whose lease it holds. */
  held(): number;
}

describe('a host that cannot reach Kinesis', () => {
  let clock: ManualClock;
  let client: ReturnType<typeof modelClient>;
  let store: ReturnType<typeof memoryLeaseStore>;
  let puts: number;
  beforeEach(() => {
    clock = virtualClock({ restlessAfter: 20_000 });
    client = modelClient(clock);
    client.kinesis.createStream('orders', shards);
    store = memoryLeaseStore([], 'orders');
    puts = 0;
  });
  afterEach(() => clock.uninstall());

  async function host(workerId: string, seed: number): Promise<Host> {
    const send = (command: object): Promise<object> =>
      made.cutOff
        ? Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
        : (client.send(command as never) as Promise<object>);
    const spec = kinesisStream({
      streamName: 'orders',
      idleMs: 4_000,
      client: { config: client.config, send } as never,
    });
    const source = { ...spec, openLeases: () => store };
    const consumer = virtualConsumer(clock, {
      source,
      workerId,
      leases: { failoverMs },
      runtime: { clock, timers: clock, random: seeded(seed) },
    });
    const held = (): number =>
      [...store.rows.values()].filter(
        ({ leaseOwner, checkpoint }) => leaseOwner === workerId && checkpoint !== 'SHARD_END',
      ).length;
    const made: Host = Object.assign(consumer, { cutOff: false, held });
    await inVirtualTime(clock, consumer.consumer.start());
    return made;
  }
  /** Puts one record into each shard. */
  function put(): void {
    for (const [shardId] of client.kinesis.stream('orders').shards) {
      client.kinesis.put('orders', { partitionKey: shardId, data: `${puts}`, shardId });
      puts += 1;
    }
  }
  const readBy = (...hosts: readonly Host[]): number =>
    new Set(hosts.flatMap(({ seen }) => seen.map(({ value }) => Buffer.from(value).toString()))).size;

  it('gives its shards to a healthy peer within 90 s, and takes its share again after it recovers', async () => {
    const healthy = await host('healthy', 1);
    const ill = await host('ill', 2);
    await clock.advance(40_000);
    expect([healthy.held(), ill.held()]).to.deep.equal([2, 2]);
    put();
    await clock.advance(5_000);
    expect(readBy(healthy, ill)).to.equal(puts);
    ill.cutOff = true;
    put();
    await clock.advance(85_000);
    expect(readBy(healthy, ill)).to.equal(puts);
    expect([healthy.held(), ill.held()]).to.deep.equal([4, 0]);
    expect(ill.consumer.ready().ok).to.equal(false);
    const released = ill.heard('leaseReleased').map(({ reason }) => reason);
    expect(released).to.have.length(2);
    for (const reason of released) expect(reason).to.match(/^its reads have failed for [67]\d s$/);
    // The host tries again with one shard, less and less often. Each time the peer has this shard back soon after a minute.
    const least: number[] = [];
    for (let at = 0; at < 30; at += 1) {
      if (at % 6 === 0) put();
      await clock.advance(10_000);
      least.push(healthy.held());
    }
    expect(Math.min(...least)).to.equal(shards - 1);
    expect(least.filter((held) => held < shards).length, `of which it held ${least.join()}`).to.be.below(18);
    await clock.advance(90_000);
    expect(readBy(healthy, ill)).to.equal(puts);
    ill.cutOff = false;
    // After one successful read the host takes its share again at once.
    await clock.advance(180_000);
    put();
    await clock.advance(5_000);
    expect(readBy(healthy, ill)).to.equal(puts);
    expect([healthy.held(), ill.held()]).to.deep.equal([2, 2]);
    expect(ill.consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    for (const each of [healthy, ill]) {
      expect(each.heard('actorCrashed')).to.deep.equal([]);
      expect((await inVirtualTime(clock, each.consumer.stop())).drained).to.equal(true);
    }
  });

  it('reads its shards again within a minute after an outage that affects every host', async () => {
    const hosts = [await host('a', 1), await host('b', 2)];
    await clock.advance(40_000);
    for (const minutes of [2, 7]) {
      for (const each of hosts) each.cutOff = true;
      put();
      await clock.advance(minutes * 60_000);
      for (const each of hosts) {
        expect(each.consumer.ready().ok).to.equal(false);
        each.cutOff = false;
      }
      await clock.advance(2 * failoverMs + 40_000);
      expect(readBy(...hosts), `after ${minutes} minutes`).to.equal(puts);
      for (const each of hosts) expect(each.consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    }
    for (const each of hosts) await inVirtualTime(clock, each.consumer.stop());
  });
});
