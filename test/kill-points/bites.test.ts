// Proves that these tests can fail: each known-bad part is put into the tree, and a kill at some moment must reveal it.
import { expect } from 'chai';
import type { Actors } from '../../src/consumer/wiring.js';
import { wrapped } from '../sim/mutants/around.js';
import { mutants } from '../sim/mutants/index.js';
import { killed, watch } from './killed.js';
import { middle, momentsIn, type Moment } from './moment.js';
import { named } from './scenarios.js';

/** A mutant of the simulation. If a defence masks the mutant, that defence is off. */
function mutant(name: string): Actors {
  const found = mutants.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no mutant is called ${name}`);
  return (found.masked ?? found).make({ machine: undefined as never });
}

const deafTo = (kind: keyof Actors, type: string): Actors =>
  wrapped(kind, { before: (_state, message) => (message.type === type ? undefined : message) });

interface Broken {
  readonly scenario: string;
  /** Kills of this kind of actor reveal it soonest, so they come first. */
  readonly soonest: string;
  readonly make: () => Actors;
}

const broken: Readonly<Record<string, Broken>> = {
  'a checkpoint before the flush': {
    scenario: 'batches are flushed',
    soonest: 'stage',
    make: () => mutant('a checkpoint before the flush'),
  },
  'an acknowledgement before the reducer is done': {
    scenario: 'folded one by one',
    soonest: 'reducer',
    make: () => mutant('an acknowledgement before the reducer is done'),
  },
  'a restart that does not wait for old effects': {
    scenario: 'batches are flushed',
    soonest: 'reducer',
    make: () => mutant('a restart that does not wait for old effects'),
  },
  "nact's reset in place of stop and spawn": {
    scenario: 'batches are flushed',
    soonest: 'reducer',
    make: () => mutant("nact's reset in place of stop and spawn"),
  },
  'a stage that keeps what dead workers left': {
    scenario: 'takes a lease by force and dies',
    soonest: 'lease-keeper',
    make: () => mutant("S4: a dead worker's items stay queued"),
  },
  'a keeper that does not hear how its worker ended': {
    scenario: 'split and merged',
    soonest: 'shard-worker',
    make: () => deafTo('leaseKeeper', 'shardWorkerEnded'),
  },
  'a coordinator that does not hear that a keeper is down': {
    scenario: 'batches are flushed',
    soonest: 'lease-keeper',
    make: () => deafTo('leaseCoordinator', 'keeperDown'),
  },
  'shard workers that do not hear that one of them has crashed': {
    scenario: 'batches are flushed',
    soonest: 'shard-worker',
    make: () => deafTo('shardWorkerSupervisor', 'ended'),
  },
};

describe('kills at every moment of a tree with a broken part', () => {
  for (const [name, { scenario, soonest, make }] of Object.entries(broken)) {
    it(`reveal ${name}`, async () => {
      const watched = await watch({ ...named(scenario), actors: make() });
      let isShown = watched.outcome.complaints.length > 0;
      const moments = momentsIn(watched.observed, middle);
      const isSoon = ({ kind }: Moment): boolean => kind === soonest;
      for (const moment of [...moments.filter(isSoon), ...moments.filter((each) => !isSoon(each))]) {
        if (isShown) break;
        await killed(watched, moment).catch(() => (isShown = true));
      }
      expect(isShown).to.equal(true);
    });
  }
});
