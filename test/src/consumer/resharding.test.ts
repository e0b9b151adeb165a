// UpdateShardCount 4 → 8 → 16 → 8 → 4 → 2 under load, read by whole consumers in virtual time, by polling and by enhanced fan-out.
// Nothing is lost, and keys are in order over parents and children. Where nobody is killed nothing is repeated, and no child waits.
import { expect } from 'chai';
import { ReshardingScene } from '../../support/resharding-scene.js';
import { isWhole, newDraw } from '../../support/sampled.js';
import { virtualClock } from '../../support/virtual.js';

const targets = [8, 16, 8, 4, 2];
/** More than the ends of one change take, so that each change finds the quick requests of `shared-request.ts` again. */
const apartMs = 12_000;

const draw = newDraw();
const seeds = Array.from({ length: isWhole ? 10 : 1 }, () => draw.dice.between(1, 1_000_000));

function expectOrder(scene: ReshardingScene): void {
  expect(scene.lost(), 'lost').to.deep.equal([]);
  expect(scene.unended(), 'not at SHARD_END').to.deep.equal([]);
  expect(scene.outOfOrder(), 'out of order').to.deep.equal([]);
}

describe(`a stream that is scaled by UpdateShardCount under load ${draw.named}`, function () {
  this.timeout(isWhole ? 600_000 : 60_000);
  for (const retrieval of ['polling', 'fan-out'] as const)
    for (const seed of seeds) {
      for (const workers of [1, 3])
        it(`is read once and in order, and no child waits for long (${retrieval}, ${workers} processes, seed ${seed})`, async () => {
          using clock = virtualClock();
          const scene = new ReshardingScene(clock, { seed, retrieval });
          for (let number = 1; number <= workers; number += 1) await scene.start(`w${number}`);
          await scene.write(15_000, 50);
          for (const target of targets) {
            await scene.scale(target);
            await scene.write(apartMs, 50);
          }
          await scene.settled();
          expectOrder(scene);
          expect(scene.repeats(), 'repeated').to.deep.equal([]);
          expect(scene.open).to.have.length(2);

          const handOvers = scene.handOvers();
          expect(handOvers).to.have.length(scene.shards.length - 4);
          expect(handOvers.filter(({ isWithin, ms }) => ms >= (isWithin ? 1_000 : 3_000))).to.deep.equal([]);
          await scene.stop();
        });

      it(`loses nothing, and keeps the order of keys, while processes are killed (${retrieval}, seed ${seed})`, async () => {
        using clock = virtualClock();
        const scene = new ReshardingScene(clock, { seed, retrieval });
        for (let number = 1; number <= 3; number += 1) await scene.start(`w${number}`);
        await scene.write(10_000, 50);
        for (const [index, target] of targets.entries()) {
          await scene.scale(target);
          // In the middle of the change, where parents end and children begin.
          await scene.write(scene.dice.between(100, 3_000), 50);
          scene.kill(scene.dice.pick(scene.living).name);
          await scene.write(scene.dice.between(0, 5_000), 50);
          await scene.start(`v${index}`);
          await scene.write(6_000, 50);
        }
        await scene.settled(180_000);
        expectOrder(scene);
        await scene.stop();
      });
    }
});
