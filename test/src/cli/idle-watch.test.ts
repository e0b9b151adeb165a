// `--until-idle` ends a tail only when every shard has been read to its tip and every line is written, not by time alone.
import { expect } from 'chai';
import { idleWatch, watchOf, type IdleWatch } from '../../../src/cli/idle-watch.js';
import { tailOrigin } from '../../../src/cli/tail-origin.js';
import { hasOpenedAll } from '../../../src/cli/tail-application.js';
import type { ConsumerStatus } from '../../../src/api/status.js';
import type { ReadResult, ShardReader, StreamSource } from '../../../src/api/ports.js';

const signal = new AbortController().signal;
const empty: ReadResult = { type: 'records', records: [], millisBehindLatest: 0 };
const behind: ReadResult = { type: 'records', records: [], millisBehindLatest: 5_000 };
const some: ReadResult = { type: 'records', records: [{ sequenceNumber: '1', partitionKey: 'k', data: Buffer.of(1) }] };

/** A clock that the test moves, and a source whose readers give the answers of the test. */
function harness(): {
  at: (ms: number) => void;
  settled: { is: boolean };
  opened: { is: boolean };
  watch: IdleWatch;
  isIdle: () => Promise<boolean>;
  open: () => { answer: (result: ReadResult) => Promise<void>; close: () => void };
} {
  let now = 0;
  const settled = { is: true };
  const opened = { is: true };
  const watch = idleWatch({
    idleMs: 100,
    handOverMs: 1_000,
    now: () => now,
    settled: () => settled.is,
    opened: () => opened.is,
  });
  let next: ReadResult = empty;
  const bare: Partial<StreamSource> = {
    open: (): ShardReader => ({ read: () => Promise.resolve(next), close: () => undefined }),
  };
  const source = watch.observe(bare as StreamSource);
  let idle = false;
  void watch.idle.then(() => (idle = true));
  return {
    at: (ms) => (now = ms),
    settled,
    opened,
    watch,
    isIdle: async () => {
      await new Promise(setImmediate);
      return idle;
    },
    open: () => {
      const reader = source.open('s', { type: 'trimHorizon' }, () => undefined);
      return {
        answer: async (result) => {
          next = result;
          await reader.read(signal);
        },
        close: () => reader.close(),
      };
    },
  };
}

describe('the idle watch', () => {
  it('ends at an empty read idleMs after the last record, not by time alone', async () => {
    const { at, open, isIdle } = harness();
    const shard = open();
    await shard.answer(some);
    at(500);
    expect(await isIdle(), 'no read since').to.equal(false);
    await shard.answer(empty);
    expect(await isIdle()).to.equal(true);
  });

  it('waits for every shard, and a record of one shard restarts the idle time of all', async () => {
    const { at, open, isIdle } = harness();
    const [one, two] = [open(), open()];
    at(150);
    await one.answer(empty);
    expect(await isIdle(), 'the other has not answered').to.equal(false);
    await two.answer(some);
    at(240);
    await one.answer(empty);
    await two.answer(empty);
    expect(await isIdle(), '90 ms after the record').to.equal(false);
    at(250);
    await one.answer(empty);
    expect(await isIdle(), 'the other was asked too early').to.equal(false);
    await two.answer(empty);
    expect(await isIdle()).to.equal(true);
  });

  it('does not end at an empty read that is still behind the tip', async () => {
    const { at, open, isIdle } = harness();
    const shard = open();
    at(500);
    await shard.answer(behind);
    expect(await isIdle()).to.equal(false);
    await shard.answer(empty);
    expect(await isIdle()).to.equal(true);
  });

  it('does not end while a line waits to be written, or while no shard is read', async () => {
    const { at, open, isIdle, settled, watch } = harness();
    at(500);
    watch.check();
    expect(await isIdle(), 'no shard').to.equal(false);
    const shard = open();
    settled.is = false;
    at(1_000);
    await shard.answer(empty);
    expect(await isIdle(), 'a line waits').to.equal(false);
    settled.is = true;
    watch.check();
    expect(await isIdle()).to.equal(true);
  });

  it('waits for shards that are not open yet, because a slow machine takes the last ones late', async () => {
    const { at, open, opened, isIdle } = harness();
    const first = open();
    opened.is = false;
    at(5_000);
    await first.answer(empty);
    expect(await isIdle(), 'more are coming').to.equal(false);
    opened.is = true;
    await first.answer(empty);
    expect(await isIdle()).to.equal(true);
  });

  it('stops waiting after 30 s for a shard that is never opened', async () => {
    const { at, open, opened, isIdle } = harness();
    const first = open();
    opened.is = false;
    at(30_099);
    await first.answer(empty);
    expect(await isIdle()).to.equal(false);
    at(30_100);
    await first.answer(empty);
    expect(await isIdle()).to.equal(true);
  });

  it('exists only with --until-idle, and then waits for the writer', async () => {
    const request = { origin: tailOrigin({ streamName: 's' }, false), from: 'LATEST' } as const;
    const writer = { pending: 1, write: () => Promise.resolve() };
    expect(watchOf({ ...request, untilIdleMs: undefined }, writer, 0)).to.equal(undefined);
    const watch = watchOf({ ...request, untilIdleMs: -1 }, writer, -1)!;
    let idle = false;
    void watch.idle.then(() => (idle = true));
    const bare = { open: () => ({ read: () => Promise.resolve(empty), close: () => undefined }) };
    const reader = watch.observe(bare as unknown as StreamSource).open('s', { type: 'trimHorizon' }, () => undefined);
    await reader.read(signal);
    await new Promise(setImmediate);
    expect(idle, 'a line waits').to.equal(false);
    writer.pending = 0;
    await reader.read(signal);
    await new Promise(setImmediate);
    expect(idle).to.equal(true);
  });

  it('gives the children of an ended shard handOverMs to be opened', async () => {
    const { at, open, isIdle } = harness();
    const [other, parent] = [open(), open()];
    await parent.answer({ type: 'shardEnd', children: [] });
    parent.close();
    at(900);
    await other.answer(empty);
    expect(await isIdle()).to.equal(false);
    const child = open();
    at(1_099);
    await other.answer(empty);
    await child.answer(empty);
    expect(await isIdle()).to.equal(false);
    at(1_100);
    await other.answer(empty);
    await child.answer(empty);
    expect(await isIdle()).to.equal(true);
  });
});

describe('a member of an application', () => {
  const held = { phase: 'held', startable: true };
  const row = { leaseKey: 'a', owner: 'me', checkpoint: 'TRIM_HORIZON', here: held };
  const asked = (leases: readonly object[], reading: readonly string[] = ['a'], state = 'running'): boolean =>
    hasOpenedAll({
      state,
      workerId: 'me',
      shards: reading.map((shardId) => ({ shardId, doing: 'reading' })),
      leases: [{ table: 't', state: { leases } }],
    } as unknown as ConsumerStatus);

  it('has opened all shards if each lease is read here, awaits parents, has ended, or belongs elsewhere', () => {
    const { here: _, ...bare } = row;
    expect(asked([row])).to.equal(true);
    expect(asked([row, { ...row, leaseKey: 'b', here: { ...held, startable: false } }])).to.equal(true);
    expect(asked([row, { ...bare, leaseKey: 'b', checkpoint: 'SHARD_END' }])).to.equal(true);
    expect(asked([row, { ...bare, leaseKey: 'b', owner: 'peer' }])).to.equal(true);
    expect(asked([row, { ...bare, leaseKey: '1:other:2:b', owner: undefined }])).to.equal(true);
  });

  it('has not opened all shards while a lease is free, being taken or unread, or while it starts', () => {
    const { here: _, ...bare } = row;
    expect(asked([row, { ...bare, leaseKey: 'b', owner: undefined }])).to.equal(false);
    expect(asked([row, { ...row, leaseKey: 'b', here: { ...held, phase: 'taking' } }])).to.equal(false);
    expect(asked([row, { ...row, leaseKey: 'b' }])).to.equal(false);
    expect(asked([row], ['a'], 'starting')).to.equal(false);
  });
});
