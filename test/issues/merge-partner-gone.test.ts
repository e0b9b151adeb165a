// Symptom: the child of a merge was never read, and its parent never ended. Cause: the end of the parent waited for a lease row of
// the merge partner. No worker had created this row, and none could: the service had forgotten that shard.
import { expect } from 'chai';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from '../support/memory-lease-store.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const left = 'shardId-000000000000';
const right = 'shardId-000000000001';
const failoverMs = 20_000;

describe('the child of a merge whose other parent has no row', () => {
  let clock: ManualClock;
  let stream: FakeStream;
  let store: MemoryLeaseStore;
  let child: string;
  /** Both parents and then the child have one record each: `left`, `right`, `child`. */
  beforeEach(() => {
    clock = virtualClock();
    stream = fakeStream({ shards: 2, clock });
    stream.put({ partitionKey: 'l', data: 'left', explicitHashKey: '0' });
    stream.put({ partitionKey: 'r', data: 'right', explicitHashKey: String(2n ** 128n - 1n) });
    child = stream.merge(left, right);
    stream.put({ partitionKey: 'c', data: 'child' });
    store = memoryLeaseStore([leaseRow({ leaseKey: left, checkpoint: 'TRIM_HORIZON' })], 'orders');
  });
  afterEach(() => clock.uninstall());
  const start = async (): Promise<VirtualConsumer> => {
    const source = { ...stream.source, openLeases: () => store };
    const made = virtualConsumer(clock, { stream: { ...stream, source }, leases: { failoverMs } });
    await inVirtualTime(clock, made.consumer.start());
    return made;
  };
  const texts = ({ seen }: VirtualConsumer): string[] => seen.map(({ value }) => Buffer.from(value).toString());

  it('is read only after two listings, failoverMs apart, lack that parent', async () => {
    stream.forget(right);
    const made = await start();
    const { consumer, heard } = made;
    await clock.advance(failoverMs - 1_000);
    expect(store.rows.get(left)).to.have.property('checkpoint').that.does.not.equal('SHARD_END');
    expect(store.rows.has(child)).to.equal(false);
    expect(texts(made)).to.deep.equal(['left']);
    await clock.advance(15_000);
    expect(texts(made)).to.deep.equal(['left', 'child']);
    expect(heard('shardEnded').map(({ shardId, children }) => [shardId, children])).to.deep.equal([[left, [child]]]);
    expect(store.row(child).parentShardIds).to.have.members([left, right]);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    await inVirtualTime(clock, consumer.stop());
  });

  it('waits for that parent if it is listed: the parent gets a row and is read first', async () => {
    const made = await start();
    await clock.advance(30_000);
    expect(texts(made).slice(0, 2)).to.have.members(['left', 'right']);
    expect(texts(made).slice(2)).to.deep.equal(['child']);
    expect(made.heard('shardEnded')).to.have.length(2);
    await inVirtualTime(clock, made.consumer.stop());
  });
});
