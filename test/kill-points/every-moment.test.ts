// Kills every actor at every message that it handles and around every effect that it starts, on the real tree in virtual time. A
// first run shows which messages there are. `messages.ts` proves that none of the unions in `actors` is left out.
import { expect } from 'chai';
import { isWhole, newDraw } from '../support/sampled.js';
import { effects, messages } from './messages.js';
import { killed, watch, type Watched } from './killed.js';
import { middle, momentsIn, type Moment } from './moment.js';
import type { Outcome } from './run.js';
import { scenarios } from './scenarios.js';

const watched: Watched[] = [];
for (const scenario of scenarios) watched.push(await watch(scenario));

const reached = (kind: string, name: string): boolean =>
  watched.some(({ observed }) =>
    [...(observed.get(kind)?.keys() ?? [])].some((what) => what === name || what.endsWith(` ${name}`)),
  );

/** The items that were handed out more than once, by any consumer. */
function handedOutAgain({ world }: Outcome): string[] {
  const all = world.members.flatMap(({ seen }) => seen);
  return all.filter((id, at) => all.indexOf(id) !== at);
}

describe('the scenarios', () => {
  for (const { scenario, outcome } of watched) {
    it(`lose nothing if no actor is killed: ${scenario.name}`, () => {
      expect(outcome.complaints).to.deep.equal([]);
      if (scenario.ends === undefined) expect(outcome.ended).to.equal(undefined);
      else expect(outcome.ended).to.have.property('code', scenario.ends);
      if (scenario.once === true) expect(handedOutAgain(outcome), 'handed out again').to.deep.equal([]);
    });
  }

  for (const [kind, all] of Object.entries(messages)) {
    it(`reach every message of ${kind}, except those that say why not`, () => {
      for (const [type, reach] of Object.entries(all)) {
        const isReached = [...'send ask reply result timer down lifecycle'.split(' ')].some((via) =>
          reached(kind, `${via} ${type}`),
        );
        expect(isReached, `${kind} ${type}: ${reach === true ? 'reached' : reach}`).to.equal(reach === true);
      }
    });
  }

  for (const [kind, names] of Object.entries(effects)) {
    it(`reach every effect of ${kind}`, () => {
      for (const name of names) expect(reached(kind, `effect ${name}`), `${kind}: ${name}`).to.equal(true);
    });
  }

  it('meet only messages and effects that the tables name', () => {
    for (const { observed } of watched) {
      for (const [kind, whats] of observed) {
        for (const what of whats.keys()) {
          const [via, name] = what.split(' ') as [string, string];
          const known = via === 'effect' ? effects[kind]?.includes(name) : Object.hasOwn(messages[kind] ?? {}, name);
          expect(known, `${kind}: ${what}`).to.equal(true);
        }
      }
    }
  });
});

/**
 * Every kind of moment is struck in one of the scenarios that have it, in the middle of its occurrences. Of its other scenarios, one
 * in a few is struck, too. The seed decides which, so every run strikes elsewhere. With `KINACT_SAMPLE=all`, every scenario is struck
 * at every kind of moment, and the seed decides which occurrence.
 */
const oneIn = 120;
const { dice, named } = newDraw();

const moments = watched.map(({ observed }) => momentsIn(observed, isWhole ? dice.pick : middle));
const having = new Map<string, number[]>();
const kindOfMoment = ({ kind, what, when }: Moment): string => `${kind} ${when} ${what}`;
for (const [at, each] of moments.entries())
  for (const moment of each) having.set(kindOfMoment(moment), [...(having.get(kindOfMoment(moment)) ?? []), at]);
const surely = new Map([...having].map(([name, scenariosOf]) => [name, dice.pick(scenariosOf)]));

let cases = 0;
const perKind = new Map<string, number>();

for (const [at, each] of watched.entries()) {
  const struck = (moments[at] ?? []).filter(
    (moment) => isWhole || surely.get(kindOfMoment(moment)) === at || dice.between(1, oneIn) === 1,
  );
  describe(`a consumer with a killed actor, while ${each.scenario.name} ${named}`, () => {
    for (const moment of struck) {
      const { kind, what, when, nth } = moment;
      cases += 1;
      perKind.set(kind, (perKind.get(kind) ?? 0) + 1);
      it(`loses nothing: ${kind} killed ${when} ${what} (${nth})`, () => killed(each, moment));
    }
  });
}

after(() => {
  const kinds = [...perKind].map(([kind, count]) => `${kind} ${count}`).join(', ');
  const all = moments.reduce((sum, each) => sum + each.length, 0);
  console.log(`        every moment ${named}: ${cases} of ${all} cases: ${kinds}`);
});
