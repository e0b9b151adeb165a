// Symptom: an application that stopped the nact system or parent of its consumer left every lease with its owner. Peers had to wait
// for the failover time. Cause: no message arrives any more, so no actor could release the leases.
import { expect } from 'chai';
import * as nact from 'nact';
import type { ConsumerEvents } from '../../src/index.js';
import { expectNothingLost, fakeStream, ManualClock, nemesis, type FakeStream } from '../../src/testing/index.js';
import { gate } from '../support/gate.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualOptions } from '../support/virtual-consumer.js';

describe('a consumer whose parent the application stops', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  const put = (stream: FakeStream, ...ids: readonly string[]): void =>
    void stream.put(...ids.map((id) => ({ partitionKey: id, data: id })));
  const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, index) => `${from + index}`);
  const rowsOf = (stream: FakeStream) => [...(stream.leases.get('orders')?.rows.values() ?? [])];
  const ownersOf = (stream: FakeStream) => rowsOf(stream).map(({ leaseOwner }) => leaseOwner);
  const failed = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  const lives = async (options: VirtualOptions = {}) => {
    const system = nact.start();
    const stream = fakeStream({ shards: 3, clock });
    const it = virtualConsumer(clock, { stream, parent: system as object, ...options });
    const released: ConsumerEvents['leaseReleased'][] = [];
    it.consumer.on('leaseReleased', (data) => released.push(data));
    await inVirtualTime(clock, it.consumer.start());
    await clock.advance(3_000);
    return { ...it, stream, released, stopSystem: () => nact.stop(system) };
  };
  const lastOf = (stream: FakeStream): (string | undefined)[] =>
    stream.shardIds().map((shardId) => stream.recordsOf(shardId).at(-1)?.sequenceNumber);

  it('releases every lease at its frontier before `closed` rejects, and a peer continues within 3 s', async () => {
    const one = await lives();
    put(one.stream, ...ids(0, 100));
    await clock.advance(1_000);
    expect(new Set(ownersOf(one.stream)).size).to.equal(1);
    one.stopSystem();
    const begun = clock.now();
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(clock.now() - begun).to.be.below(1_000);
    expect(ownersOf(one.stream)).to.deep.equal([undefined, undefined, undefined]);
    expect(rowsOf(one.stream).map(({ checkpoint }) => checkpoint)).to.have.members(lastOf(one.stream));
    expect(one.released.map(({ reason }) => reason)).to.deep.equal(Array(3).fill('the parent was stopped'));
    put(one.stream, ...ids(100, 50));
    const peer = virtualConsumer(clock, { stream: one.stream });
    await inVirtualTime(clock, peer.consumer.start());
    await clock.advance(3_000);
    expectNothingLost(ids(100, 50), peer.seen.map(textOf));
    await inVirtualTime(clock, peer.consumer.stop());
  });

  it('waits for a running user call before the release, and its record is replayed at a peer', async () => {
    const held = gate();
    const one = await lives({ onItem: (item) => (textOf(item) === '7' ? held.opened : undefined) });
    put(one.stream, ...ids(0, 20));
    await clock.advance(1_000);
    one.stopSystem();
    await clock.advance(2_000);
    expect(ownersOf(one.stream).filter((owner) => owner !== undefined)).to.have.length(3);
    held.open();
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(ownersOf(one.stream)).to.deep.equal([undefined, undefined, undefined]);
    const peer = virtualConsumer(clock, { stream: one.stream });
    await inVirtualTime(clock, peer.consumer.start());
    await clock.advance(3_000);
    expectNothingLost(ids(0, 20), [...one.seen, ...peer.seen].map(textOf));
    expect(peer.seen.map(textOf)).to.include('7');
    await inVirtualTime(clock, peer.consumer.stop());
  });

  it('releases a lease even if the answer to its last renewal never arrives', async () => {
    const one = await lives();
    const chaos = nemesis(one.consumer, { seed: 1 });
    // The renewal is carried out, but its answer never arrives, so the keeper's counter is behind the row's.
    for (const shardId of one.stream.shardIds()) {
      const target = `lease-keeper/${shardId}`;
      chaos.hang(target, 'renew', { when: 'after' });
    }
    await clock.advance(4_000);
    expect(chaos.log.filter(({ what }) => what === 'hang')).to.have.length(3);
    one.stopSystem();
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(ownersOf(one.stream)).to.deep.equal([undefined, undefined, undefined]);
  });

  for (const when of ['before', 'after'] as const) {
    const [landed, becomes] = when === 'after' ? ['landed', 'released'] : ['not landed', 'nothing'];
    it(`handles an unanswered take that has ${landed} (it becomes: ${becomes})`, async () => {
      const system = nact.start();
      const stream = fakeStream({ shards: 3, clock });
      const { consumer } = virtualConsumer(clock, { stream, parent: system as object });
      const told: string[] = [];
      consumer.on('leaseReleased', () => told.push('released'));
      consumer.on('leaseLost', () => told.push('lost'));
      const chaos = nemesis(consumer, { seed: 1 });
      for (const shardId of stream.shardIds()) chaos.hang(`lease-keeper/${shardId}`, 'take', { when });
      await inVirtualTime(clock, consumer.start());
      await clock.advance(1_000);
      expect(ownersOf(stream)).to.deep.equal(Array(3).fill(when === 'after' ? 'virtual' : undefined));
      nact.stop(system);
      expect(await inVirtualTime(clock, failed(consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
      expect(ownersOf(stream)).to.deep.equal([undefined, undefined, undefined]);
      expect(told).to.deep.equal(when === 'after' ? Array(3).fill('released') : []);
      expect(clock.pending()).to.equal(0);
    });
  }

  it('leaves a lease to another process with its worker id if its own take lost', async () => {
    const system = nact.start();
    const stream = fakeStream({ clock });
    const one = virtualConsumer(clock, { stream, parent: system as object });
    nemesis(one.consumer, { seed: 1 }).hang('lease-keeper', 'take');
    await inVirtualTime(clock, one.consumer.start());
    const twin = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, twin.consumer.start());
    await clock.advance(2_000);
    expect(ownersOf(stream)).to.deep.equal(['virtual']);
    nact.stop(system);
    await inVirtualTime(clock, failed(one.consumer.closed));
    expect(ownersOf(stream)).to.deep.equal(['virtual']);
    await inVirtualTime(clock, twin.consumer.stop());
  });

  it('ends, and leaves no timer, if the table never answers which worker took a lease', async () => {
    const system = nact.start();
    const stream = fakeStream({ clock });
    const one = virtualConsumer(clock, { stream, parent: system as object });
    nemesis(one.consumer, { seed: 1 }).hang('lease-keeper', 'take');
    await inVirtualTime(clock, one.consumer.start());
    await clock.advance(1_000);
    const store = stream.leases.get('orders') as { get: unknown };
    store.get = (_key: string, signal: AbortSignal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    nact.stop(system);
    expect(await inVirtualTime(clock, failed(one.consumer.closed), 10_000)).to.include({ code: 'PARENT_STOPPED' });
    expect(clock.pending()).to.equal(0);
  });

  it('releases every lease at its frontier even if `onCheckpoint` never settles', async () => {
    // The first checkpoint is the one of the release.
    const onCheckpoint = () => ((calls += 1), new Promise<void>(() => {}));
    let calls = 0;
    const one = await lives({ onCheckpoint, checkpointIntervalMs: 60_000 });
    put(one.stream, ...ids(0, 10));
    await clock.advance(1_000);
    one.stopSystem();
    expect(calls).to.equal(0);
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(calls).to.equal(3);
    expect(ownersOf(one.stream)).to.deep.equal([undefined, undefined, undefined]);
    expect(rowsOf(one.stream).map(({ checkpoint }) => checkpoint)).to.have.members(lastOf(one.stream));
  });

  it('leaves a lease to a peer that has taken it meanwhile', async () => {
    const held = gate();
    const one = await lives({ onItem: () => held.opened, callDeadlineMs: 60_000 });
    put(one.stream, ...ids(0, 3));
    await clock.advance(1_000);
    one.stopSystem();
    const peer = virtualConsumer(clock, { stream: one.stream });
    await inVirtualTime(clock, peer.consumer.start());
    await clock.advance(20_000);
    const owners = ownersOf(one.stream);
    held.open();
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(ownersOf(one.stream)).to.deep.equal(owners);
    expect(one.released).to.deep.equal([]);
    await inVirtualTime(clock, peer.consumer.stop());
  });

  it('reports the released leases to a stop() that comes after the end of the parent', async () => {
    const one = await lives();
    one.stopSystem();
    const { leases } = await inVirtualTime(clock, one.consumer.stop());
    expect(leases.map(({ released }) => released)).to.deep.equal([true, true, true]);
    expect(ownersOf(one.stream)).to.deep.equal([undefined, undefined, undefined]);
  });

  it('ends even if the table takes no write', async () => {
    const one = await lives();
    const store = one.stream.leases.get('orders') as { update: unknown };
    store.update = () => Promise.reject(new Error('no table'));
    one.stopSystem();
    expect(await inVirtualTime(clock, failed(one.consumer.closed))).to.include({ code: 'PARENT_STOPPED' });
    expect(clock.pending()).to.equal(0);
  });
});
