// When DynamoDB refuses a write, the row shows why: our own write took effect, the lease is lost, or two workers have one id.
import { expect } from 'chai';
import { classifyRefusal } from '../../../src/core/write-refusal.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const identity = { workerId: 'me', writerPrefix: 'n1', writer: 'n1/7' };
const renewal = { counter: 5, owner: 'me' };
const row = (members: Partial<LeaseRow>): LeaseRow =>
  leaseRow({ leaseKey: 's', leaseCounter: 5, leaseOwner: 'me', kinactWriter: 'n1/7', ...members });

describe('a refused write', () => {
  it('is spurious if the row fits an unknown write in counter, writer and owner', () => {
    expect(classifyRefusal(identity, [renewal], row({}))).to.deep.equal({ type: 'spurious', row: row({}) });
  });

  it('is not spurious without an unknown write, or if counter, writer or owner differs', () => {
    expect(classifyRefusal(identity, [], row({})).type).to.equal('own');
    expect(classifyRefusal(identity, [renewal], row({ leaseCounter: 6 })).type).to.equal('own');
    expect(classifyRefusal(identity, [renewal], row({ kinactWriter: 'n1/6' })).type).to.equal('own');
    expect(classifyRefusal(identity, [renewal], row({ leaseOwner: 'java' })).type).to.equal('lost');
  });

  it('is spurious for a release with a lost answer, even beside an unknown renewal of the same counter', () => {
    const { leaseOwner: _owner, ...ownerless } = row({});
    expect(classifyRefusal(identity, [renewal, { counter: 5, owner: undefined }], ownerless).type).to.equal('spurious');
  });

  it('is a loss if a Java worker took the lease and left kinactWriter in place', () => {
    const refusal = classifyRefusal(identity, [renewal], row({ leaseOwner: 'java' }));
    expect(refusal).to.deep.include({ type: 'lost', reason: 'taken by java' });
  });

  it('is a loss if another writer released the lease', () => {
    const { leaseOwner: _owner, ...ownerless } = row({});
    expect(classifyRefusal(identity, [renewal], ownerless)).to.deep.include({
      type: 'lost',
      reason: 'the lease was released by another writer',
    });
  });

  it('is a reassignment if a KCL 3 leader named the next owner', () => {
    const refusal = classifyRefusal(identity, [], row({ leaseOwner: 'next', checkpointOwner: 'me' }));
    expect(refusal).to.deep.include({ type: 'reassigned', to: 'next' });
  });

  it('is a clash of worker ids if another process, or an unsigned writer, used this worker id', () => {
    expect(classifyRefusal(identity, [renewal], row({ kinactWriter: 'n2/7' })).type).to.equal('workerIdInUse');
    expect(classifyRefusal(identity, [renewal], row({ kinactWriter: 'n10/7' })).type).to.equal('workerIdInUse');
    const { kinactWriter: _writer, ...unsigned } = row({});
    expect(classifyRefusal(identity, [renewal], unsigned).type).to.equal('workerIdInUse');
  });

  it('is `own` if another keeper of this process wrote the row', () => {
    expect(classifyRefusal(identity, [], row({ kinactWriter: 'n1/6' }))).to.deep.include({
      type: 'own',
      reason: 'another keeper of this process wrote the row',
    });
  });

  it('is `gone` if there is no row', () => {
    expect(classifyRefusal(identity, [renewal], undefined)).to.deep.equal({ type: 'gone' });
  });
});
