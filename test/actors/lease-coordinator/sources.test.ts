// Several streams in one table fail independently. One that is gone or late delays no other, and only its own leases are released.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver, type StubKeeper } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import { KinactError } from '../../../src/api/errors.js';
import type { SourceHistory } from '../../../src/api/source-history.js';

const gone = new KinactError('STREAM_NOT_FOUND', 'no such stream');
const changed = new KinactError('STREAM_CHANGED', 'another stream');

interface Two {
  readonly driver: CoordinatorDriver;
  readonly orders: ListedStream;
  readonly returns: ListedStream;
}

function two(
  faults: readonly unknown[] = [],
  ordersFault?: unknown,
  more: Parameters<typeof driveCoordinator>[0] = {},
): Two {
  const orders = listedStream({ shards: 1 });
  const returns = listedStream({ name: 'returns', shards: 1 });
  returns.faults.describe.push(...faults);
  if (ordersFault !== undefined) orders.faults.describe.push(ordersFault);
  const sources = [orders, returns].map((source) => ({ source, initialPosition: 'TRIM_HORIZON' as const }));
  return { driver: driveCoordinator({ sources, multiStream: true, ...more }), orders, returns };
}

const heldBy = ({ driver }: Two): string[] => driver.keepers.map(({ args }) => args.source);

describe('the sources of one table', () => {
  it('start without a source that does not exist, and report it with its error', async () => {
    const both = two([gone]);
    expect(await both.driver.started()).to.deep.equal({ type: 'started' });
    expect(heldBy(both)).to.deep.equal(['orders']);
    expect(both.driver.harness.eventsOf('sourceFailed')).to.deep.equal([{ source: 'returns', error: gone }]);
    expect(both.driver.status().sources).to.deep.equal([
      { source: 'orders', state: 'running' },
      { source: 'returns', state: 'failed', error: gone },
    ]);
  });

  it('fail the start with the error of the first source if all of them fail', async () => {
    const both = two([gone], changed);
    expect(await both.driver.started()).to.deep.equal({ type: 'failed', error: changed });
    expect(both.driver.status().phase).to.equal('failed');
    await both.driver.harness.advance(60_000);
    expect(both.driver.scans()).to.equal(0);
  });

  it('take leases while one source is retried, and have started once that source can be read', async () => {
    const both = two([new Error('throttled')]);
    expect(await both.driver.started(), 'the second is waited for').to.equal(undefined);
    await both.driver.harness.advance(100);
    expect(heldBy(both)).to.include('orders');
    await both.driver.harness.advance(2_000);
    expect(await both.driver.started()).to.deep.equal({ type: 'started' });
    expect(heldBy(both)).to.have.members(['orders', 'returns']);
  });

  it('have started at the deadline without a late source, which joins when it can be read', async () => {
    const late = new Error('still down');
    const both = two(
      Array.from({ length: 100 }, () => late),
      undefined,
      { startDeadlineMs: 5_000 },
    );
    await both.driver.harness.advance(5_000);
    expect(await both.driver.started()).to.deep.equal({ type: 'started' });
    expect(both.driver.status().sources[1]).to.deep.equal({ source: 'returns', state: 'starting', error: late });
    both.returns.faults.describe.length = 0;
    await both.driver.harness.advance(7_000);
    expect(heldBy(both)).to.have.members(['orders', 'returns']);
    expect(both.driver.status().sources[1]).to.deep.equal({ source: 'returns', state: 'running' });
  });

  it('continue when one source fails, releases its leases, and is neither listed nor taken again', async () => {
    const both = two();
    await both.driver.started();
    await both.driver.takenAll();
    const [orders, returns] = ['orders', 'returns'].map((name) =>
      both.driver.keepers.find(({ args }) => args.source === name)!,
    );
    both.returns.recreate();
    await both.driver.news(returns!.args.leaseKey, { type: 'streamDoubted' });
    await both.driver.harness.advance(2_000);
    expect(returns!.told).to.deep.equal([
      { type: 'release', reason: 'its source has failed: STREAM_CHANGED', deadlineMs: 30_000 },
    ]);
    expect(orders!.told).to.deep.equal([]);
    const { leaseKey } = returns!.args;
    const { leaseOwner: _, ...row } = both.driver.store.row(leaseKey);
    both.driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
    const { checkpoint, checkpointSubSequenceNumber: subSequenceNumber } = row;
    const lease = { leaseKey, source: 'returns', shardId: 's', recordsLeft: 0, checkpoint, subSequenceNumber };
    await both.driver.news(leaseKey, {
      type: 'released',
      lease: { ...lease, released: true },
      reason: '',
      coolDown: false,
    });
    const listed = both.returns.filters.length;
    const described = Array.from({ length: 50 }, () => new Error('nobody asks'));
    both.returns.faults.describe.push(...described);
    await both.driver.harness.advance(200_000);
    expect(both.returns.faults.describe).to.have.length(50);
    expect(both.returns.filters).to.have.length(listed);
    expect(both.orders.filters.length).to.be.above(2);
    expect(heldBy(both)).to.have.members(['orders', 'returns']);
    const [failed, ...others] = both.driver.harness.eventsOf('sourceFailed');
    expect(failed).to.include({ source: 'returns' }).and.to.have.nested.property('error.code', 'STREAM_CHANGED');
    expect(others).to.deep.equal([]);
  });

  it('release a take that was under way when its source failed, and end no shard of it', async () => {
    const driver = driveCoordinator({ stream: listedStream({ shards: 1 }) });
    await driver.started();
    const [keeper] = driver.keepers;
    await driver.harness.tell(driver.coordinator, { type: 'syncFailed', stream: 0, error: changed });
    expect(keeper!.told.map(({ type }) => type)).to.deep.equal(['release']);
    expect(await driver.askEnd(keeper!.args.leaseKey)).to.deep.include({ type: 'blocked' });
  });

  it('release a take whose keeper started only after its source had failed', async () => {
    const driver = driveCoordinator({ stream: listedStream({ shards: 1 }) });
    await driver.started();
    const [{ args, ref, told }] = driver.keepers as [StubKeeper];
    await driver.harness.tell(driver.coordinator, { type: 'syncFailed', stream: 0, error: changed });
    told.length = 0;
    const incarnation = Number(args.writer.split('.').at(-1));
    const { leaseKey } = args;
    await driver.harness.tell(driver.coordinator, { type: 'keeperSpawned', leaseKey, incarnation, keeper: ref });
    expect(told.map(({ type }) => type)).to.deep.equal(['release']);
  });

  it('fail once each, without a crash, when a KCL 3 leader has taken the table over', async () => {
    const both = two();
    await both.driver.started();
    await both.driver.takenAll();
    const error = new KinactError('KCL3_TABLE', 'no');
    both.driver.store.script('scan', { type: 'failBefore', error });
    await both.driver.harness.advance(6_000);
    expect(both.driver.harness.eventsOf('sourceFailed')).to.deep.equal([
      { source: 'orders', error },
      { source: 'returns', error },
    ]);
    expect(both.driver.keepers.map(({ told }) => told.map(({ type }) => type))).to.deep.equal([
      ['release'],
      ['release'],
    ]);
    const scans = both.driver.scans();
    await both.driver.harness.advance(60_000);
    expect(both.driver.scans()).to.equal(scans);
    expect(both.driver.harness.endingOf(both.driver.coordinator)).to.equal(undefined);
  });

  it('are retried after every error if they have worked under an earlier coordinator', async () => {
    const history: SourceHistory = { worked: true, failure: undefined };
    const stream = listedStream({ shards: 1 });
    const denied = new KinactError('ACCESS_DENIED', 'no');
    stream.faults.describe.push(denied);
    stream.faults.listShards.push(denied);
    const driver = driveCoordinator({ sources: [{ source: stream, initialPosition: 'LATEST', history }] });
    driver.store.script('ensureTable', { type: 'failBefore', error: new KinactError('TABLE_NOT_KCL', 'no') });
    driver.store.script('scan', { type: 'failBefore', error: denied });
    await driver.harness.advance(20_000);
    expect(await driver.started()).to.deep.equal({ type: 'started' });
    expect(driver.harness.eventsOf('retrying')).to.have.length(4);
  });

  it('fail only after every look for a minute has not found the stream', async () => {
    const both = two();
    await both.driver.started();
    const { faults } = both.returns;
    faults.listShards.push(...Array.from({ length: 500 }, () => gone));
    await both.driver.harness.advance(115_000);
    expect(both.driver.harness.eventsOf('sourceFailed'), 'the next sync comes within 66 s').to.deep.equal([]);
    await both.driver.harness.advance(20_000);
    expect(both.driver.harness.eventsOf('sourceFailed')).to.deep.equal([{ source: 'returns', error: gone }]);
    const retried = both.driver.harness.eventsOf('retrying');
    expect(retried.length).to.be.within(5, 200);
    expect(retried.map(({ attempt }) => attempt)).to.deep.equal(retried.map((_, index) => index + 1));
  });

  it('fail only after five looks, however long each of them takes', async () => {
    const { driver, returns } = two();
    await driver.started();
    const looks: ((error: unknown) => void)[] = [];
    returns.listShards = () => new Promise((_, reject) => void looks.push(reject));
    await driver.harness.advance(70_000);
    for (let look = 1; look <= 5; look += 1) {
      expect(driver.harness.eventsOf('sourceFailed'), `after ${look - 1} looks`).to.deep.equal([]);
      expect(looks, 'one look is under way').to.have.length(1);
      await driver.harness.advance(40_000);
      looks.pop()!(gone);
      await driver.harness.advance(20_000);
    }
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([{ source: 'returns', error: gone }]);
  });

  it('do not fail if only ListShards finds no stream, or if another error comes between', async () => {
    const both = two();
    await both.driver.started();
    const unlisted = new KinactError('STREAM_NOT_FOUND', 'no', { data: { operation: 'kinesis:ListShards' } });
    both.returns.faults.listShards.push(...Array.from({ length: 2_000 }, () => unlisted));
    both.orders.faults.listShards.push(
      ...Array.from({ length: 2_000 }, (_, at) => (at % 12 === 5 ? new Error('throttled') : gone)),
    );
    await both.driver.harness.advance(600_000);
    expect(both.driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
    expect(both.driver.status().failing.map(({ operation }) => operation)).to.deep.equal(['shard sync', 'shard sync']);
  });

  it('stay failed under the next coordinator', async () => {
    const history: SourceHistory = { worked: true, failure: changed };
    const stream = listedStream();
    const driver = driveCoordinator({ sources: [{ source: stream, initialPosition: 'LATEST', history }] });
    expect(await driver.started()).to.deep.equal({ type: 'failed', error: changed });
    expect(stream.filters).to.deep.equal([]);
    expect(driver.harness.eventsOf('sourceFailed')).to.deep.equal([]);
  });
});
