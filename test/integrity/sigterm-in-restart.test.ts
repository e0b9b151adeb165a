// SIGTERM while the pipeline is restarting: one reducer has thrown, another is still inside a user call, and the restart waits for
// this call (design.md section 2).
import { expect } from 'chai';
import { ownersOf, type WorkerProcess } from '../support/fleet.js';
import { allSeen } from '../support/fleet-laws.js';
import { sceneOfTest } from '../support/load-scene.js';
import { uncovered } from '../support/replays.js';
import type { WorkerConfig } from '../support/worker-process.js';

const failoverMs = 3_000;
/** The keys of these two records belong to different reducers. */
const [slowId, throwOnceId] = ['k0/6', 'k2/6'];

describe('a worker that gets SIGTERM while its pipeline restarts', function () {
  this.timeout(400_000);
  const scene = sceneOfTest({ shards: 1, worker: { failoverMs } });

  const reached = (worker: WorkerProcess, id: string): boolean =>
    worker.reports.some((report) => report.type === 'reached' && report.id === id);
  /** Starts a worker, checkpoints five records of each key, and lets a reducer crash while `slowId` is in another reducer. */
  const inRestart = async (config: Partial<WorkerConfig>): Promise<WorkerProcess> => {
    const { fleet } = scene;
    const worker = scene.start('restarting', { reducers: 4, slowId, throwOnceId, ...config });
    await fleet.put(120);
    await allSeen(fleet);
    const covered = async (): Promise<boolean> => uncovered(await fleet.rows(), fleet.deliveries()).length === 0;
    await fleet.until('a checkpoint behind all of them', covered);
    await fleet.put(120);
    await fleet.until('one record is slow', () => reached(worker, slowId));
    await fleet.until('another has thrown', () => worker.events('actorCrashed').length > 0);
    expect(fleet.deliveries().some(({ id }) => id === slowId)).to.equal(false);
    return worker;
  };
  /** Expects that a successor gets exactly the records after the first five of each key: a restart moves no checkpoint. */
  const expectReplayed = async (scenario: string, left: WorkerProcess): Promise<void> => {
    const { fleet } = scene;
    scene.start('successor');
    await allSeen(fleet);
    // Node ends the process only when the last call has ended.
    expect(await left.exited).to.equal(1);
    await scene.expectNothingLost(scenario);
    const again = fleet.deliveries().filter(({ worker }) => worker === 'successor');
    expect(again.map(({ id }) => id)).to.have.members(fleet.written.slice(120));
    const fences = fleet.deliveries().flatMap(({ worker, fence }) => (worker === 'restarting' ? [fence] : []));
    expect(new Set(fences).size, 'nothing was begun again after the signal').to.equal(1);
  };

  it('waits for the running call, begins nothing new, releases its lease, and reports that it is not drained', async () => {
    const { fleet } = scene;
    const worker = await inRestart({ slowMs: 2_000 });
    worker.kill('SIGTERM');
    expect(await worker.exited).to.equal(1);
    expect(worker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: false });
    expect(worker.events('orphaned')).to.deep.equal([]);
    expect(fleet.deliveries().at(-1)?.id, 'ended before the process').to.equal(slowId);
    expect([...ownersOf(await fleet.rows()).keys()]).to.deep.equal(['(nobody)']);
    const [released] = worker.events('leaseReleased');
    expect(released?.at, 'the lease was held until the call had ended').to.be.at.least(
      fleet.deliveries().at(-1)?.at ?? 0,
    );
    await expectReplayed('sigterm-in-restart', worker);
  });

  it('reports an orphan if the call outlives the deadline, and a successor gets the record again', async () => {
    const { fleet } = scene;
    const worker = await inRestart({ slowMs: 4_000, stopAfterMs: 1_000 });
    worker.kill('SIGTERM');
    const stopped = await fleet.until('it stopped', () => worker.reports.find(({ type }) => type === 'stopped'));
    expect(stopped).to.deep.include({ drained: false });
    expect(worker.events('orphaned')).to.have.length(1);
    expect(fleet.deliveries().some(({ id }) => id === slowId)).to.equal(false);
    await expectReplayed('sigterm-in-restart, cut short', worker);
  });
});
