// Hand-overs between workers with different `failoverMs`, as during a deploy that changes the option. No worker takes a lease by force
// before the larger value has passed, whichever worker dies and whichever has the larger value. Each worker warns once.
import { expect } from 'chai';
import type { Fleet, WorkerProcess } from '../support/fleet.js';
import { ownersDeliver } from '../support/fleet-laws.js';
import { forcedFrom, kindsOf, playHandOverCases, type HandOverCase } from '../support/hand-over-cases.js';
import { isHandOver, type Ending } from '../support/hand-over-scene.js';

const [shortMs, longMs] = [2_000, 6_000];

const orders = [
  { of: 'with the shorter failover time at the holder', name: 'holder-short', holder: shortMs, asker: longMs },
  { of: 'with the longer failover time at the holder', name: 'holder-long', holder: longMs, asker: shortMs },
];

function differs({ events }: WorkerProcess): number {
  return events('warning').filter(({ data }) => data.message?.includes('leases.failoverMs') === true).length;
}

async function eachTells(fleet: Fleet, workers: readonly WorkerProcess[]): Promise<void> {
  await fleet.until('each of them says that they differ', () => workers.every((worker) => differs(worker) > 0));
}

/** For each lease that the dead worker lost: how long it had been silent. */
function silences(changes: Ending['changes'], dead: WorkerProcess): readonly number[] {
  return forcedFrom(changes, dead).map(({ silentMs }) => silentMs);
}

function expectTold(fleet: Fleet, living: readonly WorkerProcess[]): void {
  for (const worker of fleet.workers)
    expect(differs(worker), `${worker.name} warns`).to.be.within(living.includes(worker) ? 1 : 0, 1);
}

const cases = orders.flatMap(({ of, name, holder: holderMs, asker: askerMs }): readonly HandOverCase[] => {
  const failovers = { holder: holderMs, asker: askerMs };
  return [
    {
      title: `hands a lease over without a repeat, ${of}`,
      name: `${name}-handed`,
      failovers,
      drainsSlowly: true,
      play: async (scene, holder) => {
        const { fleet } = scene;
        const asker = await scene.asker();
        const handedOver = scene.meet('handed over', isHandOver);
        await scene.meetDraining();
        scene.hurry();
        await handedOver;
        await ownersDeliver(fleet, [holder, asker]);
        await eachTells(fleet, [holder, asker]);
        const { changes, replayed } = await scene.end();
        expectTold(fleet, [holder, asker]);
        expect(changes.filter(({ kind, from }) => kind === 'take' && from !== undefined)).to.deep.equal([]);
        expect(replayed).to.equal(0);
      },
    },
    {
      title: `takes the leases of a killed holder only after the longer time, ${of}`,
      name: `${name}-holder-killed`,
      failovers: { ...failovers, next: holderMs },
      drainsSlowly: true,
      play: async (scene, holder) => {
        const { fleet } = scene;
        const asker = await scene.asker();
        const { leaseKey } = await scene.meetDraining(() => holder.kill('SIGKILL'));
        await ownersDeliver(fleet, [asker]);
        const next = await scene.startProxied('next');
        await ownersDeliver(fleet, [asker, next]);
        await eachTells(fleet, [asker, next]);
        const { changes } = await scene.end();
        expectTold(fleet, [asker, next]);
        expect(kindsOf(changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'take']);
        expect(silences(changes, holder)).to.have.length(2);
        expect(Math.min(...silences(changes, holder))).to.be.above(longMs);
      },
    },
    {
      title: `takes a lease back from a killed asker only after the longer time, ${of}`,
      name: `${name}-asker-killed`,
      failovers: { ...failovers, next: askerMs },
      play: async (scene, holder) => {
        const { fleet } = scene;
        const asker = await scene.asker();
        const { leaseKey } = await scene.meet('handed over', isHandOver, () => asker.kill('SIGKILL'));
        await ownersDeliver(fleet, [holder]);
        const next = await scene.startProxied('next');
        await ownersDeliver(fleet, [holder, next]);
        await eachTells(fleet, [holder, next]);
        const { changes, replayed } = await scene.end();
        expectTold(fleet, [holder, next]);
        expect(kindsOf(changes, leaseKey).slice(0, 3)).to.deep.equal(['take', 'handOver', 'take']);
        expect(silences(changes, asker)).to.have.length(1);
        expect(Math.min(...silences(changes, asker))).to.be.above(longMs);
        expect(replayed).to.equal(0);
      },
    },
  ];
});

playHandOverCases('a hand-over between workers whose failover times differ', cases);
