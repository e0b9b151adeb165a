// The laws of the ledger for any order of records and settles. Each law is then tried on ledgers with a known bug, and must fail there.
// The first law stands here in full. The others also restart the shard worker and reach the bounds of the ledger, so they compare the
// ledger with a naive model, in test/support/ledger-laws.ts.
import { expect } from 'chai';
import fc from 'fast-check';

import * as ledger from '../../src/core/ledger.js';
import * as broken from '../support/broken-ledgers.js';
import * as laws from '../support/ledger-laws.js';
import type { Law } from '../support/ledger-laws.js';
import type { LedgerApi } from '../support/ledger-harness.js';

const numRuns = 2_000;

/** How many items each record has, and the items that are settled, in any order. Some may never be. */
const recordsAndSettles = fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }).chain((itemCounts) => {
  const items = itemCounts.flatMap((count, record) => Array.from({ length: count }, (_, item) => ({ record, item })));
  return fc.record({ itemCounts: fc.constant(itemCounts), settles: fc.shuffledSubarray(items) });
});

/** After each settle, the frontier is the record before the first one that still has an open item. */
const frontierIsBeforeTheFirstOpenRecord: Law = (api) =>
  fc.property(recordsAndSettles, ({ itemCounts, settles }) => {
    const shard = api.createLedger({ maxPending: 100, maxPendingBytes: 100 });
    itemCounts.forEach((count, record) => {
      api.admit(shard, { sequenceNumber: String(record), subSequenceNumber: 0 }, 1, 0);
      api.expectItems(shard, record, count);
    });
    const openItems = [...itemCounts];
    for (const { record, item } of settles) {
      api.settle(shard, record, item);
      openItems[record]! -= 1;
      const firstOpen = openItems.findIndex((items) => items > 0);
      const settled = firstOpen === -1 ? itemCounts.length : firstOpen;
      const expected = settled === 0 ? undefined : String(settled - 1);
      const frontier = api.frontier(shard)?.sequenceNumber;
      if (frontier !== expected) throw new Error(`law broken: the frontier is ${frontier}, not ${expected}`);
    }
  });

interface Case {
  readonly law: Law;
  readonly says: string;
  /** Ledgers with a bug that breaks the law: the law must fail on each of them. */
  readonly brokenBy: readonly (() => LedgerApi)[];
}

const cases: readonly Case[] = [
  {
    law: frontierIsBeforeTheFirstOpenRecord,
    says: 'I1, in full: the frontier is the record before the first one that still has an open item',
    brokenBy: [broken.frontierByCompletionOrder, broken.settlesOnlyInOrder],
  },
  {
    law: laws.frontierPassesNothingOpen,
    says: 'I1: the frontier never passes an open record and never stops inside an indivisible aggregate',
    brokenBy: [
      broken.frontierByCompletionOrder,
      broken.completesByOverlap,
      broken.repeatsCountAgain,
      broken.frontierInsideIndivisible,
    ],
  },
  {
    law: laws.frontierNeverGoesBack,
    says: 'I2: the frontier never goes back, over any number of incarnations',
    brokenBy: [broken.frontierByCompletionOrder, broken.admitsDuplicates],
  },
  {
    law: laws.settlesAreOrderFreeAndIdempotent,
    says: 'I8: settles in any order and any number of times end in the same ledger',
    brokenBy: [
      broken.repeatsCountAgain,
      broken.completesByOverlap,
      broken.settlesOnlyInOrder,
      broken.frontierByCompletionOrder,
    ],
  },
  {
    law: laws.lateSettlesChangeNothing,
    says: 'I9: late settles of an old fence change nothing',
    brokenBy: [broken.newestTakesLateSettles, broken.incarnationsShareState],
  },
  {
    law: laws.recordsCompleteByEveryItem,
    says: 'I10: a record completes exactly when each of its items has been settled',
    brokenBy: [
      broken.completesByOverlap,
      broken.repeatsCountAgain,
      broken.settlesOnlyInOrder,
      broken.zeroItemsStayOpen,
    ],
  },
  {
    law: laws.openStaysInBounds,
    says: 'I11: records, bytes and span stay in their bounds, and nothing is refused without need',
    brokenBy: [
      broken.oneRecordTooMany,
      broken.oneRecordTooFew,
      broken.bytesWithoutBound,
      broken.bytesLeak,
      broken.spanWithoutBound,
      broken.admitsDuplicates,
    ],
  },
  {
    law: laws.zeroItemsAdvanceTheFrontier,
    says: 'I18: zero-item and all-filtered streams advance the frontier to their end',
    brokenBy: [broken.zeroItemsStayOpen, broken.zeroItemsHoldTheFrontier, broken.settlesOnlyInOrder, broken.bytesLeak],
  },
];

describe('the ledger, with any records and settles', () => {
  for (const { law, says } of cases) {
    it(says, async () => {
      await fc.assert(law(ledger), { numRuns });
    }).timeout(60_000);
  }
});

describe('each law fails on a ledger with a known bug', () => {
  for (const { law, says, brokenBy } of cases) {
    for (const make of brokenBy) {
      it(`${says.slice(0, says.indexOf(':'))} catches ${make.name}`, async () => {
        // A fixed seed: whether a bug is caught must not be luck.
        const outcome = await fc.check(law(make()), { numRuns, seed: 20_261_122 });
        expect(outcome.failed, `${outcome.numRuns} runs passed`).to.equal(true);
        expect(String(outcome.errorInstance)).to.include('law broken');
      }).timeout(60_000);
    }
  }
});
