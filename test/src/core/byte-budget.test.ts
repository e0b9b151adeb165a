// Bytes that an account returns go to a waiting account. The largest holders are asked to flush only while an account waits.
import { expect } from 'chai';
import {
  closeAccount,
  createByteBudget,
  dropAhead,
  keepAhead,
  moveToShardWorker,
  setShardWorkerBytes,
  openAccount,
  requestNow,
  requestRecords,
  type ByteAccount,
} from '../../../src/core/byte-budget.js';

const record = { recordBytes: 60, maxRecords: 1, answerBytes: 1_000 };

/** Accounts of one budget of 100 bytes: account `n` holds `bytes[n]`. */
function holders(...bytes: readonly number[]) {
  const budget = createByteBudget(100);
  const asked: number[] = [];
  const accounts = bytes.map((_, index) => openAccount(budget, () => asked.push(index)));
  accounts.forEach((account, index) => setShardWorkerBytes(account, bytes[index]!, false));
  const granted: number[] = [];
  const ask = (index: number): (() => void) =>
    requestRecords(accounts[index] as ByteAccount, record, () => granted.push(index));
  return { accounts: accounts as ByteAccount[], ask, budget, granted, asked };
}

describe('a waiting account of the byte budget', () => {
  it('is granted its request when another account closes and returns its bytes', () => {
    const { accounts, ask, granted } = holders(100, 10);
    ask(1);
    expect(granted).to.deep.equal([]);
    closeAccount(accounts[0]!);
    expect(granted).to.deep.equal([1]);
  });

  it('is granted nothing after its request is withdrawn, and no account stays asked to flush', () => {
    const { accounts, ask, budget, granted } = holders(100, 10);
    ask(1)();
    expect([budget.waiting.size, accounts[0]!.askedToFlush]).to.deep.equal([0, false]);
    setShardWorkerBytes(accounts[0]!, 0, false);
    expect([granted, accounts[1]!.heldBytes]).to.deep.equal([[], 10]);
  });

  it('makes the budget ask an account to flush once that account is among the largest holders', () => {
    const { accounts, ask, granted, asked } = holders(200, 60, 10);
    ask(2);
    expect(asked).to.deep.equal([0, 2]);
    setShardWorkerBytes(accounts[0]!, 100, false);
    expect([granted, asked]).to.deep.equal([[], [0, 2, 1]]);
  });
});

describe('a closed account of the byte budget', () => {
  it('holds nothing and takes nothing from the others, whatever a late answer of its reader adds or moves', () => {
    const { accounts, budget } = holders(40, 30);
    const closed = accounts[0]!;
    closeAccount(closed);
    keepAhead(closed, 50);
    moveToShardWorker(closed, 20);
    dropAhead(closed);
    setShardWorkerBytes(closed, 70, true);
    expect(closed).to.include({ reservedBytes: 0, aheadBytes: 0, inTransitBytes: 0, ownBytes: 0, heldBytes: 0 });
    expect([budget.heldBytes, budget.borrowedBytes]).to.deep.equal([30, 0]);
  });

  it('lets a reader go on that waits for room, and reserves nothing for it', () => {
    const { accounts, ask, budget, granted } = holders(40, 100);
    closeAccount(accounts[0]!);
    expect(requestNow(accounts[0]!, record)).to.equal(1);
    ask(0);
    expect([granted, budget.waiting.size, budget.heldBytes]).to.deep.equal([[0], 0, 100]);
    closeAccount(accounts[1]!);
    expect(requestNow(accounts[0]!, { ...record, maxRecords: 10, answerBytes: 50 })).to.equal(1);
    expect(accounts[0]).to.include({ reservedBytes: 0, heldBytes: 0 });
  });
});
