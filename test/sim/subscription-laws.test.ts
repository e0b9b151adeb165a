// The laws of subscriptions and of removed sources judge what they should, and excuse what they should.
import { expect } from 'chai';
import { createSourceLaw } from './source-law.js';
import { createSubscriptionLaws, type SubscriptionLaws, type Where } from './subscription-laws.js';
import type { Written } from './oracle.js';

const arn = 'arn:consumer';
const leaseKey = 'sim/shard';

function judged(): {
  readonly laws: SubscriptionLaws;
  readonly broken: string[];
  readonly state: { now: number; owner: string | undefined; troubles: string; heldUp: boolean };
  where(): Where;
} {
  const broken: string[] = [];
  const state = { now: 0, owner: 'p0' as string | undefined, troubles: '', heldUp: false };
  const laws = createSubscriptionLaws({
    now: () => state.now,
    rowOf: () => ({ leaseOwner: state.owner }),
    noticeMsOf: () => 3_000,
    troublesOf: () => state.troubles,
    isHeldUp: () => state.heldUp,
    violate: (invariant) => broken.push(invariant),
  });
  return { laws, broken, state, where: () => ({ process: 'p0', leaseKey, at: state.now }) };
}

const row = (checkpoint: string, leaseOwner = 'p0'): never => ({ leaseKey, checkpoint, leaseOwner }) as never;
const written = (checkpoint: string, sentAt: number): Written => ({
  ...{ process: 'p0', leaseKey, sentAt },
  before: row('0'),
  after: row(checkpoint),
});

describe('the laws of subscriptions', () => {
  it('let the last continuation number resubscribe, until something later is polled or a new reader begins', () => {
    for (const [meanwhile, expected] of [
      [() => undefined, []],
      [(laws: SubscriptionLaws, at: Where) => laws.polled(at, '100'), []],
      [(laws: SubscriptionLaws, at: Where) => laws.polled(at, '120'), ['I61']],
      [(laws: SubscriptionLaws) => laws.granted('p0', leaseKey), ['I61']],
    ] as const) {
      const { laws, broken, where } = judged();
      laws.givesOut('108');
      laws.arrived(where(), '108');
      meanwhile(laws, where());
      laws.subscribes(where(), arn, '108');
      expect(broken).to.deep.equal(expected);
    }
  });

  it('refuse a continuation number as a checkpoint, and as a position to poll from', () => {
    const { laws, broken, where } = judged();
    laws.givesOut('108');
    laws.wrote(written('100', 0));
    laws.polls(where(), '100');
    expect(broken).to.deep.equal([]);
    laws.wrote(written('108', 0));
    laws.polls(where(), '108');
    expect(broken).to.deep.equal(['I61', 'I61']);
  });

  it('let a reader subscribe once a second', () => {
    const { laws, broken, state, where } = judged();
    laws.subscribes(where(), arn, undefined);
    state.now = 1_000;
    laws.subscribes(where(), arn, undefined);
    expect(broken).to.deep.equal([]);
    state.now = 1_900;
    laws.subscribes(where(), arn, undefined);
    expect(broken).to.deep.equal(['I62']);
  });

  it('demand a renewal that began after a take-over', () => {
    for (const [sentAt, expected] of [
      [999, ['I62']],
      [1_000, []],
    ] as const) {
      const { laws, broken, state, where } = judged();
      state.now = 1_000;
      laws.takenOver(where());
      laws.wrote(written('100', sentAt));
      state.now = 5_000;
      laws.subscribes(where(), arn, undefined);
      expect(broken, `a renewal sent at ${sentAt}`).to.deep.equal(expected);
    }
  });

  it('end a subscription soon after its lease is lost, counted from when the process can know', () => {
    const { laws, broken, state } = judged();
    laws.opened({ process: 'p0', leaseKey, isKept: () => true });
    state.now = 60_000;
    laws.look();
    state.owner = 'p1';
    laws.look();
    state.now = 63_000;
    state.troubles = 'a call was lost';
    laws.look();
    state.now = 66_000;
    state.heldUp = true;
    laws.look();
    state.heldUp = false;
    state.now = 69_000;
    laws.look();
    expect(broken).to.deep.equal([]);
    state.now = 69_600;
    laws.look();
    expect(broken).to.deep.equal(['I63']);
  });
});

describe('the law of removed sources', () => {
  it('lets a process do nothing with a source from its removal until it is added', () => {
    const broken: string[] = [];
    const law = createSourceLaw(
      'p0',
      () => 10,
      { troubles: () => 'none' },
      (_invariant, text) => broken.push(text.split(' ')[1] as string),
    );
    law.removing('sim');
    law.asks('GetRecords', 'sim');
    law.removed('sim', []);
    law.asks('GetRecords', 'other');
    law.handedOut('other', 'r1');
    // A write that left before has only arrived late.
    law.wrote({ ...written('100', 9), before: row('100', 'p1') });
    expect(broken).to.deep.equal([]);
    law.asks('GetRecords', 'sim');
    law.handedOut('sim', 'r1');
    law.wrote({ ...written('100', 11), before: row('100', 'p1') });
    expect(broken).to.deep.equal(['asks', 'hands', 'takes']);
    law.adding('sim');
    law.handedOut('sim', 'r2');
    expect(broken).to.have.length(3);
  });

  it('reports leases that stay, unless a peer handed them over behind a call that was harmed (seed 870028)', () => {
    const broken: string[] = [];
    let harmed = 0;
    const law = createSourceLaw(
      'p0',
      () => 10,
      { troubles: () => String(harmed) },
      (_invariant, text) => broken.push(text),
    );
    const removes = (leaseKey: string): number => {
      law.removing('sim');
      law.removed('sim', [leaseKey]);
      law.adding('sim');
      return broken.splice(0).length;
    };
    law.wrote({ ...written('100', 9), process: 'p1', before: row('100', 'p1') });
    expect(removes(leaseKey), 'handed over in calm weather').to.equal(1);
    harmed += 1;
    expect(removes(leaseKey), 'harmed since the hand-over').to.equal(0);
    expect(removes('sim/another'), 'not handed over').to.equal(1);
    law.wrote({ ...written('101', 9), before: row('100', 'p1') });
    expect(removes(leaseKey), 'it has taken the lease itself').to.equal(1);
    law.removing('sim');
    harmed += 1;
    law.removed('sim', [leaseKey]);
    expect(broken, 'harmed during the removal').to.deep.equal([]);
  });

  it('reports a lease that stays, unless its row has been garbled since a peer handed it over (seed 994175)', () => {
    const broken: string[] = [];
    let since: number | undefined;
    const law = createSourceLaw(
      'p0',
      () => 10,
      { troubles: () => 'none', garbledSince: (name) => (name === leaseKey ? since : undefined) },
      (_invariant, text) => broken.push(text),
    );
    const given = { ...written('100', 9), process: 'p1', before: row('100', 'p1') };
    /** A peer hands the lease over. The row is garbled `from` before that. */
    const isGiven = (from: number | undefined): void => {
      since = from;
      law.wrote(given);
    };
    const removes = (): number => {
      law.removing('sim');
      law.removed('sim', [leaseKey]);
      law.adding('sim');
      return broken.splice(0).length;
    };
    isGiven(5);
    expect(removes(), 'still garbled').to.equal(0);
    since = undefined;
    expect(removes(), 'garbled no more').to.equal(1);
    since = 8;
    expect(removes(), 'garbled once more, after it could be read').to.equal(1);
    isGiven(undefined);
    since = 9;
    expect(removes(), 'garbled only after the hand-over').to.equal(1);
    isGiven(9);
    law.wrote(written('101', 9));
    expect(removes(), 'the process has written the row').to.equal(1);
    isGiven(9);
    law.wrote({ ...written('101', 9), before: row('100', 'p1') });
    expect(removes(), 'it has taken the lease itself').to.equal(1);
  });

  it('says nothing of a source that was added while it was being removed', () => {
    const broken: string[] = [];
    const law = createSourceLaw(
      'p0',
      () => 10,
      { troubles: () => 'none' },
      (_invariant, text) => broken.push(text),
    );
    law.removing('sim');
    law.adding('sim');
    law.removed('sim', []);
    law.handedOut('sim', 'r1');
    expect(broken).to.deep.equal([]);
  });
});
