// What a keeper knows about its row matches the table after any write, and its frontier only moves forward.
import { expect } from 'chai';
import fc from 'fast-check';
import * as leaseState from '../../../src/core/lease-state.js';
import type { RowChange } from '../../../src/core/lease-state.js';
import { applyChange, leaseRow } from '../../support/memory-lease-store.js';

const at = (sequenceNumber: string, subSequenceNumber = 0) => ({ sequenceNumber, subSequenceNumber });
const me = { workerId: 'me', failoverMs: 10_000 };
const row = leaseRow({ leaseKey: 's', leaseCounter: 3, leaseOwner: 'me' });

describe('what a keeper knows about its row', () => {
  it('moves the frontier forward only', () => {
    const lease = leaseState.leaseStateOf(row);
    expect(leaseState.advanceFrontier(lease, at('10', 2), 1)).to.equal(true);
    expect(leaseState.advanceFrontier(lease, at('10', 2), 1)).to.equal(false);
    expect(leaseState.advanceFrontier(lease, at('9'), 1)).to.equal(false);
    expect(leaseState.advanceFrontier(lease, at('10', 3), 1)).to.equal(true);
    expect(lease.frontier).to.deep.equal(at('10', 3));
  });

  it('counts the records that the frontier has passed, until a row at the frontier is adopted', () => {
    const lease = leaseState.leaseStateOf(row);
    leaseState.advanceFrontier(lease, at('10'), 3);
    leaseState.advanceFrontier(lease, at('9'), 5);
    leaseState.advanceFrontier(lease, at('20'), 4);
    expect(lease.uncheckpointedRecords).to.equal(7);
    leaseState.adoptRow(lease, { ...row, checkpoint: '10' });
    expect(lease.uncheckpointedRecords, 'too many, never too few').to.equal(7);
    leaseState.adoptRow(lease, { ...row, checkpoint: '20' });
    expect(lease.uncheckpointedRecords).to.equal(0);
  });

  it('has no next checkpoint if the row is at the frontier or past it', () => {
    const lease = leaseState.leaseStateOf({ ...row, checkpoint: '10', checkpointSubSequenceNumber: 2 });
    leaseState.advanceFrontier(lease, at('10', 1), 1);
    expect(leaseState.nextCheckpoint(lease)).to.equal(undefined);
    leaseState.advanceFrontier(lease, at('10', 2), 1);
    expect(leaseState.nextCheckpoint(lease)).to.equal(undefined);
    leaseState.advanceFrontier(lease, at('10', 3), 1);
    expect(leaseState.nextCheckpoint(lease)).to.deep.equal({ checkpoint: '10', subSequenceNumber: 3 });
  });

  it('matches the row in the table after any write', () => {
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
    const changes: fc.Arbitrary<RowChange> = fc.oneof(write, take);
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 6 }), (all) => {
        const lease = leaseState.leaseStateOf(row);
        let stored = row;
        for (const change of all) {
          stored = applyChange(stored, change, 'w');
          leaseState.applyWritten(lease, change, lease.row.leaseCounter + 1, 'w');
        }
        expect(lease.row).to.deep.equal(stored);
      }),
      { numRuns: 200 },
    );
  });

  it('counts an owner switch only for a take from another worker', () => {
    expect(leaseState.takeChange({ ...row, leaseOwner: 'you' }, me, 1)).to.deep.equal({
      leaseOwner: 'me',
      failoverMs: 10_000,
      countOwnerSwitch: true,
    });
    expect(leaseState.takeChange(row, me, 1)).to.deep.equal({ leaseOwner: 'me', failoverMs: 10_000 });
    const { leaseOwner: _owner, ...free } = row;
    expect(leaseState.takeChange(free, me, 1)).to.deep.equal({ leaseOwner: 'me', failoverMs: 10_000 });
  });

  it('adds the time of LATEST only to a row at LATEST without a time', () => {
    expect(leaseState.takeChange({ ...row, checkpoint: 'LATEST' }, me, 7)).to.deep.include({ kinactLatestAt: 7 });
    expect(leaseState.takeChange({ ...row, checkpoint: 'LATEST', kinactLatestAt: 5 }, me, 7)).to.not.have.property(
      'kinactLatestAt',
    );
    expect(leaseState.takeChange(row, me, 7)).to.not.have.property('kinactLatestAt');
  });

  it('gives the start position of each kind of checkpoint', () => {
    const start = (members: object, initial: 'LATEST' | Date = 'LATEST') =>
      leaseState.startOf(leaseState.leaseStateOf({ ...row, ...members }), initial);
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

  it('keeps the leading zeros of numbers, as DynamoDB Streams needs them, and orders the numbers as integers', () => {
    const [seen, next, last] = ['000000000000000002373', '000000000000000010000', '0000000000000000999999'];
    const lease = leaseState.leaseStateOf({ ...row, checkpoint: seen });
    expect(leaseState.startOf(lease, 'LATEST')).to.deep.equal({ type: 'after', position: at(seen) });
    expect(leaseState.advanceFrontier(lease, at('2373'), 1), 'the same number').to.equal(true);
    expect(leaseState.nextCheckpoint(lease)).to.equal(undefined);
    leaseState.advanceFrontier(lease, at(next), 1);
    expect(leaseState.nextCheckpoint(lease)?.checkpoint).to.equal(next);
    expect(leaseState.advanceFrontier(lease, at('12000'), 1), 'a higher one').to.equal(true);
    leaseState.advanceFrontier(lease, at(last), 1);
    expect(leaseState.advanceFrontier(lease, at('9999'), 1), 'a smaller one').to.equal(false);
    expect(leaseState.nextCheckpoint(lease)?.checkpoint).to.equal(last);
    expect(leaseState.startOf(lease, 'LATEST')).to.deep.equal({ type: 'after', position: at(last) });
  });

  it('starts at the frontier or at the row’s checkpoint, whichever is ahead', () => {
    const lease = leaseState.leaseStateOf({ ...row, checkpoint: '12' });
    leaseState.advanceFrontier(lease, at('13', 1), 1);
    expect(leaseState.startOf(lease, 'TRIM_HORIZON')).to.deep.equal({ type: 'after', position: at('13', 1) });
    lease.row = { ...row, checkpoint: '14' };
    expect(leaseState.startOf(lease, 'TRIM_HORIZON')).to.deep.equal({ type: 'after', position: at('14') });
  });

  it('creates a vanished row again without an owner, with a counter above that of any lost write', () => {
    const lease = leaseState.leaseStateOf({ ...row, checkpoint: '12', kinactLatestAt: 5 });
    leaseState.noteUnknownWrite(lease, {});
    const made = leaseState.recreatedRow(lease, 'n1/7', 0);
    expect(made).to.deep.include({ checkpoint: '12', kinactLatestAt: 5, kinactWriter: 'n1/7' });
    expect(made).to.not.have.property('leaseOwner');
    expect(made.leaseCounter).to.be.above(lease.unknownWrites[0]!.counter);
    const later = leaseState.recreatedRow(lease, 'n1/7', 1_767_225_600_000.5).leaseCounter;
    expect(later, 'above that of a row made, taken and deleted meanwhile').to.equal(1_767_225_600_000);
  });

  it('remembers one write with an unknown outcome for each owner that it may leave', () => {
    const lease = leaseState.leaseStateOf(row);
    leaseState.noteUnknownWrite(lease, {});
    leaseState.noteUnknownWrite(lease, { checkpoint: { checkpoint: '5', subSequenceNumber: 0 } });
    leaseState.noteUnknownWrite(lease, { leaseOwner: null });
    leaseState.noteUnknownWrite(lease, { leaseOwner: 'me' });
    expect(lease.unknownWrites).to.deep.equal([
      { counter: 4, owner: 'me' },
      { counter: 4, owner: undefined },
    ]);
  });
});
