// Kills two actors at the same moment. Or it kills one actor while the restart of another waits for a call, or while the successors
// of another start. It uses the real tree in virtual time, and the laws of `laws.ts`. A run draws half of the pairs that die at once.
import { expect } from 'chai';
import { actorsOf, crash } from '../../supervision/index.js';
import { drawnHalf, newDraw } from '../support/sampled.js';
import { watch, type Watched } from './killed.js';
import { comes, indices, kindOf, middle, strikeWhere, type Moment, type Strike, type When } from './moment.js';
import { run, type Outcome } from './run.js';
import { kill, type Scenario } from './scenario.js';
import { named } from './scenarios.js';
import type { Member } from './world.js';

/** For each kind, a message in the midst of its work. */
const midst: Readonly<Record<string, string>> = {
  stage: 'send disposed',
  reducer: 'result flushed',
  'shard-worker': 'reply collected',
  'shard-worker-supervisor': 'lifecycle started',
  'lease-keeper': 'result written/written',
  'lease-coordinator': 'send keeperNotice/working',
};
const kinds = Object.keys(midst);
const supervisors = ['pipeline', 'coordinators', 'consumer'];
const inPipeline = ['stage', 'reducer', 'shard-worker', 'shard-worker-supervisor'];

/** Whether each consumer has only one actor of the kind. (The scenarios have one stage.) */
const isAlone = (kind: string): boolean =>
  kind === 'stage' || kind === 'shard-worker-supervisor' || kind === 'lease-coordinator';
const endsIt = (kind: string): boolean => kind === 'pipeline' || kind === 'consumer';

const calm = new Map<Scenario, Watched>();
for (const scenario of [named('batches are flushed'), named('split and merged')])
  calm.set(scenario, await watch(scenario));

function inTheMidst(scenario: Scenario, kind: string, when: When): Moment {
  const what = midst[kind] as string;
  const open = calm.get(scenario)?.observed.get(kind)?.get(what)?.get(when) ?? [];
  expect(open, `${kind} ${what}`).to.not.deep.equal([]);
  return { kind, what, when, nth: middle(indices(open)) };
}

interface Expected {
  readonly kills: number;
  readonly killed: readonly string[];
  readonly pipelines?: number;
}

async function survived(scenario: Scenario, strike: Strike, { kills, killed, pipelines }: Expected): Promise<Outcome> {
  const outcome = await run(scenario, () => (member) => strike.attach(member));
  expect(strike.kills, 'kills').to.equal(kills);
  expect(outcome.complaints).to.deep.equal([]);
  if (killed.some(endsIt)) expect(outcome.ended, 'its end').to.be.instanceOf(Error);
  else expect(outcome.ended).to.equal(undefined);
  if (pipelines !== undefined) expect(outcome.pipelines, 'pipelines').to.be.at.most(pipelines);
  return outcome;
}

/** Kills another actor of the kind than `than`, if there is one. */
function killOther(member: Member, kind: string, than: { readonly id: number }): boolean {
  const found = actorsOf(member.consumer.runtime).filter((actor) => kindOf(actor) === kind && actor.id !== than.id);
  const victim = found[found.length >> 1];
  if (victim !== undefined) crash(victim, new Error('killed as well'));
  return victim !== undefined;
}

let cases = 0;

/** Every pair of kinds, of which the first dies before and after its message. `before` and `after` are neighbors: a draw has one. */
const pairs = kinds.flatMap((one) =>
  [...kinds, ...supervisors].flatMap((other) => (['before', 'after'] as const).map((when) => ({ one, other, when }))),
);

const draw = newDraw();
for (const [scenario, { outcome: unharmed }] of calm) {
  describe(`a consumer with two actors killed at once, while ${scenario.name} ${draw.named}`, () => {
    for (const { one, other, when } of drawnHalf(draw, pairs)) {
      cases += 1;
      it(`loses nothing: ${one} ${when} ${midst[one] as string}, and ${other}`, async () => {
        const isAt = comes(inTheMidst(scenario, one, when));
        let hasOther = false;
        const strike = strikeWhere((member, ...at) => {
          if (!isAt(...at)) return false;
          hasOther = killOther(member, other, at[0]);
          return true;
        });
        await survived(scenario, strike, { kills: 1, killed: [one, other], pipelines: unharmed.pipelines + 2 });
        expect(hasOther, `another ${other}`).to.equal(!(isAlone(other) && one === other));
      });
    }
    for (const one of supervisors) {
      for (const other of supervisors) {
        if (one === other) continue;
        cases += 1;
        it(`loses nothing: the supervisors ${one} and ${other}`, async () => {
          const isAt = comes(inTheMidst(scenario, 'stage', 'before'));
          let found = 0;
          const strike = strikeWhere((member, ...at) => {
            if (!isAt(...at)) return false;
            for (const kind of [one, other]) if (killOther(member, kind, at[0])) found += 1;
            return false;
          });
          await survived(scenario, strike, { kills: 0, killed: [one, other] });
          expect(found).to.equal(one === 'consumer' ? 1 : 2);
        });
      }
    }
  });
}

/** A long flush is under way when an actor `one` is killed, and when an actor `other` is killed. */
const waiting = (one: string, other: string, killed: string[]): Scenario => ({
  name: 'a restart waits',
  form: 'flushes',
  ms: 4_500,
  script: (world, struck) => {
    named('batches are flushed').script(world, struck);
    const { at, trouble } = world;
    at(1_000, () => (trouble.callMs = 700));
    at(1_800, () => kill(struck, one));
    at(1_900, () => {
      const { consumer, lives } = struck;
      const isWaiting = [...lives.values()].some((life) => life.at(-1) === 'stopping');
      const victim = actorsOf(consumer.runtime).find((actor) => kindOf(actor) === other);
      if (!isWaiting || victim === undefined || lives.get(victim.path)?.at(-1) !== 'start') return;
      killed.push(other);
      crash(victim, new Error('killed as well'));
    });
    at(2_200, () => (trouble.callMs = 0));
  },
});

describe('a consumer with an actor killed while the restart of another waits for a call', () => {
  for (const one of [...inPipeline, 'lease-coordinator', 'coordinators']) {
    const others = inPipeline.includes(one) ? ['lease-keeper', 'lease-coordinator', ...supervisors] : ['consumer'];
    for (const other of others) {
      cases += 1;
      it(`loses nothing: ${one}, then ${other}`, async () => {
        const killed: string[] = [];
        const none = strikeWhere(() => false);
        const outcome = await survived(waiting(one, other, killed), none, { kills: 0, killed: [one, other] });
        expect(killed).to.deep.equal([other]);
        expect(outcome.pipelines).to.be.at.most(3);
      });
    }
  }
});

/** The number of an actor. It rises with every incarnation in a runtime. */
const numberOf = ({ path }: { readonly path: string }): number => Number(path.slice(path.lastIndexOf('#') + 1));

const successors: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(inPipeline.map((kind) => [kind, inPipeline])),
  'lease-coordinator': [...inPipeline, 'lease-coordinator', 'lease-keeper', 'coordinators', 'pipeline'],
  'lease-keeper': ['lease-keeper', 'shard-worker'],
};

describe('a consumer with an actor killed while the successors of another start', () => {
  const scenario = named('batches are flushed');
  for (const [one, others] of Object.entries(successors)) {
    for (const other of others) {
      for (const when of ['before', 'after'] as const) {
        cases += 1;
        it(`loses nothing: ${one}, then ${other} ${when} its first message`, async () => {
          const isAt = comes(inTheMidst(scenario, one, 'before'));
          let newest = Infinity;
          const strike = strikeWhere((member, actor, what, at) => {
            if (newest === Infinity) {
              if (!isAt(actor, what, at)) return false;
              newest = Math.max(...actorsOf(member.consumer.runtime).map(numberOf));
              return true;
            }
            return strike.kills === 1 && at === when && kindOf(actor) === other && numberOf(actor) > newest;
          });
          await survived(scenario, strike, { kills: 2, killed: [one, other], pipelines: 3 });
        });
      }
    }
  }
});

after(() => console.log(`        two at once, and during restarts ${draw.named}: ${cases} cases`));
