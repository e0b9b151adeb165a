// One round of planning: what to take, to steal or to ask for. With a Java worker in the table it follows the KCL's formula.
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

/** `age` is since when the counter stood still; without an owner the lease is free. */
function lease(leaseKey: string, owner?: string, age = 0, more: Partial<LeaseRow> = {}): ObservedLease {
  const ours =
    owner === undefined || owner.startsWith('java') ? {} : { kinactWriter: writerOf(writerPrefixOf(owner, 'n'), 1) };
  return {
    row: leaseRow({ leaseKey, ...(owner === undefined ? {} : { leaseOwner: owner }), ...ours, ...more }),
    ageMs: age,
    seenMs: Math.min(age, 60_000),
    failoverMs,
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
    spareMs: 500,
    random: () => 0.5,
    ...more,
    held,
  });
}

const keys = (rows: readonly LeaseRow[]): string[] => rows.map((row) => row.leaseKey).sort();

describe('the age of a lease', () => {
  const rows = (counter: number, owner?: string): LeaseRow[] => [lease('a', owner, 0, { leaseCounter: counter }).row];

  it('begins when its owner is first seen, for the owner may be alive', () => {
    const first = updateObservations(new Map(), rows(4, 'x'), 1_000);
    expect(observe(rows(4, 'x'), first, 3_000, failoverMs)[0]).to.include({ ageMs: 2_000, seenMs: 2_000 });
  });

  it('is beyond measure for a row first seen without an owner', () => {
    const first = updateObservations(new Map(), rows(4), 1_000);
    expect(observe(rows(4), first, 3_000, failoverMs)[0]).to.include({ ageMs: Infinity, seenMs: 2_000 });
  });

  it('begins again with every change of the counter, and only with that', () => {
    const first = updateObservations(new Map(), rows(4), 1_000);
    expect(updateObservations(first, rows(4, 'x'), 2_000).get('a')).to.equal(first.get('a'));
    const second = updateObservations(first, rows(5), 2_000);
    expect(observe(rows(5), second, 2_500, failoverMs)[0]).to.include({ ageMs: 500, seenMs: 500 });
  });

  it('is forgotten with the row, and zero for a row that was never sighted', () => {
    expect(updateObservations(updateObservations(new Map(), rows(4), 1), [], 2).size).to.equal(0);
    expect(observe(rows(4), new Map(), 7, failoverMs)[0]).to.include({ ageMs: 0, seenMs: 0 });
  });
});

describe('a plan among kinact workers', () => {
  it('takes free and expired leases up to an even share', () => {
    const made = plan([...many(2, 'f'), ...many(2, 'x', 'dead', 10_001), ...many(4, 'b', 'b')]);
    expect(made).to.include({ target: 4, foreign: false, peers: true, leavesSome: false });
    expect(keys(made.take)).to.deep.equal(['f0', 'f1', 'x0', 'x1']);
    expect(made.fromPeers).to.deep.equal([]);
  });

  it('takes no lease that has not stood still for longer than failoverMs', () => {
    expect(keys(plan(many(3, 'x', 'b', 10_000)).take)).to.deep.equal([]);
  });

  it('takes a lease by its own failoverMs, which is the larger of its holder’s and ours', () => {
    const writer = writerOf(writerPrefixOf('b', 'n'), 1);
    const { row } = lease('x', 'b', 0, { kinactWriter: writer, kinactFailover: `20000 ${writer}` });
    const [seen] = observe([row], updateObservations(new Map(), [row], 0), 20_000, failoverMs);
    expect(seen).to.include({ ageMs: 20_000, failoverMs: 20_000 });
    expect(keys(plan([seen!]).take)).to.deep.equal([]);
    const [later] = observe([row], updateObservations(new Map(), [row], 0), 20_001, failoverMs);
    expect(keys(plan([later!]).take)).to.deep.equal(['x']);
    // What others than this worker may take is left to them for a moment from then on.
    const beside = [...many(3, 'm', 'me'), ...many(2, 'b', 'b')];
    expect(keys(plan([...beside, later!]).take)).to.deep.equal([]);
    expect(keys(plan([...beside, { ...later!, ageMs: 20_500 }]).take)).to.deep.equal(['x']);
  });

  it('leaves free leases beyond its share to others for a moment, then takes them', () => {
    const leases = [...many(3, 'm', 'me'), ...many(2, 'b', 'b'), lease('free')];
    expect(plan(leases)).to.deep.include({ take: [], leavesSome: true });
    const later = [...leases.slice(0, 5), lease('free', undefined, 500)];
    expect(keys(plan(later).take)).to.deep.equal(['free']);
    const expired = [...leases.slice(0, 5), lease('free', 'dead', 10_499)];
    expect(keys(plan(expired).take)).to.deep.equal([]);
    expect(keys(plan([...leases.slice(0, 5), lease('free', 'dead', 10_500)]).take)).to.deep.equal(['free']);
  });

  it('steals up to an even share in one round, from the worker that has most', () => {
    const made = plan([...many(9, 'a', 'a'), ...many(3, 'b', 'b')]);
    expect(made.fromPeers).to.have.length(4);
    expect(made.fromPeers.every((row) => row.leaseOwner === 'a')).to.equal(true);
  });

  it('steals only from a worker with at least two more, so that no steal is answered', () => {
    expect(plan([...many(2, 'm', 'me'), ...many(3, 'b', 'b')]).fromPeers).to.deep.equal([]);
    expect(plan([...many(2, 'm', 'me'), ...many(4, 'b', 'b')]).fromPeers).to.have.length(1);
  });

  it('steals nothing while a lease is available', () => {
    expect(plan([lease('free'), ...many(9, 'b', 'b')]).fromPeers).to.deep.equal([]);
  });

  it('steals beyond an even share only with the odds that one of all who could will', () => {
    const leases = [...many(3, 'm', 'me'), ...many(3, 'b', 'b'), ...many(3, 'c', 'c'), ...many(5, 'd', 'd')];
    expect(plan(leases, { random: () => 0.34 }).fromPeers).to.deep.equal([]);
    expect(plan(leases, { random: () => 0.33 }).fromPeers).to.have.length(1);
  });

  it('counts no ended lease, takes none and steals none', () => {
    const ended = { checkpoint: 'SHARD_END' };
    const made = plan([
      ...many(5, 'e', undefined, Infinity, ended),
      ...many(5, 'f', 'b', 0, ended),
      ...many(2, 'm', 'me'),
      ...many(2, 'b', 'b'),
    ]);
    expect(made).to.deep.include({ target: 2, take: [], fromPeers: [] });
  });

  it('counts what it holds even where the scan does not show it yet', () => {
    const leases = [...many(2, 'f'), ...many(2, 'b', 'b')];
    expect(plan(leases, { held: new Set(['f0', 'f1']) })).to.deep.include({ take: [], fromPeers: [] });
  });

  it('counts what it holds and the scan lacks, for that need not be consistent: it steals nothing that would be stolen back', () => {
    const held = new Set(['new']);
    const leases = [...many(2, 'p', 'peer'), lease('gone', 'me', 0, { checkpoint: 'SHARD_END' }), lease('o', 'other')];
    expect(plan(leases, { held }).fromPeers).to.deep.equal([]);
    expect(plan(leases, { held: new Set() }).fromPeers).to.have.length(1);
    expect(plan([...many(4, 'p', 'peer'), lease('o', 'other')], { held }).fromPeers).to.have.length(1);
  });

  it('never plans beyond maxLeases and says what is left undone for it', () => {
    const made = plan(many(9, 'f', undefined, 60_000), { maxLeases: 4 });
    expect(made.take).to.have.length(4);
    expect(made).to.include({ target: 4, overflow: 5 });
    expect(plan(many(9, 'b', 'b'), { maxLeases: 2 }).fromPeers).to.have.length(2);
  });

  it('avoids what it has to avoid', () => {
    expect(keys(plan(many(2, 'f'), { avoid: new Set(['f0']) }).take)).to.deep.equal(['f1']);
    expect(keys(plan(many(4, 'b', 'b'), { avoid: new Set(['b0', 'b1', 'b2', 'b3']) }).fromPeers)).to.deep.equal([]);
    expect(
      keys(plan(many(1, 'm', 'me'), { held: new Set(), reclaim: new Set(['m0']), avoid: new Set(['m0']) }).take),
    ).to.deep.equal([]);
  });

  it('counts rows of this process that it leaves alone for a moment, until they expire', () => {
    const leases = (age: number) => [...many(3, 'm', 'me', age), ...many(4, 'a', 'a')];
    const more = { held: new Set(['m1', 'm2']), reclaim: new Set(['m0']), avoid: new Set(['m0']) };
    expect(keys(plan(leases(0), more).fromPeers)).to.deep.equal([]);
    expect(plan(leases(failoverMs + 1), { ...more, random: () => 0 }).fromPeers).to.have.length(1);
  });

  it('takes back at once what carries its own id, share or not, up to maxLeases', () => {
    const leases = [...many(4, 'm', 'me'), ...many(1, 'b', 'b')];
    const reclaim = new Set(['m0', 'm1', 'm2', 'm3']);
    expect(keys(plan(leases, { held: new Set(), reclaim }).take)).to.deep.equal(['m0', 'm1', 'm2', 'm3']);
    expect(plan(leases, { held: new Set(), reclaim, maxLeases: 3 }).take).to.have.length(3);
  });

  it('leaves alone what carries its own id and is another process that lives', () => {
    expect(plan([lease('m', 'me', 5_000)], { held: new Set() })).to.deep.include({
      take: [],
      fromPeers: [],
      peers: false,
    });
  });

  it('differs from worker to worker by the dice alone', () => {
    const leases = [...many(30, 'f'), ...many(30, 'b', 'b')];
    let state = 0;
    const dice = (): number => (state = (state * 16_807 + 7) % 2_147_483_647) / 2_147_483_647;
    const first = plan(leases, { random: dice }).take.map((row) => row.leaseKey);
    const second = plan(leases, { random: dice }).take.map((row) => row.leaseKey);
    expect(first).to.have.length(30);
    expect(first).to.not.deep.equal(second);
  });
});

describe("a plan with a Java worker in the table follows the KCL's formula", () => {
  const ended = { checkpoint: 'SHARD_END' };

  it('counts ended leases for the target', () => {
    const made = plan([...many(4, 'e', 'java', 0, ended), ...many(4, 'j', 'java'), ...many(2, 'f')]);
    expect(made).to.include({ foreign: true, target: 5 });
    expect(keys(made.take)).to.deep.equal(['f0', 'f1']);
  });

  it('counts the fresh ended leases that it owns itself in its own share, as a Java worker would', () => {
    const mine = many(2, 'm', 'me', 0, ended);
    const leases = [...mine, ...many(2, 'j', 'java'), ...many(2, 'f', undefined, 5_000)];
    const more = { held: new Set<string>(), reclaim: new Set(keys(mine.map(({ row }) => row))) };
    expect(keys(plan(leases, more).take)).to.have.length(1);
    const old = many(2, 'm', 'me', failoverMs + 1, ended);
    expect(keys(plan([...old, ...leases.slice(2)], more).take)).to.have.length(2);
  });

  it('has a target of one where workers are as many as leases', () => {
    expect(plan([...many(1, 'j', 'java'), ...many(1, 'f')]).target).to.equal(1);
  });

  it('takes available leases up to the target and not further', () => {
    expect(
      plan([...many(2, 'm', 'me'), ...many(4, 'j', 'java'), ...many(4, 'f', undefined, 5_000)]).take,
    ).to.have.length(3);
  });

  it('takes everything that stood still for three failovers, target or not, and nothing else in that round', () => {
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

  it('counts three failovers of the lease, where its holder has a larger one', () => {
    const slow = { ...lease('slow', 'dead', 35_000), failoverMs: 20_000 };
    const made = plan([lease('j', 'java'), ...many(5, 'b', 'b'), slow, ...many(2, 'm', 'me')]);
    expect(keys(made.take)).to.deep.equal(['slow']);
    const over = plan([lease('j', 'java'), ...many(5, 'b', 'b'), slow, ...many(4, 'm', 'me')]);
    expect(keys(over.take), 'it is beyond the target, and not very old').to.deep.equal([]);
    const old = { ...slow, ageMs: 60_001 };
    const taken = plan([lease('j', 'java'), ...many(5, 'b', 'b'), old, ...many(4, 'm', 'me')]);
    expect(keys(taken.take)).to.deep.equal(['slow']);
  });

  it('is not kept busy by ended leases that nobody needs', () => {
    const made = plan([
      ...many(3, 'e', undefined, Infinity, ended),
      ...many(1, 'f', undefined, 5_000),
      ...many(1, 'j', 'java'),
    ]);
    expect(keys(made.take)).to.deep.equal(['f0']);
  });

  it('steals one lease, from the most loaded, and only when none is available', () => {
    const leases = [...many(8, 'j', 'java'), ...many(2, 'k', 'java-2')];
    const made = plan(leases);
    expect(made.fromPeers).to.have.length(1);
    expect(made.fromPeers[0]!.leaseOwner).to.equal('java');
    expect(plan([...leases, lease('free', undefined, 5_000)])).to.deep.include({ fromPeers: [] });
  });

  it('steals from a worker at the target only when more than one is needed', () => {
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

  it('steals no ended lease, for there is nothing to read', () => {
    expect(plan(many(4, 'e', 'java', 0, ended)).fromPeers).to.deep.equal([]);
  });

  it('stays within maxLeases', () => {
    expect(plan([...many(6, 'j', 'java'), ...many(6, 'f', undefined, Infinity)], { maxLeases: 2 })).to.include({
      target: 2,
      overflow: 4,
    });
    expect(plan([...many(2, 'm', 'me'), ...many(6, 'j', 'java')], { maxLeases: 2 }).fromPeers).to.deep.equal([]);
  });

  it('ends when the last Java owner is expired or gone', () => {
    expect(plan([...many(2, 'j', 'java', 10_001), ...many(2, 'b', 'b')]).foreign).to.equal(false);
  });

  it('is recognised although a Java take leaves kinactWriter standing', () => {
    const stale = { kinactWriter: writerOf(writerPrefixOf('b', 'n'), 1) };
    expect(plan([lease('j', 'java', 0, stale), ...many(2, 'b', 'b')]).foreign).to.equal(true);
  });
});

describe('leases that are asked for', () => {
  it('count as whose wish it is: nobody asks for more than an even share', () => {
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

  it('are asked for by nobody else, and those that were asked for in vain by nobody for now', () => {
    const rows = many(6, 'a', 'other');
    const asked = new Map([['a0', 'you']]);
    const { fromPeers } = plan(rows, { askedBy: asked, notToAskFor: new Set(['a1', 'a2', 'a3']) });
    expect(keys(fromPeers)).to.deep.equal(['a4', 'a5']);
  });

  it('are not asked of one who only asks for them itself: its wish may come to nothing', () => {
    const rows = [...many(6, 'a', 'busy'), lease('b0', 'you')];
    const asked = new Map(['a0', 'a1', 'a2'].map((leaseKey) => [leaseKey, 'you'] as const));
    const notToAskFor = new Set(['a3', 'a4', 'a5']);
    expect(plan(rows, { askedBy: asked, notToAskFor }).fromPeers).to.deep.equal([]);
  });

  it('are no way past maxLeases: what is about to go is held still', () => {
    const rows = [...many(3, 'a', 'me'), ...many(4, 'f')];
    const asked = new Map([['a0', 'you']]);
    expect(plan(rows, { askedBy: asked, maxLeases: 3 }).take).to.deep.equal([]);
  });

  it('are taken back where their keeper is gone, whichever worker asks for them', () => {
    const rows = many(2, 'a', 'me');
    const asked = new Map([['a0', 'you']]);
    expect(keys(plan(rows, { askedBy: asked, held: new Set(['a1']), reclaim: new Set(['a0']) }).take)).to.deep.equal([
      'a0',
    ]);
  });
});
