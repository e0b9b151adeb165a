// The law of the simulation about wishes (I47) reports a forgotten wish, too many wishes, and a wish beyond a fair share.
import { expect } from 'chai';
import { createWishes, type Wishes } from './wishes.js';
import { leaseRow } from '../support/memory-lease-store.js';
import type { LeaseRow } from '../../src/core/lease.js';

interface Scene {
  readonly wishes: Wishes;
  readonly broken: string[];
  readonly troubled: Set<string>;
  /** Processes whose table is slow. */
  readonly slow: Set<string>;
  /** Rows that were deleted by hand. */
  readonly deleted: Set<string>;
  at: number;
  write(
    leaseKey: string,
    owner: string,
    wish?: { readonly by: string; readonly number: number },
    leaseCounter?: number,
  ): void;
}

/** `a` has six leases, `b` one, `c` none. */
function scene(): Scene {
  const broken: string[] = [];
  const troubled = new Set<string>();
  const slow = new Set<string>();
  const deleted = new Set<string>();
  const rows = new Map<string, LeaseRow>();
  const wishes = createWishes({
    now: () => self.at,
    failoverMsOf: () => 10_000,
    tableOf: () => '',
    rowOf: (leaseKey) => (deleted.has(leaseKey) ? undefined : rows.get(leaseKey)),
    wasTroubled: (process) => troubled.has(process),
    wayMsOf: (process) => (slow.has(process) ? 1_000 : 0),
    violate: (invariant) => void broken.push(invariant),
  });
  const self: Scene = {
    wishes,
    broken,
    troubled,
    slow,
    deleted,
    at: 0,
    write: (leaseKey, owner, wish, leaseCounter = 1) => {
      const text = wish && `${wish.by}/keeper 10000 ${wish.number} ${owner}/keeper ${wish.by}`;
      const row = leaseRow({ leaseKey, leaseOwner: owner, leaseCounter, kinactWriter: `${owner}/keeper` });
      const after = text === undefined ? row : { ...row, kinactWish: text };
      wishes.wrote({ process: owner, leaseKey, before: rows.get(leaseKey), after, sentAt: self.at });
      rows.set(leaseKey, after);
    },
  };
  for (const leaseKey of ['1', '2', '3', '4', '5', '6']) self.write(leaseKey, 'a');
  self.write('7', 'b');
  self.at = 60_000;
  return self;
}

describe('the law that every wish ends (I47)', () => {
  it('reports a worker without faults that neither raises nor withdraws its wish', () => {
    const world = scene();
    world.write('1', 'a', { by: 'b', number: 1 });
    world.at += 9_000;
    world.write('1', 'a', { by: 'b', number: 2 });
    world.at += 10_400;
    world.write('1', 'a', { by: 'b', number: 2 });
    expect(world.broken).to.deep.equal([]);
    expect(world.wishes.of('b')).to.deep.equal(['1']);
    world.at += 200;
    world.troubled.add('b');
    world.write('1', 'a', { by: 'b', number: 2 });
    expect(world.broken).to.deep.equal([]);
    world.troubled.clear();
    world.write('1', 'a', { by: 'b', number: 2 });
    world.write('1', 'a', { by: 'b', number: 2 });
    expect(world.broken).to.deep.equal(['I47']);
  });

  it('excuses a late wish only if the renewals of its author are late, too', () => {
    for (const [renewedAfterMs, broken] of [
      [4_600, []],
      [4_400, ['I47']],
    ] as const) {
      const world = scene();
      world.write('7', 'b', undefined, 2);
      world.write('1', 'a', { by: 'b', number: 1 });
      world.at += renewedAfterMs;
      world.write('7', 'b', undefined, 3);
      world.at += 10_700 - renewedAfterMs;
      world.write('1', 'a', { by: 'b', number: 1 });
      expect(world.broken).to.deep.equal(broken);
    }
  });

  it('excuses a late wish if the table was slow since it was sent, but no wish that was sent later', () => {
    const world = scene();
    const left = (number: number): void => {
      world.write('1', 'a', { by: 'b', number });
      world.at += 10_600;
      world.write('1', 'a', { by: 'b', number });
    };
    world.write('1', 'a', { by: 'b', number: 1 });
    world.at += 5_000;
    world.slow.add('b');
    world.write('1', 'a', { by: 'b', number: 1 });
    world.slow.clear();
    world.at += 60_000;
    world.write('1', 'a', { by: 'b', number: 1 });
    expect(world.broken, 'sent before').to.deep.equal([]);
    world.slow.add('c');
    left(2);
    expect(world.broken, 'sent after, while the table of another worker is slow').to.deep.equal(['I47']);
  });

  it('counts leases that other workers ask for as moved', () => {
    const world = scene();
    const raised = (number: number): void => {
      for (const leaseKey of ['1', '2']) world.write(leaseKey, 'a', { by: 'c', number });
      if (number > 2) world.write('3', 'a', { by: 'b', number });
      world.at += 3_000;
    };
    raised(1);
    raised(2);
    // `b` has one lease, and `a` keeps four of its six. Then `b` has two of the seven, and `a` keeps three.
    raised(3);
    raised(4);
    raised(5);
    expect(world.broken).to.deep.equal([]);
    world.write('4', 'a', { by: 'b', number: 1 });
    expect(world.broken).to.deep.equal(['I47']);
  });

  it('does not count leases of the author whose rows were deleted', () => {
    const world = scene();
    for (const leaseKey of ['1', '2']) world.write(leaseKey, 'b');
    for (const _ of [1, 2]) {
      world.at += 20_000;
      world.write('6', 'a');
    }
    // `a` has four leases and `b` three: a wish needs a difference of two.
    world.write('4', 'a', { by: 'b', number: 1 });
    expect(world.broken).to.deep.equal(['I47']);
    for (const leaseKey of ['1', '2', '7']) world.deleted.add(leaseKey);
    world.write('5', 'a', { by: 'b', number: 1 });
    expect(world.broken).to.deep.equal(['I47']);
  });

  it('reports a worker that asks for more than four leases of a table at once', () => {
    const world = scene();
    for (const leaseKey of ['1', '2', '3', '4']) world.write(leaseKey, 'a', { by: 'c', number: 1 });
    expect(world.broken).to.deep.equal([]);
    world.write('5', 'a', { by: 'c', number: 1 });
    expect(world.broken).to.deep.equal(['I47']);
  });

  it('judges no new wish in a table with a Java worker', () => {
    const world = scene();
    world.write('7', 'java-0');
    for (const leaseKey of ['1', '2', '3', '4', '5']) world.write(leaseKey, 'a', { by: 'c', number: 1 });
    expect(world.broken).to.deep.equal([]);
  });
});
