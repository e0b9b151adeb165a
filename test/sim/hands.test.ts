// The law of the simulation about leases that change hands (I33) allows each legal way and reports every other.
// The tests make up the writes to rows, one by one.
import { expect } from 'chai';
import { createHands, type Hands } from './hands.js';
import { wishText } from '../../src/core/lease-wish.js';
import { leaseRow } from '../support/memory-lease-store.js';

interface Scene {
  readonly hands: Hands;
  readonly broken: string[];
  readonly troubles: Map<string, string>;
  /** The failover times of processes that differ from the rest. */
  readonly failovers: Map<string, number>;
  at: number;
  /** `process` writes the row: the lease then belongs to `owner`, or to no process. */
  write(process: string, leaseKey: string, owner?: string): void;
  /** `process` asks for the lease. */
  wish(process: string, leaseKey: string): void;
}

function scene(): Scene {
  const rows = new Map<string, ReturnType<typeof leaseRow>>();
  const broken: string[] = [];
  const troubles = new Map<string, string>();
  const failovers = new Map<string, number>();
  const hands = createHands({
    now: () => self.at,
    failoverMsOf: (process) => failovers.get(process) ?? 10_000,
    longestFailoverMs: 20_000,
    tableOf: () => '',
    conditionOf: (name) => ({ troubles: troubles.get(name) ?? 'none', isTroubled: false, hasHung: false }),
    worldCondition: () => ({ troubles: 'none', isTroubled: false, hasHung: false }),
    violate: (invariant) => void broken.push(invariant),
  });
  const self: Scene = {
    hands,
    broken,
    troubles,
    failovers,
    at: 0,
    write: (process, leaseKey, owner) => {
      const before = rows.get(leaseKey);
      const leaseCounter = (before?.leaseCounter ?? 0) + 1;
      const after = leaseRow({ leaseKey, leaseCounter, ...(owner === undefined ? {} : { leaseOwner: owner }) });
      rows.set(leaseKey, after);
      hands.wrote({ process, leaseKey, before, after, sentAt: self.at });
    },
    wish: (process, leaseKey) => {
      const before = rows.get(leaseKey);
      const wish = { writer: `${process}/1.1`, workerId: process, failoverMs: 10_000, number: 1, holder: 'b/1.1' };
      const after = leaseRow({ ...before, leaseKey, kinactWish: wishText(wish) });
      rows.set(leaseKey, after);
      hands.wrote({ process, leaseKey, before, after, sentAt: self.at });
    },
  };
  return self;
}

/** The owners in `of` renew their leases for `ms`. */
function renewed(world: Scene, ms: number, of: Readonly<Record<string, readonly string[]>>): void {
  for (const until = world.at + ms; world.at < until; world.at += 3_000)
    for (const [owner, leases] of Object.entries(of)) for (const lease of leases) world.write(owner, lease, owner);
}

describe('the law that leases do not move to and fro (I33)', () => {
  const even = { a: ['1', '2'], b: ['3'] };

  it('allows a move for balance only from a worker with two more leases', () => {
    const world = scene();
    renewed(world, 60_000, { a: ['1', '2', '3'], b: ['4'] });
    world.write('a', '1', 'b');
    expect(world.broken).to.deep.equal([]);
    renewed(world, 90_000, { a: ['2', '3'], b: ['1', '4'] });
    world.write('b', '1', 'a');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('allows a move for balance long after the wish for it, because a drain may take long', () => {
    const world = scene();
    renewed(world, 60_000, { a: ['1', '2', '3'], b: ['4'] });
    world.wish('b', '1');
    renewed(world, 300_000, { a: ['1', '2', '3'], b: ['4', '5', '6'] });
    world.write('a', '1', 'b');
    expect(world.broken, 'seed 951028').to.deep.equal([]);
    // When this wish came, the holder had as many.
    renewed(world, 300_000, { a: ['2', '3', '7', '8'], b: ['1', '4', '5', '6'] });
    world.wish('a', '1');
    renewed(world, 300_000, { a: ['2', '3', '7', '8'], b: ['1', '4', '5', '6'] });
    world.write('b', '1', 'a');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('allows a Java worker to take by force, and protects the fair share of the Java worker', () => {
    const world = scene();
    renewed(world, 60_000, { a: ['1', '2', '3'], b: ['4'] });
    world.write('java-0', '1', 'java-0');
    renewed(world, 60_000, { a: ['2', '3'], b: ['4'], 'java-0': ['1'] });
    world.write('java-0', '2', 'java-0');
    renewed(world, 60_000, { a: ['3'], b: ['4'], 'java-0': ['1', '2'] });
    expect(world.broken).to.deep.equal([]);
    world.write('b', '1', 'b');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('forbids a take by force of a renewed lease, however many leases the holder has', () => {
    const world = scene();
    renewed(world, 60_000, { a: ['1', '2', '3'], b: ['4'] });
    world.write('b', '1', 'b');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('allows a lease to expire only if its holder was kept from renewing', () => {
    const world = scene();
    renewed(world, 60_000, even);
    renewed(world, 12_000, { b: ['3'] });
    world.troubles.set('a', 'paused');
    world.write('b', '1', 'b');
    expect(world.broken).to.deep.equal([]);
    renewed(world, 60_000, { a: ['2'], b: ['1', '3'] });
    renewed(world, 12_000, { b: ['1', '3'] });
    world.write('b', '2', 'b');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('allows a lease to expire only after the larger failover time of holder and taker', () => {
    for (const [holderMs, takerMs] of [
      [20_000, 3_000],
      [3_000, 20_000],
    ] as const) {
      const world = scene();
      world.failovers.set('a', holderMs).set('b', takerMs);
      renewed(world, 60_000, even);
      renewed(world, 21_000, { b: ['3'] });
      world.troubles.set('a', 'paused');
      world.write('b', '1', 'b');
      expect(world.broken, 'after 21 s').to.deep.equal([]);
      renewed(world, 60_000, { a: ['2'], b: ['1', '3'] });
      renewed(world, 12_000, { b: ['1', '3'] });
      world.troubles.set('a', 'paused again');
      world.write('b', '2', 'b');
      expect(world.broken, 'after 12 s').to.deep.equal(['I33']);
    }
  });

  it('allows a process to release a lease only soon after a fault of the process', () => {
    const world = scene();
    renewed(world, 60_000, even);
    world.troubles.set('a', 'failed');
    world.write('a', '1');
    expect(world.broken).to.deep.equal([]);
    renewed(world, 60_000, even);
    world.write('a', '1');
    expect(world.broken).to.deep.equal(['I33']);
  });

  it('reports an unread lease if its holder had no fault for a minute (I42)', () => {
    const world = scene();
    renewed(world, 90_000, even);
    world.hands.unread('a', '1', 'no shard worker has begun to read it');
    expect(world.broken).to.deep.equal(['I42']);
    world.troubles.set('b', 'failed');
    world.hands.unread('b', '3', 'no shard worker has begun to read it');
    expect(world.broken).to.deep.equal(['I42']);
  });
});
