// The byte budget keeps its laws for any sequence of shards that open, ask, read, settle and close. Here, answers are at most as large
// as their reservations; what larger answers cause depends on the reader.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  releaseReservation,
  closeAccount,
  createByteBudget,
  moveToShardWorker,
  setShardWorkerBytes,
  keepAhead,
  openAccount,
  requestRecords,
  shareOf,
  type ByteAccount,
  type ByteBudget,
} from '../../src/core/byte-budget.js';
import { seeded } from '../support/seeded.js';

const maxBytes = 10_000;
const answerBytes = 4_000;

interface Shard {
  readonly account: ByteAccount;
  readonly recordBytes: number;
  /** How many records the open request may bring; undefined if none is open. */
  limit: number | undefined;
  waits: boolean;
  pressedTimes: number;
  ahead: number;
  own: number;
}

interface Harness {
  readonly budget: ByteBudget;
  readonly shards: Shard[];
  most: number;
}

function open(harness: Harness, recordBytes: number): void {
  const shard: Shard = {
    account: openAccount(harness.budget, () => (shard.pressedTimes += 1)),
    recordBytes,
    limit: undefined,
    waits: false,
    pressedTimes: 0,
    ahead: 0,
    own: 0,
  };
  harness.shards.push(shard);
}

function ask(shard: Shard): void {
  if (shard.limit !== undefined || shard.waits) return;
  const { account, recordBytes } = shard;
  const { budget, heldBytes } = account;
  const within = heldBytes + recordBytes <= shareOf(budget) && budget.borrowedBytes <= maxBytes / 2;
  shard.waits = true;
  requestRecords(account, { recordBytes, maxRecords: 100, answerBytes }, (limit) => {
    shard.waits = false;
    shard.limit = limit;
  });
  if (heldBytes === 0) expect(shard.waits, 'one that holds nothing waits').to.equal(false);
  if (within) expect(shard.waits, 'one within its share waits').to.equal(false);
}

function answer(shard: Shard, part: number): void {
  if (shard.limit === undefined) return;
  const records = Math.min(Math.ceil(shard.limit * part), Math.max(1, Math.floor(answerBytes / shard.recordBytes)));
  const bytes = records * shard.recordBytes;
  shard.limit = undefined;
  shard.ahead += bytes;
  keepAhead(shard.account, bytes);
  releaseReservation(shard.account);
}

function read(shard: Shard): void {
  const bytes = shard.ahead;
  shard.ahead = 0;
  moveToShardWorker(shard.account, bytes);
  shard.own += bytes;
  setShardWorkerBytes(shard.account, shard.own, true);
}

function settle(shard: Shard, part: number): void {
  shard.own -= Math.min(shard.own, Math.ceil(shard.own * part));
  setShardWorkerBytes(shard.account, shard.own, true);
}

function close(harness: Harness, shard: Shard): void {
  closeAccount(shard.account);
  harness.shards.splice(harness.shards.indexOf(shard), 1);
}

/** Checks what must hold after every step. */
function check({ budget, shards }: Harness): void {
  const held = shards.reduce((sum, { account }) => sum + account.heldBytes, 0);
  expect(budget.heldBytes).to.equal(held);
  expect(budget.waiting.size).to.equal(shards.filter(({ waits }) => waits).length);
  for (const { account, ahead, own } of shards) {
    expect(account.aheadBytes).to.equal(ahead);
    expect(account.ownBytes + account.inTransitBytes).to.equal(own);
    expect(account.heldBytes).to.equal(account.reservedBytes + ahead + own);
  }
  const oneEach = shards.reduce((sum, { recordBytes }) => sum + recordBytes, 0);
  expect(held).to.be.at.most(maxBytes + oneEach);
  if (budget.waiting.size === 0) return;
  // While a shard waits, it and the largest holders have been asked to flush.
  const owners = shards.filter(({ own }) => own > 0);
  const largest = Math.max(...owners.map(({ own }) => own));
  for (const { account, own, waits } of shards)
    if (waits || (own > 0 && own === largest)) expect(account.askedToFlush).to.equal(true);
}

const step = fc.tuple(
  fc.constantFrom('open', 'ask', 'ask', 'ask', 'answer', 'answer', 'read', 'read', 'settle', 'close'),
  fc.nat(1_000),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const recordSizes = [1, 50, 400, 3_000];

function run(steps: readonly (readonly [string, number, number])[], isOpen: boolean): Harness {
  const harness: Harness = { budget: createByteBudget(maxBytes), shards: [], most: 0 };
  for (let index = 0; index < 4; index += 1) open(harness, recordSizes[index]!);
  for (const [what, which, part] of steps) {
    const shard = harness.shards[which % Math.max(1, harness.shards.length)];
    if (what === 'open' && isOpen) open(harness, recordSizes[which % recordSizes.length]!);
    else if (shard === undefined) continue;
    else if (what === 'ask') ask(shard);
    else if (what === 'answer') answer(shard, part);
    else if (what === 'read') read(shard);
    else if (what === 'settle') settle(shard, part);
    else if (what === 'close' && isOpen) close(harness, shard);
    check(harness);
  }
  return harness;
}

describe('The byte budget of a process', () => {
  it('exceeds its bound by at most one record per shard, and keeps its shares and sums', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => void run(steps, true)),
      seeded(400),
    );
  });

  it('lets every shard continue that settles its bytes, and has all bytes back when all accounts close', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const harness = run(steps, true);
        for (const shard of harness.shards) ask(shard);
        for (let round = 0; round < 3; round += 1) {
          for (const shard of harness.shards) {
            answer(shard, 1);
            read(shard);
            settle(shard, 1);
            check(harness);
          }
        }
        expect(harness.budget.waiting.size).to.equal(0);
        for (const shard of [...harness.shards]) close(harness, shard);
        expect(harness.budget).to.include({ heldBytes: 0, borrowedBytes: 0 });
        expect(harness.budget.accounts.size + harness.budget.waiting.size).to.equal(0);
      }),
      seeded(300),
    );
  });

  it('lets a shard that settles nothing hold at most half plus its share, so others get theirs', () => {
    const budget = createByteBudget(maxBytes);
    const harness: Harness = { budget, shards: [], most: 0 };
    for (let index = 0; index < 5; index += 1) open(harness, 50);
    const [greedy, ...others] = harness.shards as [Shard, ...Shard[]];
    for (let round = 0; round < 100; round += 1) {
      ask(greedy);
      answer(greedy, 1);
      read(greedy);
      check(harness);
    }
    expect(greedy.own).to.be.at.most(maxBytes / 2 + shareOf(budget));
    expect(greedy.own).to.be.greaterThan(maxBytes / 2);
    expect(greedy.account.askedToFlush).to.equal(true);
    for (const other of others) {
      ask(other);
      expect(other.limit).to.equal(Math.floor(shareOf(budget) / 50));
      answer(other, 1);
      read(other);
      check(harness);
    }
  });

  it('grants the waiting shard that holds least first', () => {
    const budget = createByteBudget(maxBytes);
    const harness: Harness = { budget, shards: [], most: 0 };
    for (let index = 0; index < 3; index += 1) open(harness, 1_000);
    const [greedy, large, small] = harness.shards as [Shard, Shard, Shard];
    const order: Shard[] = [];
    const take = (shard: Shard, bytes: number): void => {
      shard.own = bytes;
      setShardWorkerBytes(shard.account, bytes, true);
    };
    take(greedy, 6_000);
    take(large, 1_600);
    take(small, 1_500);
    for (const shard of [large, small])
      requestRecords(shard.account, { recordBytes: 1_000, maxRecords: 1, answerBytes }, () => order.push(shard));
    expect(order).to.deep.equal([]);
    take(greedy, 5_000);
    expect(order).to.deep.equal([small]);
    take(greedy, 4_000);
    expect(order).to.deep.equal([small, large]);
  });
});
