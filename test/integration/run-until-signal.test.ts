// runUntilSignal as the last line of a service, in its own process: what signals do, and with which exit code the process ends.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { sameStopMs } from '../../src/core/stop-signal.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { startFleet, type Fleet, type WorkerProcess } from '../support/fleet.js';
import { allSeen } from '../support/fleet-laws.js';
import { readStrictly } from '../support/strict-lease-reader.js';

describe('a process that runs until a signal', function () {
  this.timeout(400_000);
  let fleet: Fleet;
  before(async () => {
    fleet = await startFleet({ shards: 2 });
  });
  after(() => fleet.stop());

  const working = (worker: WorkerProcess, count: number): Promise<true> =>
    fleet.until(
      `${worker.name} works`,
      () => fleet.deliveries().filter((each) => each.worker === worker.name).length >= count,
    );
  const ended = async (worker: WorkerProcess): Promise<number | NodeJS.Signals> => {
    await fleet.until(`${worker.name} ends`, () => !worker.alive, 10_000);
    return worker.exited;
  };

  it('drains its reducers on SIGTERM, releases its leases, and exits with 0', async () => {
    const worker = fleet.start('draining', { itemMs: 20, reducers: 1 });
    await fleet.put(60);
    await working(worker, 5);
    // `timeout` also sends two signals: one to the process, one to its group.
    worker.kill('SIGTERM');
    worker.kill('SIGTERM');
    expect(await ended(worker)).to.equal(0);
    expect(worker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    const rows = await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true, expectKinact: true });
    // Everything that was delivered is checkpointed: the next process does not see it again.
    const before = fleet.deliveries();
    expect(rows.size).to.equal(2);
    const next = fleet.start('next');
    await fleet.put(10);
    await allSeen(fleet);
    next.kill('SIGINT');
    expect(await ended(next)).to.equal(0);
    const again = fleet
      .deliveries()
      .filter(({ id, worker: by }) => by === 'next' && before.some((each) => each.id === id));
    expect(again).to.deep.equal([]);
  });

  it('ends at once with exit code 143 on a second signal after more than two seconds', async () => {
    const worker = fleet.start('impatient', { wedged: true });
    await fleet.put(10);
    await working(worker, 10);
    worker.kill('SIGTERM');
    await fleet.until('it is draining', () => worker.reports.some((report) => report.type === 'signalled'));
    await delay(sameStopMs + 100);
    expect(worker.alive).to.equal(true);
    worker.kill('SIGTERM');
    expect(await ended(worker)).to.equal(143);
    // The stop of the first signal still waits for the wedged reducer.
    expect(worker.reports.some(({ type }) => type === 'stopped')).to.equal(false);
  });

  it('exits with 1 if the deadline cuts its drain short, and another process gets the records again', async () => {
    const worker = fleet.start('cut-short', { wedged: true, stopAfterMs: 1_500 });
    // The previous process ended without releasing its leases, so they must expire.
    await working(worker, 10);
    worker.kill('SIGTERM');
    expect(await ended(worker)).to.equal(1);
    expect(worker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: false });
    await readStrictly(fleet.dynamodb, fleet.application, { afterCleanStop: true });
    const heir = fleet.start('heir');
    await working(heir, 10);
    heir.kill('SIGTERM');
    expect(await ended(heir)).to.equal(0);
  });

  it('exits with 0 on a signal during its start', async () => {
    const hanging = await scriptedServer({ proxy: { upstream: fleet.endpoints.dynamodb } });
    hanging.respond('DescribeStreamSummary', Infinity, { type: 'hang' });
    try {
      const worker = fleet.start(
        'starting',
        { application: 'never-started' },
        { ...fleet.endpoints, kinesis: hanging.url },
      );
      await hanging.called('DescribeStreamSummary', 1);
      worker.kill('SIGTERM');
      expect(await ended(worker)).to.equal(0);
      expect(worker.reports.some(({ type }) => type === 'started')).to.equal(false);
    } finally {
      await hanging.stop();
    }
  });

  it('exits with 1 and one clear error for wrong options or a missing stream', async () => {
    const wrong = fleet.start('wrong', { failoverMs: -1 });
    expect(await ended(wrong)).to.equal(1);
    expect(wrong.reports.at(-1)).to.deep.include({ type: 'failed', code: 'INVALID_OPTION' });
    const missing = fleet.start('missing', { streamName: 'no-such-stream' });
    expect(await ended(missing)).to.equal(1);
    expect(missing.reports.at(-1)).to.deep.include({ type: 'failed', code: 'STREAM_NOT_FOUND' });
  });
});
