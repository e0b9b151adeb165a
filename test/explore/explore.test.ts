// Two lease keepers break no law in any order of their steps, and the search that shows this also finds mutants that break one.
// This is a short search; `npm run explore` is the long one.
import { expect } from 'chai';
import { chart } from './chart.js';
import { after, choicesOf } from './choices.js';
import { main } from './command.js';
import { fingerprint } from './fingerprint.js';
import { mutated, mutants } from './mutants.js';
import { scene, startOf } from './scenes.js';
import { resultOf, search, share, type Result } from './search.js';
import type { Scene, World } from './world.js';

/** Searches on one thread, with little memory, for the sake of the other tests. */
function explored(given: Scene, mostStates: number): Result {
  const shared = share(60_000);
  search(given, shared, { until: Infinity, threads: 1, runOutEvery: 200, mostStates }, true);
  return resultOf(given, shared);
}

function isClean(given: Scene, { found }: Result): void {
  if (found !== undefined) throw new Error(`${found.law}\n${chart(given, found.choices)}`);
}

describe('the search through every interleaving of the lease keepers', function () {
  // The search takes seconds of computing, and longer on a busy machine.
  this.timeout(300_000);

  it('is complete for a hand-over without faults, and finds no broken law', () => {
    const given = scene('all of it', { records: 1, may: [] });
    const result = explored(given, Infinity);
    isClean(given, result);
    expect(result.complete).to.equal(true);
    expect(result.states).to.be.above(4_000);
  });

  for (const from of ['answered', 'draining', 'handedOver'] as const)
    it(`finds no broken law with two faults from '${from}' on, in at least 5000 states`, () => {
      const given = scene(from, { from, faults: 2 });
      const result = explored(given, 5_000);
      isClean(given, result);
      expect(result.states).to.be.at.least(5_000);
    });

  /** Per mutant, a scene in which it is soon found, and the law that it breaks. */
  const found: readonly (readonly [string, Scene, RegExp])[] = [
    [
      'hands over beside calls of a crashed worker',
      scene('a crash', { from: 'answered', faults: 1, records: 1, may: ['crashShardWorker'] }),
      /hands over (while record 1|at 0, and has delivered)/,
    ],
    [
      'hands over without waiting for its worker',
      scene('draining', { from: 'draining', records: 1, may: [] }),
      /hands over (while record 1|at 0, and has delivered)/,
    ],
    [
      'forgets what a tenure that died has left open',
      scene('stalls', { faults: 1, records: 1, may: ['stall'] }),
      /hands over (while record 1|at 0, and has delivered)/,
    ],
    [
      'takes a shard without a worker for one without calls',
      scene('stalls', { faults: 1, records: 1, may: ['stall', 'acksEarly'] }),
      /hands over while record 1/,
    ],
    [
      'a withdrawal that is refused counts as done',
      scene('handed over', { from: 'handedOver', records: 1, may: ['stop'] }),
      /T has stopped/,
    ],
    ['an author that stops lets its wish stand', scene('stops', { records: 1, may: ['stop'] }), /T has stopped/],
    ['a holder that renews rarely counts as dead', scene('a wish', { records: 1, may: [] }), /T takes by force/],
  ];
  for (const [name, given, law] of found)
    it(`finds the mutant '${name}'`, () => {
      const { found } = explored(mutated(given, name), 20_000);
      expect(found?.law).to.match(law);
      expect(chart(mutated(given, name), found?.choices ?? [])).to.contain('BROKEN');
    });

  it('never changes a world from which it continues', () => {
    const given = scene('copies', { faults: 2 });
    const text = (world: World): string => fingerprint(given, world).exact.join();
    let worlds = [startOf(given)];
    for (let level = 0; level < 7; level++) {
      const next: World[] = [];
      for (const world of worlds) {
        const before = text(world);
        for (const choice of choicesOf(given, world)) next.push(after(given, world, choice));
        expect(text(world)).to.equal(before);
      }
      // Continue from about 40 of them.
      worlds = next.filter((_world, index) => index % Math.ceil(next.length / 40) === 0);
    }
  });

  it('finds the same next worlds from all worlds that count as the same', () => {
    const given = scene('the same', { records: 1, faults: 1 });
    const known = new Map<string, string>();
    const follow = (world: World): string =>
      choicesOf(given, world)
        .map((choice) => `${choice.kind} ${fingerprint(given, after(given, world, choice)).exact.join()}`)
        .toSorted()
        .join();
    let worlds = [startOf(given)];
    let twice = 0;
    for (let level = 0; level < 10; level++) {
      const next: World[] = [];
      for (const world of worlds) {
        for (const choice of choicesOf(given, world)) {
          const at = after(given, world, choice);
          const key = fingerprint(given, at).exact.join();
          const seen = known.get(key);
          if (seen === undefined) {
            known.set(key, follow(at));
            next.push(at);
          } else {
            twice += 1;
            expect(follow(at)).to.equal(seen);
          }
        }
      }
      worlds = next.slice(0, 150);
    }
    expect(twice).to.be.above(50);
  });

  it('explores what the command line names, and prints the broken law with a chart', async () => {
    const printed: string[] = [];
    const print = (line: string): void => void printed.push(line);
    const args = ['--seconds', '600', '--threads', '2', '--worlds', '100000', '--scene', 'nothing fails'];
    const { code, line } = await main([...args, '--mutant', 'a holder that renews rarely counts as dead'], print);
    expect(code).to.equal(1);
    expect(line).to.contain('T takes by force what H holds');
    expect(printed.join('\n')).to.match(/H +\| row +\| T/);
  });

  it('has a different name for each mutant', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).to.equal(mutants.length);
  });
});
