// Bytes that an account gives back go to one that waits, and the largest holders are asked to flush only while somebody waits.
import { expect } from 'chai';
import {
  closeAccount,
  createByteBudget,
  setWorkerBytes,
  openAccount,
  requestRecords,
} from '../../../src/core/byte-budget.js';
import type { ByteAccount } from '../../../src/core/byte-budget.js';

const record = { recordBytes: 60, maxRecords: 1, answerBytes: 1_000 };

/** Accounts of one budget of 100 bytes, each with what it holds. */
function holders(...bytes: readonly number[]) {
  const budget = createByteBudget(100);
  const asked: number[] = [];
  const accounts = bytes.map((_, index) => openAccount(budget, () => asked.push(index)));
  accounts.forEach((account, index) => setWorkerBytes(account, bytes[index]!, false));
  const granted: number[] = [];
  const ask = (index: number): (() => void) =>
    requestRecords(accounts[index] as ByteAccount, record, () => granted.push(index));
  return { accounts: accounts as ByteAccount[], ask, budget, granted, asked };
}

describe('an account of the byte budget that waits', () => {
  it('is granted what another one that closes has held', () => {
    const { accounts, ask, granted } = holders(100, 10);
    ask(1);
    expect(granted).to.deep.equal([]);
    closeAccount(accounts[0]!);
    expect(granted).to.deep.equal([1]);
  });

  it('is granted nothing once its request is withdrawn, and nobody is asked to flush for it any more', () => {
    const { accounts, ask, budget, granted } = holders(100, 10);
    ask(1)();
    expect([budget.waiting.size, accounts[0]!.askedToFlush]).to.deep.equal([0, false]);
    setWorkerBytes(accounts[0]!, 0, false);
    expect([granted, accounts[1]!.heldBytes]).to.deep.equal([[], 10]);
  });

  it('has those asked to flush that have become the largest holders meanwhile', () => {
    const { accounts, ask, granted, asked } = holders(200, 60, 10);
    ask(2);
    expect(asked).to.deep.equal([0, 2]);
    setWorkerBytes(accounts[0]!, 100, false);
    expect([granted, asked]).to.deep.equal([[], [0, 2, 1]]);
  });
});
