// Both processes of a hand-over fail in the middle of it. The holder and the worker that asks for the lease are killed, or stopped
// by SIGSTOP and continued later. A third worker takes over.
import { expect } from 'chai';
import { ownersDeliver } from '../support/fleet-laws.js';
import { forcedFrom, kindsOf, playHandOverCases, type HandOverCase } from '../support/hand-over-cases.js';
import { isHandOver, type Ending, type Scene } from '../support/hand-over-scene.js';
import { deliveredUnderOldFence, finishedAfter } from '../support/zombie-laws.js';

type Signal = 'SIGKILL' | 'SIGSTOP';

interface Moment {
  readonly name: string;
  readonly title: string;
  readonly drainsSlowly: boolean;
  readonly meet: (scene: Scene, act: () => unknown) => Promise<{ leaseKey?: string | undefined }>;
  /** The kinds of the changes of owner until the third worker has the lease. */
  readonly kinds: readonly string[];
}

const moments: readonly Moment[] = [
  {
    name: 'drains',
    title: 'while the holder drains',
    drainsSlowly: true,
    meet: (scene, act) => scene.meetDraining(act),
    kinds: ['take', 'take'],
  },
  {
    name: 'given',
    title: 'after the hand-over, before either process knows of it',
    drainsSlowly: false,
    meet: (scene, act) => scene.meet('handed over', isHandOver, act),
    kinds: ['take', 'handOver', 'take'],
  },
];

const signals: readonly (readonly [Signal, Signal])[] = [
  ['SIGKILL', 'SIGKILL'],
  ['SIGKILL', 'SIGSTOP'],
  ['SIGSTOP', 'SIGKILL'],
  ['SIGSTOP', 'SIGSTOP'],
];

const done = { SIGKILL: 'killed', SIGSTOP: 'stopped and continued' };

function repeatsOf({ deliveries }: Ending, leaseKey: string | undefined): readonly string[] {
  const ids = deliveries.filter(({ shardId }) => shardId === leaseKey).map(({ id }) => id);
  return ids.filter((id, place) => ids.indexOf(id) < place);
}

const cases = moments.flatMap((moment) =>
  signals.map(([toHolder, toAsker]): HandOverCase => ({
    title: `lets a third worker take over if the holder is ${done[toHolder]} and the asker ${done[toAsker]} ${moment.title}`,
    name: `both-${moment.name}-${[toHolder, toAsker].map((each) => each.slice(3).toLowerCase()).join('-')}`,
    drainsSlowly: moment.drainsSlowly,
    // At least one for each worker that lives in the end.
    shards: toHolder === 'SIGSTOP' && toAsker === 'SIGSTOP' ? 3 : 2,
    play: async (scene, holder) => {
      const { fleet } = scene;
      const asker = await scene.asker();
      const { leaseKey } = await moment.meet(scene, () => {
        holder.kill(toHolder);
        asker.kill(toAsker);
      });
      scene.hurry();
      const third = await scene.startProxied('third');
      await ownersDeliver(fleet, [third]);
      const stopped = [...(toHolder === 'SIGSTOP' ? [holder] : []), ...(toAsker === 'SIGSTOP' ? [asker] : [])];
      const continued = stopped.map((worker) => [worker.name, worker.kill('SIGCONT')] as const);
      await ownersDeliver(fleet, [...stopped, third]);
      const ending = await scene.end();
      expect(kindsOf(ending.changes, leaseKey).slice(0, moment.kinds.length)).to.deep.equal(moment.kinds);
      if (moment.name === 'given') expect(repeatsOf(ending, leaseKey), 'of what was handed over').to.deep.equal([]);
      for (const [name, at] of continued) {
        expect(deliveredUnderOldFence(ending.deliveries, name, at)).to.deep.equal([]);
        expect(finishedAfter(ending.deliveries, name, at).length, 'in its two reducers').to.be.at.most(2);
      }
      expect(forcedFrom(ending.changes, third), 'from the one that lives').to.deep.equal([]);
    },
  })),
);

playHandOverCases('both processes of a hand-over fail in the middle of it', cases);
