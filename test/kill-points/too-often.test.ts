// Kills actors again and again. Above the intensity, the consumer ends by itself and releases its leases. Another consumer on the
// same table loses nothing of what the first one left.
import { expect } from 'chai';
import { kindOf, strikeWhere, type Strike } from './moment.js';
import { run } from './run.js';
import { named } from './scenarios.js';
import type { Scenario } from './scenario.js';

const flushes = named('batches are flushed');
const scenario: Scenario = { ...flushes, options: { ...flushes.options, restart: { intensity: 2, periodMs: 10_000 } } };

/** Kills each actor of the kind at its `nth` step, that is before or after a message, but at most `times` actors. */
function everyTime(kind: string, nth: number, times = Infinity): Strike {
  const done = new Map<string, number>();
  const strike: Strike = strikeWhere((_, actor, _what, when) => {
    if (kindOf(actor) !== kind || (when !== 'before' && when !== 'after') || strike.kills >= times) return false;
    const count = (done.get(actor.path) ?? 0) + 1;
    done.set(actor.path, count);
    return count === nth;
  });
  return strike;
}

let cases = 0;

describe('a consumer with more crashes than the intensity allows', () => {
  for (const kind of ['stage', 'reducer', 'shard-worker', 'shard-worker-supervisor']) {
    for (const nth of [1, 2, 5]) {
      // It gets its leases and the starts of their workers, and no other message, so it may have no fifth step.
      if (kind === 'shard-worker-supervisor' && nth > 4) continue;
      cases += 1;
      it(`ends and releases its leases, and another consumer loses nothing (${kind}, each at its step ${nth})`, async () => {
        const strike = everyTime(kind, nth);
        const { complaints, ended, held, pipelines } = await run(scenario, () => (member) => strike.attach(member));
        expect(complaints).to.deep.equal([]);
        expect(ended).to.have.property('code', 'RESTART_INTENSITY');
        expect(strike.kills).to.be.at.least(3);
        expect(pipelines).to.equal(3);
        expect(held, 'leases not released').to.equal(0);
      });
    }
  }

  for (const kind of ['lease-coordinator', 'coordinators']) {
    for (const nth of [2, 3]) {
      if (kind === 'coordinators' && nth > 2) continue;
      cases += 1;
      it(`ends, and another consumer loses nothing (${kind}, each at its step ${nth})`, async () => {
        const strike = everyTime(kind, nth);
        const { complaints, ended } = await run(scenario, () => (member) => strike.attach(member));
        expect(complaints).to.deep.equal([]);
        expect(ended).to.have.property('code', 'RESTART_INTENSITY');
        expect(strike.kills).to.equal(3);
      });
    }
  }

  for (const nth of [1, 2, 5]) {
    cases += 1;
    it(`does not end, because lease keepers have no intensity (each at its step ${nth})`, async () => {
      const strike = everyTime('lease-keeper', nth, 6);
      const { complaints, ended, pipelines } = await run(scenario, () => (member) => strike.attach(member));
      expect(complaints).to.deep.equal([]);
      expect(ended).to.equal(undefined);
      expect(strike.kills).to.equal(6);
      expect(pipelines).to.equal(1);
    });
  }
});

after(() => console.log(`        too often: ${cases} cases`));
