// The frontier waits for the oldest open record, whatever is settled behind it, and repeated or stray settles change nothing.
import { expect } from 'chai';

import {
  admit,
  admitInside,
  createLedger,
  expectItems,
  frontier,
  noteArrival,
  oldestOpen,
  recordAt,
  hasRoom,
  settle,
  takePassed,
  type Ledger,
} from '../../../src/core/ledger.js';
import type { Position } from '../../../src/core/position.js';
import { countVisits } from '../../support/counted-visits.js';

const at = (sequenceNumber: number | string, subSequenceNumber = 0): Position => ({
  sequenceNumber: String(sequenceNumber),
  subSequenceNumber,
});
const wide = { maxPending: 1_000, maxPendingBytes: 1_000_000 };

/** A ledger with records 1, 2, … of 10 bytes each. */
function ledgerOf(records: number, bounds = wide): Ledger {
  const ledger = createLedger(bounds);
  for (let number = 1; number <= records; number++) admit(ledger, at(number), 10, number * 100);
  return ledger;
}

describe('admission', () => {
  it('gives dense ordinals from 0, and counts open records and bytes', () => {
    const ledger = createLedger(wide);
    expect([3, 7, 1000].map((number) => admit(ledger, at(number), 10, 0))).to.deep.equal([0, 1, 2]);
    expect(ledger).to.include({ admitted: 3, settled: 0, openRecords: 3, openBytes: 30 });
  });

  it('refuses a position that is not greater than the last (W11), and changes nothing', () => {
    const ledger = createLedger(wide);
    admit(ledger, at(10, 1), 10, 0);
    for (const position of [at(10, 1), at(10, 0), at(9, 5), at('010', 1)])
      expect(admit(ledger, position, 10, 0)).to.equal(-1);
    expect(ledger).to.include({ admitted: 1, openRecords: 1, openBytes: 10 });
    expect(admit(ledger, at(10, 2), 10, 0)).to.equal(1);
  });

  it('refuses a duplicate of a record that is settled and forgotten', () => {
    const ledger = ledgerOf(1);
    settle(ledger, 0, 0);
    expect(admit(ledger, at(1), 10, 0)).to.equal(-1);
  });

  it('refuses a duplicate, and does not throw, even if the ledger is full', () => {
    const ledger = ledgerOf(2, { ...wide, maxPending: 2 });
    expect(admit(ledger, at(2), 10, 0)).to.equal(-1);
  });

  it('throws if there is no room, with the load in the message', () => {
    const ledger = ledgerOf(2, { maxPending: 2, maxPendingBytes: 100 });
    expect(() => admit(ledger, at(3), 10, 0)).to.throw(
      RangeError,
      'ledger is full: 2 of 2 records, 20 of 100 bytes, span 2 of 128',
    );
  });
});

describe('room', () => {
  it('is bounded in records', () => {
    const ledger = ledgerOf(3, { ...wide, maxPending: 3 });
    expect(hasRoom(ledger)).to.equal(false);
    settle(ledger, 1, 0);
    expect(hasRoom(ledger)).to.equal(true);
  });

  it('is bounded in bytes, and `hasRoom` with a size tells whether that size fits', () => {
    const ledger = ledgerOf(2, { maxPending: 10, maxPendingBytes: 30 });
    expect(hasRoom(ledger)).to.equal(true);
    expect(hasRoom(ledger, 10)).to.equal(true);
    expect(hasRoom(ledger, 11)).to.equal(false);
    admit(ledger, at(3), 10, 0);
    expect(hasRoom(ledger)).to.equal(false);
    expect(hasRoom(ledger, 0), 'a record without bytes').to.equal(true);
    expect(admit(ledger, at(4), 0, 0)).to.equal(3);
  });

  it('lets a record above the byte bound pass only if it is alone', () => {
    const ledger = createLedger({ maxPending: 10, maxPendingBytes: 30 });
    expect(hasRoom(ledger, 5_000)).to.equal(true);
    admit(ledger, at(1), 5_000, 0);
    expect(hasRoom(ledger)).to.equal(false);
    settle(ledger, 0, 0);
    admit(ledger, at(2), 1, 0);
    expect(hasRoom(ledger, 5_000)).to.equal(false);
  });

  it('is bounded in the span from the oldest open record, however few records are open', () => {
    const ledger = createLedger({ maxPending: 4, maxPendingBytes: 1_000, maxSpan: 6 });
    for (let number = 1; number <= 6; number++) {
      admit(ledger, at(number), 10, 0);
      if (number > 1) settle(ledger, number - 1, 0);
    }
    expect(ledger.openRecords).to.equal(1);
    expect(hasRoom(ledger)).to.equal(false);
    settle(ledger, 0, 0);
    expect(hasRoom(ledger)).to.equal(true);
  });

  it('has a span of 64 times maxPending by default', () => {
    expect(createLedger({ maxPending: 10, maxPendingBytes: 1 }).maxSpan).to.equal(640);
  });

  it('never runs out inside a long indivisible aggregate while its records settle', () => {
    const ledger = createLedger({ maxPending: 1, maxPendingBytes: 100, maxSpan: 2 });
    for (let sub = 0; sub < 50; sub++) {
      expect(hasRoom(ledger), `user record ${sub}`).to.equal(true);
      settle(ledger, (sub === 49 ? admit : admitInside)(ledger, at(1, sub), 1, 0), 0);
    }
    expect(frontier(ledger)).to.deep.equal(at(1, 49));
  });
});

describe('the frontier', () => {
  it('is undefined until the first record is settled', () => {
    const ledger = ledgerOf(3);
    settle(ledger, 2, 0);
    expect(frontier(ledger)).to.equal(undefined);
    expect(ledger.frontierOrdinal).to.equal(-1);
  });

  it('waits for the oldest open record, then passes all records settled behind it', () => {
    const ledger = ledgerOf(4);
    for (const ordinal of [3, 1, 2]) settle(ledger, ordinal, 0);
    expect(frontier(ledger)).to.equal(undefined);
    settle(ledger, 0, 0);
    expect(frontier(ledger)).to.deep.equal(at(4));
    expect(ledger).to.include({ frontierOrdinal: 3, settled: 4, openRecords: 0, openBytes: 0 });
  });

  it('stops inside a KPL aggregate at the last user record before an open one', () => {
    const ledger = createLedger(wide);
    for (let sub = 0; sub < 4; sub++) admit(ledger, at(7, sub), 10, 0);
    for (const ordinal of [0, 1, 3]) settle(ledger, ordinal, 0);
    expect(frontier(ledger)).to.deep.equal(at(7, 1));
  });

  it('never stops inside an indivisible aggregate, only at its end (P6)', () => {
    const ledger = createLedger(wide);
    admit(ledger, at(6), 10, 0);
    for (let sub = 0; sub < 3; sub++) (sub === 2 ? admit : admitInside)(ledger, at(7, sub), 10, 0);
    for (const ordinal of [0, 1, 2]) settle(ledger, ordinal, 0);
    expect(frontier(ledger)).to.deep.equal(at(6));
    expect(ledger.frontierOrdinal).to.equal(0);
    settle(ledger, 3, 0);
    expect(frontier(ledger)).to.deep.equal(at(7, 2));
  });

  it('stays correct while the ring wraps around and grows many times', () => {
    const ledger = createLedger(wide);
    let next = 0;
    for (const burst of [5, 40, 300, 900, 3, 700]) {
      const first = next;
      for (let count = 0; count < burst; count++) {
        const ordinal = admit(ledger, at(++next), 10, next);
        expectItems(ledger, ordinal, 1 + (ordinal % 40));
        if (ordinal % 40 === 39) settle(ledger, ordinal, 39);
      }
      expect(recordAt(ledger, next - 1)?.position).to.deep.equal(at(next));
      for (let ordinal = next - 1; ordinal >= first; ordinal--) {
        expect(frontier(ledger)).to.deep.equal(first === 0 ? undefined : at(first));
        for (let item = 0; item < 1 + (ordinal % 40); item++) settle(ledger, ordinal, item);
      }
      expect(frontier(ledger)).to.deep.equal(at(next));
      expect(ledger).to.include({ openRecords: 0, openBytes: 0, head: next });
    }
    expect(ledger.ring.moreItems.size, 'notes of wide records are gone with them').to.equal(0);
    expect(new Set(ledger.ring.sequenceNumbers).size, 'and so are positions').to.equal(1);
  });
});

describe('items', () => {
  it('settle their record when each of them is settled, not after that many settles (W8)', () => {
    const ledger = ledgerOf(1);
    expectItems(ledger, 0, 2);
    expect(settle(ledger, 0, 0)).to.equal(true);
    expect(settle(ledger, 0, 0)).to.equal(false);
    expect(frontier(ledger)).to.equal(undefined);
    expect(settle(ledger, 0, 1)).to.equal(true);
    expect(frontier(ledger)).to.deep.equal(at(1));
  });

  it('settle in any order and keep the true position (W10)', () => {
    const ledger = ledgerOf(1);
    expectItems(ledger, 0, 3);
    for (const item of [2, 1, 0]) settle(ledger, 0, item);
    expect(frontier(ledger)).to.deep.equal(at(1));
  });

  for (const items of [31, 32, 33, 64, 65, 1_000]) {
    it(`are told apart even if a record has ${items}`, () => {
      const ledger = ledgerOf(2);
      settle(ledger, 1, 0);
      expectItems(ledger, 0, items);
      for (let item = items - 1; item >= 0; item--) {
        expect(ledger.openRecords, `before item ${item}`).to.equal(1);
        expect(settle(ledger, 0, item)).to.equal(true);
        expect(settle(ledger, 0, item)).to.equal(false);
      }
      expect(frontier(ledger)).to.deep.equal(at(2));
    });
  }

  it('are ignored if they are settled again in a complete record behind an open one', () => {
    const ledger = ledgerOf(2);
    expectItems(ledger, 1, 40);
    for (let item = 0; item < 40; item++) settle(ledger, 1, item);
    for (const item of [0, 31, 32, 39]) expect(settle(ledger, 1, item)).to.equal(false);
    expect(ledger).to.include({ openRecords: 1, settled: 1, ignoredCalls: 4 });
  });

  it('settle their record at once if there are none (W12), even behind an open record', () => {
    const ledger = ledgerOf(3);
    expectItems(ledger, 1, 0);
    expect(ledger).to.include({ openRecords: 2, openBytes: 20 });
    expectItems(ledger, 0, 0);
    expect(frontier(ledger)).to.deep.equal(at(2));
    expect(ledger.ignoredCalls).to.equal(0);
  });
});

describe('the number of items', () => {
  it('may be reported again with the same value', () => {
    const ledger = ledgerOf(2);
    expectItems(ledger, 1, 3);
    settle(ledger, 1, 2);
    expectItems(ledger, 1, 3);
    expect(recordAt(ledger, 1)?.itemsOpen).to.equal(2);
    expectItems(ledger, 0, 0);
    expectItems(ledger, 0, 0);
    expect(ledger).to.include({ openRecords: 1, ignoredCalls: 1 });
  });

  it('throws if it differs from the number reported before', () => {
    const ledger = ledgerOf(1);
    expectItems(ledger, 0, 3);
    expect(() => expectItems(ledger, 0, 2)).to.throw(RangeError, 'record 0 has 3 items and cannot have 2');
  });

  it('throws for a settled record that is still in the ledger', () => {
    const ledger = ledgerOf(2);
    settle(ledger, 1, 0);
    expect(() => expectItems(ledger, 1, 3)).to.throw(
      RangeError,
      'record 1 was settled before it was known to have 3 items',
    );
  });

  it('throws if it is negative or not a whole number', () => {
    const ledger = ledgerOf(1);
    for (const items of [-1, 1.5, Number.NaN])
      expect(() => expectItems(ledger, 0, items)).to.throw(RangeError, 'cannot have');
  });

  it('is ignored and counted for a record that was never admitted', () => {
    const ledger = ledgerOf(1);
    expectItems(ledger, 1, 2);
    expectItems(ledger, -1, 2);
    expect(ledger).to.include({ ignoredCalls: 2, openRecords: 1 });
  });
});

describe('a stray settle', () => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['of a record that the frontier has passed (W9)', 0, 0],
    ['of a record that is settled behind an open one', 2, 0],
    ['of a record that was never admitted', 4, 0],
    ['of an ordinal below zero', -1, 0],
    ['of an ordinal that is no number', Number.NaN, 0],
    ['of a item that the record does not have', 1, 1],
    ['of a item below zero', 1, -1],
  ];
  for (const [what, ordinal, item] of cases) {
    it(`${what} returns false, is counted, and changes nothing`, () => {
      const ledger = ledgerOf(4);
      settle(ledger, 0, 0);
      settle(ledger, 2, 0);
      expect(settle(ledger, ordinal, item)).to.equal(false);
      expect(ledger).to.include({ ignoredCalls: 1, openRecords: 2, settled: 2, frontierOrdinal: 0 });
    });
  }
});

describe('the oldest open record', () => {
  it('is reported with its position, admission time, arrival, bytes and open items', () => {
    const ledger = ledgerOf(3);
    expectItems(ledger, 1, 3);
    settle(ledger, 0, 0);
    settle(ledger, 1, 1);
    noteArrival(ledger, 1, 7_000);
    expect(oldestOpen(ledger)).to.deep.equal({
      ordinal: 1,
      position: at(2),
      admittedAt: 200,
      arrivedAt: 7_000,
      bytes: 10,
      itemsOpen: 2,
    });
  });

  it('is undefined when no record is open', () => {
    expect(oldestOpen(createLedger(wide))).to.equal(undefined);
    const ledger = ledgerOf(1);
    settle(ledger, 0, 0);
    expect(oldestOpen(ledger)).to.equal(undefined);
    expect(recordAt(ledger, 0)).to.equal(undefined);
  });
});

describe('the cost of a settle', () => {
  it('does not grow with the number of open records, up to 60,000', async () => {
    const many = 60_000;
    const ledger = createLedger({ maxPending: many + 1, maxPendingBytes: 1e12 });
    const visits = await countVisits(async () => {
      for (let number = 0; number <= many; number++) admit(ledger, at(number), 1, 0);
      for (let ordinal = many; ordinal >= 0; ordinal--) settle(ledger, ordinal, 0);
    });
    // A ledger that visits all open records at each settle would make 1.8e9 visits.
    expect(visits).to.be.below(20 * many);
    expect(ledger.frontierOrdinal).to.equal(many);
  });
});

describe('the arrival of records', () => {
  it('is that of the oldest open record, also after the ring has grown', () => {
    const ledger = createLedger(wide);
    for (let number = 1; number <= 40; number++) {
      noteArrival(ledger, admit(ledger, at(number), 10, 0), 1_000 + number);
      if (number < 20) settle(ledger, number - 1, 0);
    }
    expect(oldestOpen(ledger)?.arrivedAt).to.equal(1_020);
    settle(ledger, 30, 0);
    settle(ledger, 19, 0);
    expect(oldestOpen(ledger)?.arrivedAt).to.equal(1_021);
    noteArrival(ledger, 3, 7);
    expect(oldestOpen(ledger)?.arrivedAt, 'a settled record is forgotten').to.equal(1_021);
  });

  it('of the first record that the frontier has passed is kept until it is taken', () => {
    const ledger = createLedger(wide);
    for (let number = 1; number <= 5; number++) noteArrival(ledger, admit(ledger, at(number), 10, 0), 1_000 + number);
    settle(ledger, 1, 0);
    expect(takePassed(ledger)).to.be.NaN;
    settle(ledger, 0, 0);
    settle(ledger, 2, 0);
    expect(takePassed(ledger)).to.equal(1_001);
    expect(takePassed(ledger)).to.be.NaN;
    settle(ledger, 3, 0);
    expect(takePassed(ledger)).to.equal(1_004);
  });

  it('counts the bytes of settled records', () => {
    const ledger = ledgerOf(3);
    settle(ledger, 1, 0);
    settle(ledger, 1, 0);
    expect(ledger.settledBytes).to.equal(10);
  });
});
