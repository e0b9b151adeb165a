// A consumer with a pipe under `park`: what its sinks keep, what a sink that fails or hangs holds back, and what a crash repeats.
import { expect } from 'chai';
import type { ParkedItem, ParkingSink } from '../../../src/api/parking.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { openFileSink } from '../../../src/parking/file-sink.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { modelDisk, type DiskFault } from '../../support/model-disk.js';
import { readBack } from '../../support/parked.js';
import { numberConsumers, numbers, sorted } from '../../support/number-consumers.js';
import { inVirtualTime } from '../../support/virtual.js';
import { type VirtualConsumer, type VirtualOptions } from '../../support/virtual-consumer.js';

describe('a consumer with a pipe, under park', () => {
  const consumers = numberConsumers();

  /** Batches of five, whose sink refuses a batch with a number of which `isBad` is true. */
  const consume = async (sink: ParkingSink, isBad: (n: number) => boolean, more: VirtualOptions = {}) => {
    const seen: number[] = [];
    const batches = pipe({ format: json })
      .map((data) => Number(data.toString()))
      .aggregate({ count: 5, intervalMs: 300 })
      .to((batch) => {
        if (batch.some(isBad)) throw new Error(`a bad one in ${batch.join()}`);
        seen.push(...batch);
      });
    const options = { reducer: undefined as never, pipe: batches, reducers: 1 };
    const it = await consumers.start({ ...options, onFailure: park(sink), ...more });
    return { ...it, seen };
  };
  const valueOf = ({ data }: Pick<ParkedItem, 'data'>): number[] => JSON.parse(data.toString()) as number[];
  const isOpen = ({ consumer }: Pick<VirtualConsumer, 'consumer'>): unknown => consumer.status().shards[0]?.openRecords;

  it('keeps each failed batch in a file, and passes it', async () => {
    const disk = modelDisk();
    const sink = openFileSink(
      { path: '/data/parked' },
      { disk, wallNow: () => consumers.clock.wallNow(), processId: 1 },
    );
    const it = await consume(sink, (n) => n % 10 === 3);
    it.put(0, 100);
    await consumers.clock.advance(10_000);
    const { entries, complaints } = await readBack(disk.live());
    expect(complaints).to.deep.equal([]);
    const parked = (await Promise.all(entries.map((entry) => entry.read()))).flatMap(valueOf);
    expect(parked).to.have.length(50);
    expect(sorted([...parked, ...it.seen])).to.deep.equal(numbers(0, 100));
    expect(isOpen(it)).to.equal(0);
    expect(it.consumer.status().counters.parkedItems).to.equal(50);
    expect(it.consumer.status().restarts).to.equal(0);
  });

  it('waits for a disk that is down for long, says so, and loses nothing', async () => {
    let fault: DiskFault = 'none';
    const disk = modelDisk(() => fault);
    const sink = openFileSink(
      { path: '/data/parked' },
      { disk, wallNow: () => consumers.clock.wallNow(), processId: 1 },
    );
    const it = await consume(sink, (n) => n === 3, { onFailure: retry({ attempts: 2, then: park(sink) }) });
    fault = 'fail';
    it.put(0, 20);
    await consumers.clock.advance(600_000);
    expect(it.seen).to.deep.equal([]);
    expect(isOpen(it)).to.equal(20);
    expect(it.consumer.ready().reasons.join()).to.match(/has waited for .*a bad one in .* \(not parked: .*EIO/);
    fault = 'none';
    await consumers.clock.advance(60_000);
    expect(it.seen).to.deep.equal(numbers(5, 20));
    expect(isOpen(it)).to.equal(0);
    const { entries } = await readBack(disk.live());
    expect(await Promise.all(entries.map(async (entry) => valueOf(await entry.read())))).to.deep.equal([
      [0, 1, 2, 3, 4],
    ]);
  });

  it('stops at its deadline while the sink hangs, and says what waits', async () => {
    const it = await consume(
      () => new Promise(() => undefined),
      (n) => n === 3,
    );
    it.put(0, 20);
    await consumers.clock.advance(2_000);
    const report = await inVirtualTime(consumers.clock, it.consumer.stop({ deadlineMs: 5_000 }));
    expect(report.drained).to.equal(false);
    expect(report.leases.map(({ recordsLeft }) => recordsLeft)).to.deep.equal([20]);
    expect(report.waiting[0]).to.include({ at: 'node', sequenceNumber: report.waiting[0]?.sequenceNumber });
  });

  it('repeats a batch under the same key if it crashes between the sink and the settlement', async () => {
    const kept: ParkedItem[] = [];
    let hangs = true;
    const sink: ParkingSink = (item) => {
      kept.push(item);
      return hangs ? new Promise(() => undefined) : Promise.resolve();
    };
    const it = await consume(sink, (n) => n === 3);
    it.put(0, 20);
    await consumers.clock.advance(2_000);
    expect([kept.length, isOpen(it)]).to.deep.equal([1, 20]);
    hangs = false;
    it.chaos.kill('pipe-node/0/sink/2');
    await consumers.clock.advance(30_000);
    expect(kept.map(valueOf)).to.deep.equal([
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4],
    ]);
    expect(kept[0]?.idempotencyKey).to.equal(kept[1]?.idempotencyKey);
    expect(it.seen).to.deep.equal(numbers(5, 20));
    expect(isOpen(it)).to.equal(0);
  });

  it('keeps what a reducer has emitted, and settles its item', async () => {
    const kept: ParkedItem[] = [];
    const it = await consume(
      async (item) => kept.push(item),
      () => false,
      {
        reducer: defineReducer({
          init: () => 0,
          reduce: (count: number, { value }, { emit }) => {
            (emit as (value: unknown) => void)({ n: Number((value as Buffer).toString()) });
            return count + 1;
          },
        }) as never,
        pipe: pipe<{ n: number }>({ format: json }).to(({ n }) => {
          if (n === 3) throw new Error('no');
        }),
      },
    );
    it.put(0, 10);
    await consumers.clock.advance(5_000);
    expect(kept.map(({ data }) => JSON.parse(data.toString()) as unknown)).to.deep.equal([{ n: 3 }]);
    expect(kept[0]).to.deep.include({ at: 'node', itemIndex: 0 });
    expect(isOpen(it)).to.equal(0);
  });

  it('refuses a batch whose line no command could read back, and settles none of it', async () => {
    const disk = modelDisk();
    const sink = openFileSink(
      { path: '/data/parked' },
      { disk, wallNow: () => consumers.clock.wallNow(), processId: 1 },
    );
    const large = { serialize: () => Buffer.alloc(50 * 1024 * 1024), deserialize: () => 0 };
    const it = await consume(sink, (n) => n === 3, {
      pipe: pipe({ format: large })
        .map((data) => Number(data.toString()))
        .to((n) => {
          if (n === 3) throw new Error('no');
        }),
    });
    const errors: string[] = [];
    it.consumer.on('pipelineRestarted', ({ error }) => errors.push(error.message));
    it.put(0, 5);
    await consumers.clock.advance(300);
    expect(errors.join()).to.match(
      /not parked: its line would have \d+ bytes, and a line of a fileSink has at most 67108864/,
    );
    expect(isOpen(it)).to.not.equal(0);
    expect([...disk.live().values()].every(({ length }) => length === 0)).to.equal(true);
  });
});
