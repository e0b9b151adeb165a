// Which leases are remembered after the keepers that held them were stopped, and when they are forgotten.
import { expect } from 'chai';
import type { LeaseKeeperOptions, LeaseKeeperState, leaseKeeper } from '../../actors/lease-keeper/lease-keeper.js';
import { createLeftLeases, type LeftLeases } from '../../src/consumer/left-leases.js';

type Keeper = ReturnType<typeof leaseKeeper>;
const behaviour = {
  kind: 'lease-keeper',
  initial: () => [held, []],
  receive: () => [held, []],
} as unknown as Keeper;
const held = { phase: 'held' } as LeaseKeeperState;
const free = {
  phase: 'wishing',
  writes: {},
  lease: { unknownWrites: [] },
  taking: {},
} as unknown as LeaseKeeperState;

const keeperOf = (left: LeftLeases, source: string, leaseKey: string, tableName = 'app'): Keeper =>
  left.keepStateOf({ source, leaseKey, store: { tableName } } as unknown as LeaseKeeperOptions, behaviour);
const keysIn = (left: LeftLeases, ...tables: readonly string[]): string[] =>
  left.inTables(new Set(tables)).map(({ options }) => options.leaseKey);

describe('the leases that stopped keepers leave', () => {
  it('are those that were held, by table, until another keeper of the lease starts', () => {
    const left = createLeftLeases();
    keeperOf(left, 'orders', 'a').stopped?.(held, 'shutdown');
    keeperOf(left, 'orders', 'b').stopped?.(held, 'crash');
    keeperOf(left, 'orders', 'c').stopped?.(held, 'normal');
    keeperOf(left, 'orders', 'd').stopped?.(free, 'shutdown');
    keeperOf(left, 'orders', 'a', 'other').stopped?.(held, 'shutdown');
    expect(keysIn(left, 'app')).to.deep.equal(['a', 'b']);
    expect(left.inTables(new Set(['app'])).map(({ crashed }) => crashed)).to.deep.equal([false, true]);
    keeperOf(left, 'orders', 'a').initial({} as never);
    expect(keysIn(left, 'app')).to.deep.equal(['b']);
    expect(keysIn(left, 'other')).to.deep.equal(['a']);
  });

  it('are forgotten with their source, and those of other sources are not', () => {
    const left = createLeftLeases();
    for (const [source, leaseKey] of [
      ['orders', 'a'],
      ['refunds', 'b'],
      ['refunds', 'c'],
    ] as const)
      keeperOf(left, source, leaseKey).stopped?.(held, 'shutdown');
    left.forget('refunds');
    expect(keysIn(left, 'app')).to.deep.equal(['a']);
  });

  it('are superseded by the next coordinator of their table, and of no other', () => {
    const left = createLeftLeases();
    keeperOf(left, 'orders', 'a').stopped?.(held, 'shutdown');
    keeperOf(left, 'refunds', 'b', 'other').stopped?.(held, 'shutdown');
    left.supersede('app');
    expect(left.inTables(new Set(['app', 'other'])).map(({ superseded }) => superseded)).to.deep.equal([true, false]);
  });
});
