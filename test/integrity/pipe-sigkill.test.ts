// Workers with the tenant pipe (routes, aggregates, a sink behind them), killed by SIGKILL at random while records flow. What a pipe holds
// is settled only once it is written, so every record is in the files, and its idempotency key finds the repeats.
import { expect } from 'chai';
import { newDraw } from '../support/sampled.js';
import { sceneOfSuite } from '../support/load-scene.js';
import type { Delivery } from '../support/worker-process.js';

const kills = 6;

describe('workers with a pipe, killed by SIGKILL at random', function () {
  this.timeout(400_000);
  const { dice, named } = newDraw();
  const worker = { pipe: true, itemMs: 5, failoverMs: 2_000 };
  const scene = sceneOfSuite({ shards: 4, application: 'tenants-app', load: { count: 24 }, worker });

  it(`lose nothing: without repeats, the files have every record once, in order ${named}`, async () => {
    const { fleet } = scene;
    let started = 0;
    const start = (): void => {
      started += 1;
      scene.start(`worker-${started}`);
    };
    start();
    start();
    for (let killed = 0; killed < kills; killed += 1) {
      const enough = fleet.deliveries().length + dice.between(20, 250);
      await fleet.until('more records', () => fleet.deliveries().length >= enough);
      const victim = dice.pick(fleet.workers.filter(({ alive }) => alive));
      victim.kill('SIGKILL');
      expect(await victim.exited).to.equal('SIGKILL');
      start();
    }
    await scene.expectNothingLost('pipe killed');

    const first = new Map<string, Delivery>();
    for (const each of fleet.deliveries()) {
      const { idempotencyKey = '', id } = each;
      expect(first.get(idempotencyKey)?.id ?? id, idempotencyKey).to.equal(id);
      if (!first.has(idempotencyKey)) first.set(idempotencyKey, each);
    }
    const all = [...first.values()];
    for (const tenant of new Set(all.map((each) => each.tenant))) {
      const ids = all.flatMap((each) => (each.tenant === tenant ? [each.id] : []));
      const written = fleet.written.filter((id) => id.split('/')[0]?.at(-1) === tenant);
      expect(ids.toSorted(), `tenant ${tenant}`).to.deep.equal(written.toSorted());
    }
    expect(all).to.have.length(fleet.written.length);
  });
});
