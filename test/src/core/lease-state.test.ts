import { expect } from 'chai';
import fc from 'fast-check';
import * as holds from '../../../src/core/lease-state.js';
import type { HoldChange } from '../../../src/core/lease-state.js';
import { applyChange, leaseRow } from '../../support/memory-lease-store.js';

const at = (sequenceNumber: string, subSequenceNumber = 0) => ({ sequenceNumber, subSequenceNumber });
const me = { workerId: 'me', failoverMs: 10_000 };
const row = leaseRow({ leaseKey: 's', leaseCounter: 3, leaseOwner: 'me' });

describe('what a keeper knows of its row', () => {
  it('moves the frontier forward only', () => {
    const hold = holds.holdOf(row);
    expect(holds.advanceFrontier(hold, at('10', 2), 1)).to.equal(true);
    expect(holds.advanceFrontier(hold, at('10', 2), 1)).to.equal(false);
    expect(holds.advanceFrontier(hold, at('9'), 1)).to.equal(false);
    expect(holds.advanceFrontier(hold, at('10', 3), 1)).to.equal(true);
    expect(hold.frontier).to.deep.equal(at('10', 3));
  });

  it('counts the records that the frontier has passed, until a row is found that says so', () => {
    const hold = holds.holdOf(row);
    holds.advanceFrontier(hold, at('10'), 3);
    holds.advanceFrontier(hold, at('9'), 5);
    holds.advanceFrontier(hold, at('20'), 4);
    expect(hold.behind).to.equal(7);
    holds.recoverHold(hold, { ...row, checkpoint: '10' });
    expect(hold.behind, 'too many, never too few').to.equal(7);
    holds.recoverHold(hold, { ...row, checkpoint: '20' });
    expect(hold.behind).to.equal(0);
  });

  it('has no checkpoint on board when the row is at the frontier or past it', () => {
    const hold = holds.holdOf({ ...row, checkpoint: '10', checkpointSubSequenceNumber: 2 });
    holds.advanceFrontier(hold, at('10', 1), 1);
    expect(holds.checkpointOnBoard(hold)).to.equal(undefined);
    holds.advanceFrontier(hold, at('10', 2), 1);
    expect(holds.checkpointOnBoard(hold)).to.equal(undefined);
    holds.advanceFrontier(hold, at('10', 3), 1);
    expect(holds.checkpointOnBoard(hold)).to.deep.equal({ checkpoint: '10', subSequenceNumber: 3 });
  });

  it('has the same row in mind as the table after any write', () => {
    const write = fc.record(
      {
        checkpoint: fc.record({ checkpoint: fc.constantFrom('7', '8'), subSequenceNumber: fc.nat(3) }),
        leaseOwner: fc.constantFrom('me', null),
        childShardIds: fc.constant(['a', 'b']),
      },
      { requiredKeys: [] },
    );
    const take = fc.record({
      leaseOwner: fc.constant('me'),
      failoverMs: fc.constantFrom(3_000, 20_000),
      countOwnerSwitch: fc.constant(true),
    });
    const changes: fc.Arbitrary<HoldChange> = fc.oneof(write, take);
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 6 }), (all) => {
        const hold = holds.holdOf(row);
        let stored = row;
        for (const change of all) {
          stored = applyChange(stored, change, 'w');
          holds.applyWritten(hold, change, hold.row.leaseCounter + 1, 'w');
        }
        expect(hold.row).to.deep.equal(stored);
      }),
      { numRuns: 200 },
    );
  });

  it('counts an owner switch for a take from somebody else only', () => {
    expect(holds.takeChange({ ...row, leaseOwner: 'you' }, me, 1)).to.deep.equal({
      leaseOwner: 'me',
      failoverMs: 10_000,
      countOwnerSwitch: true,
    });
    expect(holds.takeChange(row, me, 1)).to.deep.equal({ leaseOwner: 'me', failoverMs: 10_000 });
    const { leaseOwner: _owner, ...free } = row;
    expect(holds.takeChange(free, me, 1)).to.deep.equal({ leaseOwner: 'me', failoverMs: 10_000 });
  });

  it('stamps a row at LATEST that has no time, and no other', () => {
    expect(holds.takeChange({ ...row, checkpoint: 'LATEST' }, me, 7)).to.deep.include({ kinactLatestAt: 7 });
    expect(holds.takeChange({ ...row, checkpoint: 'LATEST', kinactLatestAt: 5 }, me, 7)).to.not.have.property(
      'kinactLatestAt',
    );
    expect(holds.takeChange(row, me, 7)).to.not.have.property('kinactLatestAt');
  });

  it('starts each kind of checkpoint where it says', () => {
    const start = (members: object, initial: 'LATEST' | Date = 'LATEST') =>
      holds.startOf(holds.holdOf({ ...row, ...members }), initial);
    expect(start({ checkpoint: '12', checkpointSubSequenceNumber: 4 })).to.deep.equal({
      type: 'after',
      position: at('12', 4),
    });
    expect(start({ checkpoint: 'TRIM_HORIZON' })).to.deep.equal({ type: 'trimHorizon' });
    expect(start({ checkpoint: 'LATEST', kinactLatestAt: 99 })).to.deep.equal({ type: 'atTimestamp', timestampMs: 99 });
    expect(start({ checkpoint: 'LATEST' })).to.deep.equal({ type: 'trimHorizon' });
    expect(start({ checkpoint: 'AT_TIMESTAMP' }, new Date(88))).to.deep.equal({ type: 'atTimestamp', timestampMs: 88 });
    expect(start({ checkpoint: 'AT_TIMESTAMP' })).to.deep.equal({ type: 'trimHorizon' });
    expect(start({ checkpoint: 'SHARD_END' })).to.equal(undefined);
  });

  it('starts at the frontier when that is further than the row', () => {
    const hold = holds.holdOf({ ...row, checkpoint: '12' });
    holds.advanceFrontier(hold, at('13', 1), 1);
    expect(holds.startOf(hold, 'TRIM_HORIZON')).to.deep.equal({ type: 'after', position: at('13', 1) });
    hold.row = { ...row, checkpoint: '14' };
    expect(holds.startOf(hold, 'TRIM_HORIZON')).to.deep.equal({ type: 'after', position: at('14') });
  });

  it('makes a vanished row anew without owner, above every counter that a lost write may expect', () => {
    const hold = holds.holdOf({ ...row, checkpoint: '12', kinactLatestAt: 5 });
    holds.applyUnknown(hold, {});
    const made = holds.recreatedRow(hold, 'n1/7', 0);
    expect(made).to.deep.include({ checkpoint: '12', kinactLatestAt: 5, kinactWriter: 'n1/7' });
    expect(made).to.not.have.property('leaseOwner');
    expect(made.leaseCounter).to.be.above(hold.unknown[0]!.counter);
    const later = holds.recreatedRow(hold, 'n1/7', 1_767_225_600_000.5).leaseCounter;
    expect(later, 'above that of a row made, taken and deleted meanwhile').to.equal(1_767_225_600_000);
  });

  it('remembers attempts that leave the same owner behind once', () => {
    const hold = holds.holdOf(row);
    holds.applyUnknown(hold, {});
    holds.applyUnknown(hold, { checkpoint: { checkpoint: '5', subSequenceNumber: 0 } });
    holds.applyUnknown(hold, { leaseOwner: null });
    holds.applyUnknown(hold, { leaseOwner: 'me' });
    expect(hold.unknown).to.deep.equal([
      { counter: 4, owner: 'me' },
      { counter: 4, owner: undefined },
    ]);
  });
});
