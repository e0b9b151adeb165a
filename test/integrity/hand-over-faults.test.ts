// Faults in the middle of a hand-over, on real processes. The worker that asks for a lease, or its holder, is killed, stopped, cut
// off from DynamoDB, or told to end. A witness of every write to the table triggers the fault. In hand-over-both-fail.test.ts both
// workers fail.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import {
  deliveredBetween,
  deliversFrom,
  untilOthersDeliver,
  printTimes,
  ownersDeliver,
} from '../support/fleet-laws.js';
import {
  againWithinMs,
  forcedFrom,
  kindsOf,
  playHandOverCases,
  type HandOverCase,
} from '../support/hand-over-cases.js';
import {
  failoverMs,
  isHandOver,
  isRefusal,
  isTake,
  isWish,
  isYielding,
  newOwner,
  type Is,
  type Scene,
} from '../support/hand-over-scene.js';
import { deliveredUnderOldFence, finishedAfter } from '../support/zombie-laws.js';

const cases: readonly HandOverCase[] = [
  ...(
    [
      ['when a lease has been handed to it, before it has looked', isHandOver, 'killed-when-given'],
      ['when it has taken what was handed to it', isTake, 'killed-when-taken'],
    ] as const
  ).map(([moment, is, name]): HandOverCase => ({
    title: `returns the lease after it expires, without a repeat, if the asker is killed ${moment}`,
    name,
    shards: 4,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const ofAsker: Is = (write) => is(write) && newOwner(write) === asker.name;
      const { leaseKey = '' } = await scene.meet('it is the asker’s', ofAsker, () => asker.kill('SIGKILL'));
      const killed = Date.now();
      await scene.meet('the holder takes it back', (write) => isTake(write) && write.leaseKey === leaseKey);
      printTimes(
        `${name}: delivering again`,
        await untilOthersDeliver(fleet, asker, [leaseKey], () => killed, againWithinMs),
      );
      await ownersDeliver(fleet, [holder]);
      const { changes, deliveries, replayed } = await scene.end();
      expect(await asker.exited).to.equal('SIGKILL');
      expect(deliveries.filter(({ worker }) => worker === asker.name)).to.deep.equal([]);
      expect(kindsOf(changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'handOver']);
      expect(replayed).to.equal(0);
    },
  })),
  ...(
    [
      ['when it has left its wish', isWish, 'killed-when-wishing'],
      ['when it has been answered', isYielding, 'killed-when-answered'],
    ] as const
  ).map(([moment, is, name]): HandOverCase => ({
    title: `lets the holder continue, and the wish blocks no later asker, if the asker is killed ${moment}`,
    name,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const drains = scene.meetDraining();
      const met = await scene.meet('the moment', is, () => asker.kill('SIGKILL'));
      const { leaseKey = '' } = met;
      await drains;
      await scene.outliveWish(met, holder);
      await scene.deliversWhatIsNew(holder, leaseKey);
      const fences = new Set(fleet.deliveries().flatMap((each) => (each.shardId === leaseKey ? [each.fence] : [])));
      expect(scene.witness.writes.filter(isRefusal), 'nobody is there to be refused').to.deep.equal([]);
      const next = await scene.startProxied('next');
      await ownersDeliver(fleet, [holder, next]);
      const { changes, lapses, replayed } = await scene.end();
      if (lapses.length === 0) expect(fences.size, 'it goes on under its own fence').to.equal(1);
      expect(changes.filter(({ to }) => to === asker.name)).to.deep.equal([]);
      expect(changes.filter(({ kind, to }) => kind === 'handOver' && to === next.name)).to.not.be.empty;
      expect(replayed).to.equal(0);
    },
  })),
  {
    title: 'lets the asker take the leases of a holder that is killed while it drains',
    name: 'holder-killed',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey = '' } = await scene.meetDraining(() => holder.kill('SIGKILL'));
      const killed = Date.now();
      expect(await holder.exited).to.equal('SIGKILL');
      const held = heldBy(await fleet.rows(), holder);
      expect(held).to.include(leaseKey);
      printTimes(
        'holder-killed: delivering elsewhere',
        await untilOthersDeliver(fleet, holder, held, () => killed, againWithinMs),
      );
      await ownersDeliver(fleet, [asker]);
      const { changes } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'take']);
    },
  },
  {
    title: 'lets the asker take the lease without force if the holder is killed right after the hand-over',
    name: 'holder-killed-when-given',
    play: async (scene, holder) => {
      const asker = await scene.asker();
      const { leaseKey } = await scene.meet('handed over', isHandOver, () => holder.kill('SIGKILL'));
      await ownersDeliver(scene.fleet, [asker]);
      const { changes } = await scene.end();
      const ofIt = changes.filter((change) => change.leaseKey === leaseKey);
      expect(ofIt.slice(0, 2).map(({ kind, to }) => [kind, to])).to.deep.equal([
        ['take', holder.name],
        ['handOver', asker.name],
      ]);
      expect(forcedFrom(ofIt, holder)).to.deep.equal([]);
    },
  },
  {
    title: 'stops a holder, suspended by SIGSTOP while it drains, from delivering or handing over lost leases',
    name: 'holder-stopped',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet, witness } = scene;
      const asker = await scene.asker();
      const { leaseKey = '' } = await scene.meetDraining(() => holder.kill('SIGSTOP'));
      scene.hurry();
      const stopped = Date.now();
      const held = heldBy(await fleet.rows(), holder);
      printTimes(
        'holder-stopped: delivering elsewhere',
        await untilOthersDeliver(fleet, holder, held, () => stopped, againWithinMs),
      );
      const seen = witness.writes.length;
      const continued = holder.kill('SIGCONT');
      const lost = (): boolean =>
        held.every((key) => holder.events('leaseLost').some(({ data }) => data.shardId === key));
      await fleet.until('it knows', lost);
      await ownersDeliver(fleet, [holder, asker]);
      const { changes, deliveries } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'take']);
      expect(deliveredUnderOldFence(deliveries, holder.name, continued)).to.deep.equal([]);
      expect(finishedAfter(deliveries, holder.name, continued).length, 'in its two reducers').to.be.at.most(2);
      for (const key of held) {
        const later = witness.writes
          .slice(seen)
          .filter((write) => write.worker === holder.name && write.leaseKey === key);
        const again = later.findIndex(isTake);
        const old = later.slice(0, again === -1 ? later.length : again);
        expect(
          old.filter((write) => write.accepted && !isWish(write)),
          'accepted',
        ).to.deep.equal([]);
        expect(
          old.filter((write) => newOwner(write) !== undefined),
          'given',
        ).to.deep.equal([]);
      }
    },
  },
  {
    title: 'stops deliveries of a holder that loses DynamoDB while it drains, until the connection is back',
    name: 'holder-cut',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const proxy = scene.proxyOf(holder);
      const { leaseKey = '' } = await scene.meetDraining(() => proxy.set({ type: 'cut' }));
      scene.hurry();
      const cut = Date.now();
      const held = heldBy(await fleet.rows(), holder);
      printTimes(
        'holder-cut: delivering elsewhere',
        await untilOthersDeliver(fleet, holder, held, () => cut, againWithinMs),
      );
      const healed = proxy.set({ type: 'pass' });
      await ownersDeliver(fleet, [holder, asker]);
      await deliversFrom(fleet, holder, healed);
      const { changes } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 2)).to.deep.equal(['take', 'take']);
      expect(deliveredBetween(fleet, holder, cut + failoverMs, healed), 'after its leases').to.deep.equal([]);
      expect(holder.events('pipelineRestarted')).to.deep.equal([]);
    },
  },
  {
    title: 'shows the holder in the row that its hand-over was written, if the answer is lost',
    name: 'holder-unheard',
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey } = await scene.meet('handed over', isHandOver, () => 'unheard');
      const isTold = (): boolean => holder.events('leaseHandedOver').some(({ data }) => data.leaseKey === leaseKey);
      await fleet.until('the holder knows', isTold);
      await ownersDeliver(fleet, [holder, asker]);
      expect((await scene.end()).replayed).to.equal(0);
    },
  },
  {
    title: 'returns the lease without a repeat if the asker loses DynamoDB after the answer',
    name: 'asker-cut',
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const proxy = scene.proxyOf(asker);
      const handed = scene.meet('handed over', isHandOver);
      const { leaseKey } = await scene.meet('answered', isYielding, () => proxy.set({ type: 'cut' }));
      await handed;
      await scene.meet('taken back', (write) => isTake(write) && write.leaseKey === leaseKey);
      const healed = proxy.set({ type: 'pass' });
      await ownersDeliver(fleet, [holder, asker]);
      await deliversFrom(fleet, asker, healed);
      const { changes, replayed } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 3)).to.deep.equal(['take', 'handOver', 'take']);
      expect(replayed).to.equal(0);
    },
  },
  {
    title: 'lets the holder continue if the asker loses DynamoDB until its wish no longer counts',
    name: 'asker-cut-long',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const proxy = scene.proxyOf(asker);
      const drains = scene.meetDraining();
      const met = await scene.meet('answered', isYielding, () => proxy.set({ type: 'cut' }));
      const { leaseKey } = met;
      await drains;
      await scene.outliveWish(met, holder);
      await scene.deliversWhatIsNew(holder, leaseKey);
      const healed = proxy.set({ type: 'pass' });
      await ownersDeliver(fleet, [holder, asker]);
      await deliversFrom(fleet, asker, healed);
      const { changes, replayed } = await scene.end();
      expect(forcedFrom(changes, holder)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  },
  {
    title: 'lets the holder exit with 0, without a repeat, on SIGTERM while it drains',
    name: 'holder-ended',
    drainsSlowly: true,
    play: async (scene, holder) => {
      const asker = await scene.asker();
      await scene.meetDraining(() => holder.kill('SIGTERM'));
      scene.hurry();
      expect(await holder.exited).to.equal(0);
      expect(holder.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
      await ownersDeliver(scene.fleet, [asker]);
      const { changes, replayed } = await scene.end();
      expect(forcedFrom(changes, holder)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  },
  ...(
    [
      ['has left its wish', (scene, act) => scene.meet('the wish', isWish, act), 'asker-ended-wishing'],
      ['is drained for', (scene, act) => scene.meetDraining(act), 'asker-ended-drained-for'],
    ] as readonly (readonly [string, (scene: Scene, act: () => unknown) => Promise<{ leaseKey?: string }>, string])[]
  ).map(([moment, meet, name]): HandOverCase => ({
    title: `removes the wish of an asker that gets SIGTERM when it ${moment}, without a repeat`,
    name,
    drainsSlowly: true,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey } = await meet(scene, () => asker.kill('SIGTERM'));
      expect(await asker.exited).to.equal(0);
      expect(asker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
      expect((await fleet.rows()).get(leaseKey ?? '')).to.not.have.property('kinactWish');
      scene.hurry();
      await scene.deliversWhatIsNew(holder, leaseKey);
      await ownersDeliver(fleet, [holder]);
      const { changes, replayed } = await scene.end();
      expect(changes.filter(({ from, to }) => from !== undefined && to === asker.name)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  })),
  {
    title: 'lets an asker release its new lease on SIGTERM right after the hand-over, without a repeat',
    name: 'asker-ended-given',
    play: async (scene, holder) => {
      const asker = await scene.asker();
      const { leaseKey } = await scene.meet('handed over', isHandOver, () => asker.kill('SIGTERM'));
      expect(await asker.exited).to.equal(0);
      expect(asker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
      await ownersDeliver(scene.fleet, [holder]);
      const { changes, replayed } = await scene.end();
      expect(kindsOf(changes, leaseKey).slice(0, 4)).to.deep.equal(['take', 'handOver', 'release', 'take']);
      expect(forcedFrom(changes, asker)).to.deep.equal([]);
      expect(replayed).to.equal(0);
    },
  },
];

playHandOverCases('a fault in the middle of a hand-over', cases);
