// One round of planning decides which leases a worker takes, steals or asks for. Beside a Java worker the KCL's formula applies.
import { expect } from 'chai';
import { leaseRow } from '../../support/memory-lease-store.js';
import {
  observe,
  planLeases,
  updateObservations,
  type LeasePlan,
  type LeasePlanInput,
  type ObservedLease,
} from '../../../src/core/lease-plan.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const failoverMs = 10_000;

/** `age`: for how long the counter has not changed. Without an owner the lease is free. */
function lease(leaseKey: string, owner?: string, age = 0, more: Partial<LeaseRow> = {}): ObservedLease {
  const ours =
    owner === undefined || owner.startsWith('java') ? {} : { kinactWriter: writerOf(writerPrefixOf(owner, 'n'), 1) };
  return {
    row: leaseRow({ leaseKey, ...(owner === undefined ? {} : { leaseOwner: owner }), ...ours, ...more }),
    ageMs: age,
    freeForMs: owner === undefined ? Math.min(age, 60_000) : age - failoverMs,
    effectiveFailoverMs: failoverMs,
  };
}

const many = (count: number, prefix: string, owner?: string, age = 0, more: Partial<LeaseRow> = {}): ObservedLease[] =>
  Array.from({ length: count }, (_, index) => lease(`${prefix}${index}`, owner, age, more));

function plan(leases: readonly ObservedLease[], more: Partial<LeasePlanInput> = {}): LeasePlan {
  const held = more.held ?? new Set(leases.filter(({ row }) => row.leaseOwner === 'me').map(({ row }) => row.leaseKey));
  return planLeases({
    leases,
    workerId: 'me',
    maxLeases: Infinity,
    avoid: new Set(),
    reclaim: new Set(),
    belowTargetOnlyMs: 500,
    random: () => 0.5,
    ...more,
    held,
  });
}

const keys = (rows: readonly LeaseRow[]): string[] => rows.map((row) => row.leaseKey).sort();

describe('the age of a lease', () => {
  const rows = (counter: number, owner?: string): LeaseRow[] => [lease('a', owner, 0, { leaseCounter: counter }).row];

  it('begins when the owner is first seen, because the owner may be alive', () => {
    const first = updateObservations(new Map(), rows(4, 'x'), 1_000);
    expect(observe(rows(4, 'x'), first, 3_000, failoverMs)[0]).to.include({ ageMs: 2_000, freeForMs: -8_000 });
  });

  it('is infinite for a row first seen without an owner', () => {
    const first = updateObservations(new Map(), rows(4), 1_000);
    expect(observe(rows(4), first, 3_000, failoverMs)[0]).to.include({ ageMs: Infinity, freeForMs: 2_000 });
  });

  it('begins again with each change of the counter, and only then', () => {
    const first = updateObservations(new Map(), rows(4), 1_000);
    expect(updateObservations(first, rows(4, 'x'), 2_000).get('a')).to.equal(first.get('a'));
    const second = updateObservations(first, rows(5), 2_000);
    expect(observe(rows(5), second, 2_500, failoverMs)[0]).to.include({ ageMs: 500, freeForMs: 500 });
  });

  it('is forgotten when the row is gone, and is zero for a row never seen', () => {
    expect(updateObservations(updateObservations(new Map(), rows(4), 1), [], 2).size).to.equal(0);
    expect(observe(rows(4), new Map(), 7, failoverMs)[0]).to.include({ ageMs: 0, freeForMs: 0 });
  });
});

describe('a plan among kinact workers', () => {
  it('takes free and expired leases up to an even share', () => {
    const made = plan([...many(2, 'f'), ...many(2, 'x', 'dead', 10_001), ...many(4, 'b', 'b')]);
    expect(made).to.include({ target: 4, hasForeignOwners: false, hasPeers: true, leavesSome: false });
    expect(keys(made.take)).to.deep.equal(['f0', 'f1', 'x0', 'x1']);
    expect(made.fromPeers).to.deep.equal([]);
  });

  it('takes no lease whose counter has been unchanged for failoverMs or less', () => {
    expect(keys(plan(many(3, 'x', 'b', 10_000)).take)).to.deep.equal([]);
  });

  it('counts a lease as expired after the larger failoverMs of its holder and this worker', () => {
    const writer = writerOf(writerPrefixOf('b', 'n'), 1);
    const { row } = lease('x', 'b', 0, { kinactWriter: writer, kinactFailover: `20000 ${writer}` });
    const [seen] = observe([row], updateObservations(new Map(), [row], 0), 20_000, failoverMs);
    expect(seen).to.include({ ageMs: 20_000, freeForMs: 0, effectiveFailoverMs: 20_000 });
    expect(keys(plan([seen!]).take)).to.deep.equal([]);
    const [later] = observe([row], updateObservations(new Map(), [row], 0), 20_001, failoverMs);
    expect(keys(plan([later!]).take)).to.deep.equal(['x']);
    // From then on, a worker that has its share leaves the lease to the others for `belowTargetOnlyMs`.
    const beside = [...many(3, 'm', 'me'), ...many(2, 'b', 'b')];
    expect(keys(plan([...beside, later!]).take)).to.deep.equal([]);
    expect(keys(plan([...beside, { ...later!, freeForMs: 500 }]).take)).to.deep.equal(['x']);
  });

  it('leaves available leases beyond its share to other workers for `belowTargetOnlyMs`, then takes them', () => {
    const leases = [...many(3, 'm', 'me'), ...many(2, 'b', 'b'), lease('free')];
    expect(plan(leases)).to.deep.include({ take: [], leavesSome: true });
    const later = [...leases.slice(0, 5), lease('free', undefined, 500)];
    expect(keys(plan(later).take)).to.deep.equal(['free']);
    const expired = [...leases.slice(0, 5), lease('free', 'dead', 10_499)];
    expect(keys(plan(expired).take)).to.deep.equal([]);
    expect(keys(plan([...leases.slice(0, 5), lease('free', 'dead', 10_500)]).take)).to.deep.equal(['free']);
  });

  it('steals up to an even share in one round, from the worker with the most leases', () => {
    const made = plan([...many(9, 'a', 'a'), ...many(3, 'b', 'b')]);
    expect(made.fromPeers).to.have.length(4);
    expect(made.fromPeers.every((row) => row.leaseOwner === 'a')).to.equal(true);
  });

  it('steals only from a worker with at least two more leases, so that no worker steals back', () => {
    expect(plan([...many(2, 'm', 'me'), ...many(3, 'b', 'b')]).fromPeers).to.deep.equal([]);
    expect(plan([...many(2, 'm', 'me'), ...many(4, 'b', 'b')]).fromPeers).to.have.length(1);
  });

  it('steals nothing while a lease is available', () => {
    expect(plan([lease('free'), ...many(9, 'b', 'b')]).fromPeers).to.deep.equal([]);
  });

  it('steals beyond an even share with a probability of one in the number of rivals', () => {
    const leases = [...many(3, 'm', 'me'), ...many(3, 'b', 'b'), ...many(3, 'c', 'c'), ...many(5, 'd', 'd')];
    expect(plan(leases, { random: () => 0.34 }).fromPeers).to.deep.equal([]);
    expect(plan(leases, { random: () => 0.33 }).fromPeers).to.have.length(1);
  });

  it('neither counts nor takes nor steals ended leases', () => {
    const ended = { checkpoint: 'SHARD_END' };
    const made = plan([
      ...many(5, 'e', undefined, Infinity, ended),
      ...many(5, 'f', 'b', 0, ended),
      ...many(2, 'm', 'me'),
      ...many(2, 'b', 'b'),
    ]);
    expect(made).to.deep.include({ target: 2, take: [], fromPeers: [] });
  });

  it('counts a held lease as its own although the scan shows it as free', () => {
    const leases = [...many(2, 'f'), ...many(2, 'b', 'b')];
    expect(plan(leases, { held: new Set(['f0', 'f1']) })).to.deep.include({ take: [], fromPeers: [] });
  });

  it('counts a held lease that the scan lacks, and so steals nothing that would be stolen back', () => {
    const held = new Set(['new']);
    const leases = [...many(2, 'p', 'peer'), lease('gone', 'me', 0, { checkpoint: 'SHARD_END' }), lease('o', 'other')];
    expect(plan(leases, { held }).fromPeers).to.deep.equal([]);
    expect(plan(leases, { held: new Set() }).fromPeers).to.have.length(1);
    expect(plan([...many(4, 'p', 'peer'), lease('o', 'other')], { held }).fromPeers).to.have.length(1);
  });

  it('never plans beyond maxLeases, and reports the leases left over as `overflow`', () => {
    const made = plan(many(9, 'f', undefined, 60_000), { maxLeases: 4 });
    expect(made.take).to.have.length(4);
    expect(made).to.include({ target: 4, overflow: 5 });
    expect(plan(many(9, 'b', 'b'), { maxLeases: 2 }).fromPeers).to.have.length(2);
  });

  it('neither takes, steals nor takes back a lease in `avoid`', () => {
    expect(keys(plan(many(2, 'f'), { avoid: new Set(['f0']) }).take)).to.deep.equal(['f1']);
    expect(keys(plan(many(4, 'b', 'b'), { avoid: new Set(['b0', 'b1', 'b2', 'b3']) }).fromPeers)).to.deep.equal([]);
    expect(
      keys(plan(many(1, 'm', 'me'), { held: new Set(), reclaim: new Set(['m0']), avoid: new Set(['m0']) }).take),
    ).to.deep.equal([]);
  });

  it('counts its own rows in `avoid` as held until they expire', () => {
    const leases = (age: number) => [...many(3, 'm', 'me', age), ...many(4, 'a', 'a')];
    const more = { held: new Set(['m1', 'm2']), reclaim: new Set(['m0']), avoid: new Set(['m0']) };
    expect(keys(plan(leases(0), more).fromPeers)).to.deep.equal([]);
    expect(plan(leases(failoverMs + 1), { ...more, random: () => 0 }).fromPeers).to.have.length(1);
  });

  it('takes back rows with its own worker id at once, beyond its share, up to maxLeases', () => {
    const leases = [...many(4, 'm', 'me'), ...many(1, 'b', 'b')];
    const reclaim = new Set(['m0', 'm1', 'm2', 'm3']);
    expect(keys(plan(leases, { held: new Set(), reclaim }).take)).to.deep.equal(['m0', 'm1', 'm2', 'm3']);
    expect(plan(leases, { held: new Set(), reclaim, maxLeases: 3 }).take).to.have.length(3);
  });

  it('leaves alone a lease that another live process holds under the same worker id', () => {
    expect(plan([lease('m', 'me', 5_000)], { held: new Set() })).to.deep.include({
      take: [],
      fromPeers: [],
      hasPeers: false,
    });
  });

  it('takes available leases in random order', () => {
    const leases = [...many(30, 'f'), ...many(30, 'b', 'b')];
    let state = 0;
    const dice = (): number => (state = (state * 16_807 + 7) % 2_147_483_647) / 2_147_483_647;
    const first = plan(leases, { random: dice }).take.map((row) => row.leaseKey);
    const second = plan(leases, { random: dice }).take.map((row) => row.leaseKey);
    expect(first).to.have.length(30);
    expect(first).to.not.deep.equal(second);
  });
});

describe("a plan by the KCL's formula, with a Java worker in the table", () => {
  const ended = { checkpoint: 'SHARD_END' };

  it('counts ended leases in the target', () => {
    const made = plan([...many(4, 'e', 'java', 0, ended), ...many(4, 'j', 'java'), ...many(2, 'f')]);
    expect(made).to.include({ hasForeignOwners: true, target: 5 });
    expect(keys(made.take)).to.deep.equal(['f0', 'f1']);
  });

  it('counts its own ended leases in its share until they expire, like a Java worker', () => {
    const mine = many(2, 'm', 'me', 0, ended);
    const leases = [...mine, ...many(2, 'j', 'java'), ...many(2, 'f', undefined, 5_000)];
    const more = { held: new Set<string>(), reclaim: new Set(keys(mine.map(({ row }) => row))) };
    expect(keys(plan(leases, more).take)).to.have.length(1);
    const old = many(2, 'm', 'me', failoverMs + 1, ended);
    expect(keys(plan([...old, ...leases.slice(2)], more).take)).to.have.length(2);
  });

  it('has a target of one if there are as many workers as leases', () => {
    expect(plan([...many(1, 'j', 'java'), ...many(1, 'f')]).target).to.equal(1);
  });

  it('takes available leases up to the target, not beyond it', () => {
    expect(
      plan([...many(2, 'm', 'me'), ...many(4, 'j', 'java'), ...many(4, 'f', undefined, 5_000)]).take,
    ).to.have.length(3);
  });

  it('takes all leases unchanged for over three failover times, even beyond the target, and no others', () => {
    const leases = [
      ...many(5, 'm', 'me'),
      ...many(1, 'j', 'java'),
      ...many(2, 'f', undefined, 30_001),
      ...many(2, 'g', undefined, 30_000),
    ];
    expect(keys(plan(leases).take)).to.deep.equal(['f0', 'f1']);
    expect(
      keys(plan(many(2, 'f', undefined, Infinity).concat(many(1, 'j', 'java'))).take),
      'first seen without an owner',
    ).to.deep.equal(['f0', 'f1']);
  });

  it('counts three times the holder’s failoverMs if it is larger than this worker’s', () => {
    const slow = { ...lease('slow', 'dead', 35_000), freeForMs: 15_000, effectiveFailoverMs: 20_000 };
    const made = plan([lease('j', 'java'), ...many(5, 'b', 'b'), slow, ...many(2, 'm', 'me')]);
    expect(keys(made.take)).to.deep.equal(['slow']);
    const over = plan([lease('j', 'java'), ...many(5, 'b', 'b'), slow, ...many(4, 'm', 'me')]);
    expect(keys(over.take), 'it is beyond the target, and not very old').to.deep.equal([]);
    const old = { ...slow, ageMs: 60_001 };
    const taken = plan([lease('j', 'java'), ...many(5, 'b', 'b'), old, ...many(4, 'm', 'me')]);
    expect(keys(taken.take)).to.deep.equal(['slow']);
  });

  it('takes a free lease although ended leases without an owner are older', () => {
    const made = plan([
      ...many(3, 'e', undefined, Infinity, ended),
      ...many(1, 'f', undefined, 5_000),
      ...many(1, 'j', 'java'),
    ]);
    expect(keys(made.take)).to.deep.equal(['f0']);
  });

  it('steals one lease, from the worker with the most, and only if no lease is available', () => {
    const leases = [...many(8, 'j', 'java'), ...many(2, 'k', 'java-2')];
    const made = plan(leases);
    expect(made.fromPeers).to.have.length(1);
    expect(made.fromPeers[0]!.leaseOwner).to.equal('java');
    expect(plan([...leases, lease('free', undefined, 5_000)])).to.deep.include({ fromPeers: [] });
  });

  it('steals from a worker at the target only if it needs more than one lease', () => {
    expect(
      plan([...many(3, 'm', 'me'), ...many(4, 'j', 'java'), ...many(3, 'k', 'java-2')]).fromPeers,
      'one needed',
    ).to.deep.equal([]);
    expect(
      plan([...many(2, 'm', 'me'), ...many(4, 'j', 'java'), ...many(4, 'k', 'java-2')]).fromPeers,
      'two needed',
    ).to.have.length(1);
    expect(plan([...many(1, 'm', 'me'), ...many(1, 'j', 'java'), ...many(1, 'k', 'java-2')]).fromPeers).to.deep.equal(
      [],
    );
  });

  it('steals no ended lease, because nothing is left to read', () => {
    expect(plan(many(4, 'e', 'java', 0, ended)).fromPeers).to.deep.equal([]);
  });

  it('stays within maxLeases', () => {
    expect(plan([...many(6, 'j', 'java'), ...many(6, 'f', undefined, Infinity)], { maxLeases: 2 })).to.include({
      target: 2,
      overflow: 4,
    });
    expect(plan([...many(2, 'm', 'me'), ...many(6, 'j', 'java')], { maxLeases: 2 }).fromPeers).to.deep.equal([]);
  });

  it('is no longer used once all leases of Java workers have expired', () => {
    expect(plan([...many(2, 'j', 'java', 10_001), ...many(2, 'b', 'b')]).hasForeignOwners).to.equal(false);
  });

  it('is used although a Java take leaves kinactWriter in place', () => {
    const stale = { kinactWriter: writerOf(writerPrefixOf('b', 'n'), 1) };
    expect(plan([lease('j', 'java', 0, stale), ...many(2, 'b', 'b')]).hasForeignOwners).to.equal(true);
  });
});

describe('leases that another worker asks for', () => {
  it('count as leases of the asking worker, so no worker asks for more than an even share', () => {
    const mine = many(8, 'a', 'me');
    const asked = new Map(mine.slice(0, 4).map(({ row }) => [row.leaseKey, 'you'] as const));
    expect(plan(mine, { askedBy: asked }).target).to.equal(4);
    const theirs = many(8, 'a', 'other');
    expect(
      plan(theirs, {
        askedBy: new Map([
          ['a0', 'you'],
          ['a1', 'you'],
        ]),
      }).fromPeers,
      '2, 6 and 0',
    ).to.have.length(2);
  });

  it('are not asked for again, nor are leases that this worker asked for without success', () => {
    const rows = many(6, 'a', 'other');
    const asked = new Map([['a0', 'you']]);
    const { fromPeers } = plan(rows, { askedBy: asked, notToAskFor: new Set(['a1', 'a2', 'a3']) });
    expect(keys(fromPeers)).to.deep.equal(['a4', 'a5']);
  });

  it('do not let this worker fromPeers from the asking worker, whose wish may come to nothing', () => {
    const rows = [...many(6, 'a', 'busy'), lease('b0', 'you')];
    const asked = new Map(['a0', 'a1', 'a2'].map((leaseKey) => [leaseKey, 'you'] as const));
    const notToAskFor = new Set(['a3', 'a4', 'a5']);
    expect(plan(rows, { askedBy: asked, notToAskFor }).fromPeers).to.deep.equal([]);
  });

  it('count against the holder’s maxLeases until they are handed over', () => {
    const rows = [...many(3, 'a', 'me'), ...many(4, 'f')];
    const asked = new Map([['a0', 'you']]);
    expect(plan(rows, { askedBy: asked, maxLeases: 3 }).take).to.deep.equal([]);
  });

  it('are taken back if their keeper is gone, whichever worker asks for them', () => {
    const rows = many(2, 'a', 'me');
    const asked = new Map([['a0', 'you']]);
    expect(keys(plan(rows, { askedBy: asked, held: new Set(['a1']), reclaim: new Set(['a0']) }).take)).to.deep.equal([
      'a0',
    ]);
  });
});
