// A coordinator that runs is told to read one source more, or one less. What is added is answered once it is read. What is removed is
// released and then forgotten, and the answers that were on their way change nothing.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import type {
  CoordinatorStarted,
  LeaseCoordinatorMessage,
  ReleaseOutcome,
} from '../../../actors/lease-coordinator/lease-coordinator.js';
import { KinactError } from '../../../src/api/errors.js';
import type { SourceHistory } from '../../../src/api/source-history.js';

const gone = new KinactError('STREAM_NOT_FOUND', 'no such stream');
const at = (
  source: ListedStream,
): { source: ListedStream; initialPosition: 'TRIM_HORIZON'; history: SourceHistory } => ({
  source,
  initialPosition: 'TRIM_HORIZON',
  history: { worked: false, failure: undefined },
});

interface Running {
  readonly driver: CoordinatorDriver;
  readonly orders: ListedStream;
  readonly returns: ListedStream;
  add(stream: ListedStream): Promise<() => CoordinatorStarted | undefined>;
  remove(name: string, deadlineMs?: number): Promise<() => readonly ReleaseOutcome[] | undefined>;
}

async function running(given: Parameters<typeof driveCoordinator>[0] = {}): Promise<Running> {
  const orders = listedStream({ shards: 1 });
  const returns = listedStream({ name: 'returns', shards: 1 });
  const driver = driveCoordinator({ sources: [at(orders)], multiStream: true, startDeadlineMs: 5_000, ...given });
  await driver.started();
  await driver.harness.advance(100);
  await driver.takenAll();
  const ask = async <Answer>(message: (replyTo: never) => LeaseCoordinatorMessage): Promise<() => Answer | undefined> =>
    (await driver.harness.ask<LeaseCoordinatorMessage, Answer>(driver.coordinator, message as never)).later;
  return {
    driver,
    orders,
    returns,
    add: (stream) => ask((replyTo) => ({ type: 'addSource', source: at(stream), replyTo })),
    remove: (source, deadlineMs = 4_000) => ask((replyTo) => ({ type: 'removeSource', source, deadlineMs, replyTo })),
  };
}

const keysOf = ({ driver }: Running, source: string): string[] =>
  driver.keepers.filter(({ args }) => args.source === source).map(({ args }) => args.leaseKey);

async function release({ driver }: Running, leaseKey: string): Promise<ReleaseOutcome> {
  const { leaseOwner: _, ...row } = driver.store.row(leaseKey);
  driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
  const { checkpoint, checkpointSubSequenceNumber: subSequenceNumber } = row;
  const { shardId, source } = driver.keeper(leaseKey).args;
  const lease = { leaseKey, source, shardId, recordsLeft: 0, checkpoint, subSequenceNumber, released: true };
  await driver.news(leaseKey, { type: 'released', lease, reason: '', coolDown: false });
  return lease;
}

/** The keeper of this lease crashes. */
async function crash({ driver }: Running, leaseKey: string): Promise<void> {
  const { args, ref } = driver.keeper(leaseKey);
  const incarnation = Number(args.writer.split('.').at(-1));
  const how = { ref, reason: 'crash', error: new Error('broken') } as never;
  await driver.harness.tell(driver.coordinator, { type: 'keeperDown', leaseKey, incarnation, how });
}

describe('a source that is added', () => {
  it('is answered when it is read, and its leases are taken', async () => {
    const made = await running();
    const answer = await made.add(made.returns);
    await made.driver.harness.advance(200);
    expect(answer()).to.deep.equal({ type: 'started' });
    expect(keysOf(made, 'returns')).to.have.length(1);
    expect((await made.add(made.returns))(), 'asked again').to.deep.equal({ type: 'started' });
    expect(made.driver.status().sources.map(({ source }) => source)).to.deep.equal(['orders', 'returns']);
  });

  it('is answered with its error if it cannot be read', async () => {
    const made = await running();
    made.returns.faults.describe.push(gone);
    const answer = await made.add(made.returns);
    await made.driver.harness.advance(100);
    expect(answer()).to.deep.equal({ type: 'failed', error: gone });
  });

  it('is answered at the deadline, with the last error as the cause', async () => {
    const made = await running();
    const late = new Error('still down');
    made.returns.faults.describe.push(...Array.from({ length: 100 }, () => late));
    const answer = await made.add(made.returns);
    await made.driver.harness.advance(4_900);
    expect(answer()).to.equal(undefined);
    await made.driver.harness.advance(200);
    expect(answer()).to.have.nested.property('error.code', 'START_TIMEOUT');
    expect(answer()).to.have.nested.property('error.cause', late);
  });

  it('has a deadline that counts again from each row that is created', async () => {
    for (const isCreated of [true, false]) {
      const made = await running();
      const { harness, store } = made.driver;
      const create: (() => void)[] = [];
      for (const index of [0, 1])
        store.script('create', {
          type: 'holdBefore',
          until: new Promise<void>((resolve) => (create[index] = resolve)),
        });
      const answer = await made.add(listedStream({ name: 'large', shards: 2 }));
      await harness.advance(3_000);
      create[0]!();
      await harness.advance(4_900);
      expect(answer(), 'less than the deadline after the first row').to.equal(undefined);
      if (isCreated) create[1]!();
      await harness.advance(200);
      if (isCreated) expect(answer()).to.deep.equal({ type: 'started' });
      else expect(answer()).to.have.nested.property('error.code', 'START_TIMEOUT');
      create[1]!();
    }
  });

  it('is answered with STOPPED when the coordinator is stopped, also if it is asked only then', async () => {
    const made = await running();
    made.returns.faults.describe.push(...Array.from({ length: 100 }, () => new Error('down')));
    const answer = await made.add(made.returns);
    await made.driver.releaseAll(1_000);
    expect(answer()).to.have.nested.property('error.code', 'STOPPED');
    expect((await made.add(listedStream({ name: 'late' })))()).to.have.nested.property('error.code', 'STOPPED');
  });

  it('is read by a coordinator that had no source left', async () => {
    const made = await running();
    const [leaseKey] = keysOf(made, 'orders');
    // A scan is under way when the last source goes.
    let answerScan = (): void => undefined;
    made.driver.store.script('scan', {
      type: 'holdAfter',
      until: new Promise<void>((resolve) => (answerScan = resolve)),
    });
    await made.driver.harness.advance(6_000);
    const removed = await made.remove('orders');
    await release(made, leaseKey!);
    expect(removed()).to.have.length(1);
    expect(made.driver.status().phase).to.equal('failed');
    answerScan();
    await made.driver.harness.advance(100);
    const answer = await made.add(made.returns);
    await made.driver.harness.advance(300);
    expect(answer()).to.deep.equal({ type: 'started' });
    expect(keysOf(made, 'returns')).to.have.length(1);
  });
});

describe('a source that is removed', () => {
  it('has its leases released, and is forgotten with the last of them', async () => {
    const made = await running({ sources: [at(listedStream({ shards: 2 }))] });
    const keys = keysOf(made, 'orders');
    const answer = await made.remove('orders');
    const again = await made.remove('orders');
    for (const leaseKey of keys)
      expect(made.driver.keeper(leaseKey).told).to.deep.equal([
        { type: 'release', reason: 'its source is being removed', deadlineMs: 4_000 },
      ]);
    const first = await release(made, keys[0]!);
    expect(made.driver.status().sources.map(({ source }) => source)).to.deep.equal(['orders']);
    expect(answer()).to.equal(undefined);
    const second = await release(made, keys[1]!);
    expect(answer()).to.deep.equal([first, second]);
    expect(again()).to.deep.equal([first, second]);
    expect(made.driver.status().sources).to.deep.equal([]);
    await made.driver.harness.advance(200_000);
    expect(keysOf(made, 'orders'), 'nothing is taken again').to.have.length(2);
  });

  it('leaves the other sources as they are', async () => {
    const made = await running();
    await made.add(made.returns);
    await made.driver.harness.advance(300);
    await made.driver.takenAll();
    const answer = await made.remove('returns');
    const [leaseKey] = keysOf(made, 'returns');
    await release(made, leaseKey!);
    expect(answer()).to.have.length(1);
    const listed = made.returns.filters.length;
    await made.driver.harness.advance(200_000);
    expect(made.returns.filters).to.have.length(listed);
    expect(made.driver.keeper(keysOf(made, 'orders')[0]!).told).to.deep.equal([]);
    expect(made.driver.status().phase).to.equal('running');
    expect((await made.remove('returns'))(), 'a source that is not there').to.deep.equal([]);
  });

  it('releases a lease whose keeper starts only then, with the time that is left', async () => {
    const driver = driveCoordinator({ sources: [at(listedStream({ shards: 1 }))] });
    await driver.started();
    const [keeper] = driver.keepers;
    const { leaseKey, writer } = keeper!.args;
    await driver.harness.ask<LeaseCoordinatorMessage, unknown>(driver.coordinator, (replyTo) => ({
      type: 'removeSource',
      source: 'orders',
      deadlineMs: 4_000,
      replyTo: replyTo as never,
    }));
    await driver.harness.advance(1_000);
    const incarnation = Number(writer.split('.').at(-1));
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperSpawned',
      leaseKey,
      incarnation,
      keeper: keeper!.ref,
    });
    expect(keeper!.told.at(-1)).to.deep.equal({
      type: 'release',
      reason: 'its source is being removed',
      deadlineMs: 3_000,
    });
  });

  it('ends the shards whose end its workers still reach, and answers who waits for the source', async () => {
    const made = await running();
    made.returns.faults.describe.push(...Array.from({ length: 100 }, () => new Error('down')));
    const joining = await made.add(made.returns);
    expect((await made.remove('returns'))()).to.deep.equal([]);
    expect(joining()).to.have.nested.property('error.code', 'STOPPED');

    const [leaseKey] = keysOf(made, 'orders');
    const answer = await made.remove('orders');
    const [child] = made.orders.split('shardId-000000000000');
    expect(await made.driver.askEnd(leaseKey!)).to.have.property('type', 'ready');
    await made.driver.end(leaseKey!, [child]);
    await made.driver.harness.advance(5_000);
    expect(answer()).to.deep.equal([]);
    expect(keysOf(made, 'orders'), 'its child is not taken').to.have.length(1);
  });

  it('is not touched by an answer that comes after it was forgotten, and begins afresh when it is added again', async () => {
    const made = await running();
    let list = (): void => undefined;
    const { listShards } = made.returns;
    const late = new Promise<void>((resolve) => (list = resolve));
    const signals: AbortSignal[] = [];
    made.returns.listShards = (filter, signal) => (signals.push(signal), late.then(() => listShards(filter, signal)));
    await made.add(made.returns);
    await made.driver.harness.advance(300);
    expect((await made.remove('returns'))()).to.deep.equal([]);
    expect(
      signals.map(({ aborted }) => aborted),
      'it creates no rows',
    ).to.deep.equal([true]);
    list();
    await made.driver.harness.advance(2_000);
    expect(made.driver.status().sources.map(({ source }) => source)).to.deep.equal(['orders']);
    expect(keysOf(made, 'returns')).to.deep.equal([]);
    const answer = await made.add(made.returns);
    await made.driver.harness.advance(300);
    expect(answer()).to.deep.equal({ type: 'started' });
    expect(keysOf(made, 'returns')).to.have.length(1);
  });

  it('is reported with the leases of keepers that have died, and its cool-downs are forgotten', async () => {
    const made = await running();
    const [leaseKey] = keysOf(made, 'orders');
    await crash(made, leaseKey!);
    const answer = await made.remove('orders');
    expect(answer()).to.have.length(1);
    expect(answer()![0]).to.include({ leaseKey, released: false, recordsLeft: 'unknown' });
    await made.add(made.orders);
    await made.driver.harness.advance(300);
    expect(keysOf(made, 'orders')).to.have.length(2);
  });

  it('is reported without the leases of other sources, and what failed of it is forgotten', async () => {
    const made = await running();
    const { driver } = made;
    made.returns.faults.describe.push(...Array.from({ length: 100 }, () => new Error('down')));
    await made.add(made.returns);
    await driver.harness.advance(1_000);
    expect(driver.status().failing).to.have.length(1);
    await crash(made, keysOf(made, 'orders')[0]!);
    expect((await made.remove('returns'))()).to.deep.equal([]);
    expect(driver.status().failing).to.deep.equal([]);
  });

  it('begins afresh when it is added again: the time for which it was unread is forgotten', async () => {
    const made = await running();
    const { driver } = made;
    const [leaseKey] = keysOf(made, 'orders');
    await driver.harness.advance(40_000);
    expect(driver.status().longestUnread).to.deep.equal({ leaseKey, ms: 40_000 });
    const answer = await made.remove('orders');
    await release(made, leaseKey!);
    expect(answer()).to.have.length(1);
    expect(driver.status().longestUnread, 'nobody reads it on purpose').to.equal(undefined);
    await driver.harness.advance(20_000);
    expect(driver.status().longestUnread).to.equal(undefined);
    await made.add(made.orders);
    await driver.harness.advance(300);
    await driver.taken(leaseKey!);
    await driver.harness.advance(12_000);
    expect(driver.status().longestUnread?.ms).to.be.within(12_000, 13_000);
  });

  for (const ending of ['gives the lease back with a cool-down', 'crashes'] as const)
    it(`leaves no cool-down if its last keeper ${ending} during the removal`, async () => {
      const made = await running();
      const { driver } = made;
      const [leaseKey] = keysOf(made, 'orders') as [string];
      await made.remove('orders');
      const { leaseOwner: _, ...row } = driver.store.row(leaseKey);
      driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
      const { args } = driver.keeper(leaseKey);
      const at = { checkpoint: row.checkpoint, subSequenceNumber: row.checkpointSubSequenceNumber };
      const lease = { leaseKey, source: args.source, shardId: args.shardId, ...at, recordsLeft: 0, released: true };
      if (ending === 'crashes') await crash(made, leaseKey);
      else await driver.news(leaseKey, { type: 'released', lease, reason: 'it fails', coolDown: true });
      await made.add(made.orders);
      await driver.harness.advance(300);
      expect(keysOf(made, 'orders'), 'taken at once').to.have.length(2);
    });
});
