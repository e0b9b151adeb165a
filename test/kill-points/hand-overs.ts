// Scenarios in which one consumer asks another for a lease. The wish is granted or refused, or either consumer stops in the middle
// of it. The struck consumer asks in some of these scenarios, and is asked in the others.
import { retry } from '../../src/options/retry-policy.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { envelope, message } from '../support/aggregate-bytes.js';
import { feed, type Scenario } from './scenario.js';
import type { World } from './world.js';

/** Calls `act` as soon as `isSo` is true for a row of the table, if that happens within `forMs`. */
function whenRow(world: World, isSo: (row: LeaseRow) => boolean, act: () => void, forMs = 8_000): void {
  const isOver = world.members.every(({ ended, stopping }) => ended !== undefined || stopping !== undefined);
  if ([...world.leases.rows.values()].some(isSo)) act();
  else if (forMs > 0 && !isOver) world.at(10, () => whenRow(world, isSo, act, forMs - 10));
}

/** Calls `act` as soon as one consumer has asked another for a lease. */
const whenWished = (world: World, act: () => void): void =>
  whenRow(world, ({ kinactWish }) => kinactWish !== undefined, act);

/** The first user record names a partition key that the aggregate does not have. */
const undecodable = envelope(message(['k'], [{ pk: 9, data: 'none' }]), 'kpl');

export const handOvers: readonly Scenario[] = [
  {
    name: 'it asks another consumer for a lease',
    form: 'flushes',
    ms: 7_000,
    joinsMs: 1_500,
    once: true,
    before: (world) => void world.start('b'),
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 6_000);
      // The first looks of the asking consumer fail, but it raises its wish all the same.
      whenWished(world, () => {
        trouble.fails.add('get');
        at(1_200, () => trouble.fails.delete('get'));
      });
    },
  },
  {
    name: 'its wish is refused, and the next one is not',
    form: 'flushes',
    ms: 12_000,
    joinsMs: 1_500,
    once: true,
    options: { leases: { handOverMs: 500 } },
    before: (world) => void world.start('b'),
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 11_000);
      whenWished(world, () => {
        trouble.callMs = 2_000;
        at(2_200, () => (trouble.callMs = 0));
      });
    },
  },
  {
    name: 'it refuses the wish of another, and hands over to the next one',
    form: 'flushes',
    ms: 12_000,
    once: true,
    options: { leases: { handOverMs: 500 } },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 11_000);
      at(1_500, () => {
        world.start('b');
        whenWished(world, () => {
          trouble.callMs = 2_000;
          at(2_200, () => (trouble.callMs = 0));
        });
      });
    },
  },
  {
    name: 'it is stopped while it asks for a lease',
    form: 'folds',
    ms: 4_000,
    joinsMs: 1_500,
    once: true,
    before: (world) => void world.start('b'),
    script: (world, struck) => {
      feed(world, 3_500);
      whenWished(world, () => world.at(300, () => world.stop(struck)));
    },
  },
  {
    name: 'it is stopped while it is asked for a lease',
    form: 'flushes',
    ms: 4_500,
    once: true,
    script: (world, struck) => {
      feed(world, 4_000);
      world.at(1_500, () => {
        world.start('b');
        whenWished(world, () => world.at(300, () => world.stop(struck)));
      });
    },
  },
  {
    name: 'it is stopped before it knows that a lease was handed to it',
    form: 'folds',
    ms: 6_000,
    joinsMs: 1_500,
    once: true,
    before: (world) => void world.start('b'),
    script: (world, struck) => {
      feed(world, 5_500);
      whenRow(
        world,
        ({ leaseOwner }) => leaseOwner === struck.name,
        () => world.stop(struck),
      );
    },
  },
  {
    name: 'items wait for another attempt, also while it is asked for a lease',
    form: 'folds',
    ms: 12_000,
    // Answers by a promise. An aggregate that cannot be decoded has no item of the test.
    options: {
      onFailure: (_error, { at }) =>
        Promise.resolve(at === 'decode' ? 'skip' : at === 'extract' ? 'crash' : retry({ minMs: 100, maxMs: 800 })),
    },
    script: (world) => {
      const { at, stream, trouble } = world;
      feed(world, 10_000);
      at(800, () => void stream.put({ partitionKey: 'k', data: undecodable }));
      at(1_000, () => void trouble.throws.set('extract', { times: 1, message: 'once' }));
      at(2_500, () => void trouble.throws.set('reduce', { times: Infinity, message: 'for a while' }));
      at(3_000, () => {
        world.start('b');
        whenWished(world, () => at(3_000, () => trouble.throws.delete('reduce')));
      });
    },
  },
];
