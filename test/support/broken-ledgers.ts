// Ledgers with one bug each, most of them bugs of the seed systems. Each replaces the smallest possible part of the real functions. A
// property that one of these ledgers passes tests nothing.
import * as real from '../../src/core/ledger.js';
import type { Ledger } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import type { LedgerApi } from './ledger-harness.js';

/** Additional state of broken ledgers, by ledger. */
function notes<T>(first: () => T): (ledger: Ledger) => T {
  const all = new WeakMap<Ledger, T>();
  return (ledger) => {
    const note = all.get(ledger) ?? first();
    all.set(ledger, note);
    return note;
  };
}

function leavesOf(ledger: Ledger, ordinal: number): number {
  const items = ledger.ring.items[ordinal & ledger.ring.mask] as number;
  return items < 0 ? 1 : items;
}

/** W8: a record is complete after as many settles as it has items, even if they name the same item. */
export function completesByOverlap(): LedgerApi {
  const countsOf = notes(() => new Map<number, number>());
  return {
    ...real,
    settle(ledger, ordinal, item) {
      const settled = real.settle(ledger, ordinal, item);
      const counts = countsOf(ledger);
      const count = (counts.get(ordinal) ?? 0) + 1;
      counts.set(ordinal, count);
      if (real.recordAt(ledger, ordinal) !== undefined && count >= leavesOf(ledger, ordinal)) {
        for (let other = leavesOf(ledger, ordinal) - 1; other >= 0; other--) real.settle(ledger, ordinal, other);
      }
      return settled;
    },
  };
}

/** The frontier is the record that completed last, even if records before it are open. */
export function frontierByCompletionOrder(): LedgerApi {
  const last = notes<{ position: Position | undefined }>(() => ({ position: undefined }));
  return {
    ...real,
    settle(ledger, ordinal, item) {
      const entry = real.recordAt(ledger, ordinal);
      const before = ledger.settled;
      const settled = real.settle(ledger, ordinal, item);
      if (ledger.settled > before) last(ledger).position = entry?.position;
      return settled;
    },
    frontier: (ledger) => last(ledger).position,
  };
}

/** A repeated settle counts again, for another item of the record. */
export function repeatsCountAgain(): LedgerApi {
  return {
    ...real,
    settle(ledger, ordinal, item) {
      if (real.settle(ledger, ordinal, item)) return true;
      for (let other = 0; real.recordAt(ledger, ordinal) !== undefined && other < leavesOf(ledger, ordinal); other++) {
        if (real.settle(ledger, ordinal, other)) return false;
      }
      return false;
    },
  };
}

/** Only the oldest open record may be settled: a settle of a later record is dropped. */
export function settlesOnlyInOrder(): LedgerApi {
  return { ...real, settle: (ledger, ordinal, item) => ordinal === ledger.head && real.settle(ledger, ordinal, item) };
}

/** W12: a record without items is never settled. */
export function zeroItemsStayOpen(): LedgerApi {
  return {
    ...real,
    expectItems(ledger, ordinal, items) {
      if (items > 0) real.expectItems(ledger, ordinal, items);
    },
  };
}

/** Zero-item records are settled, but the frontier waits for the next settle. */
export function zeroItemsHoldTheFrontier(): LedgerApi {
  const seen = notes<{ position: Position | undefined }>(() => ({ position: undefined }));
  return {
    ...real,
    settle(ledger, ordinal, item) {
      const settled = real.settle(ledger, ordinal, item);
      seen(ledger).position = real.frontier(ledger);
      return settled;
    },
    frontier: (ledger) => seen(ledger).position,
  };
}

/** P6: a checkpoint may land inside an aggregate that no KCL would open. */
export function frontierInsideIndivisible(): LedgerApi {
  return {
    ...real,
    admitInside: real.admit,
  };
}

/** W11: a record that was delivered twice is admitted twice. */
export function admitsDuplicates(): LedgerApi {
  const twice =
    (admit: typeof real.admit): typeof real.admit =>
    (ledger, position, bytes, nowMs) => {
      ledger.newestNumber = '';
      return admit(ledger, position, bytes, nowMs);
    };
  return { ...real, admit: twice(real.admit), admitInside: twice(real.admitInside) };
}

/** Settles are not addressed: the ledger of the newest incarnation gets all of them. */
export function newestTakesLateSettles(): LedgerApi {
  let newest: Ledger | undefined;
  return {
    ...real,
    createLedger(bounds) {
      newest = real.createLedger(bounds);
      return newest;
    },
    settle: (ledger, ordinal, item) => real.settle(newest ?? ledger, ordinal, item),
  };
}

/** All ledgers keep their settled items in the same array. */
export function incarnationsShareState(): LedgerApi {
  let shared: Int32Array | undefined;
  return {
    ...real,
    createLedger(bounds) {
      const ledger = real.createLedger(bounds);
      shared ??= ledger.ring.settledItems;
      ledger.ring = { ...ledger.ring, settledItems: shared };
      return ledger;
    },
  };
}

function withBounds(change: (bounds: Required<real.LedgerBounds>) => real.LedgerBounds): LedgerApi {
  return {
    ...real,
    createLedger: (bounds) =>
      real.createLedger(change({ ...bounds, maxSpan: bounds.maxSpan ?? 64 * bounds.maxPending })),
  };
}

export function oneRecordTooMany(): LedgerApi {
  return withBounds((bounds) => ({ ...bounds, maxPending: bounds.maxPending + 1 }));
}

export function oneRecordTooFew(): LedgerApi {
  return withBounds((bounds) => ({ ...bounds, maxPending: Math.max(1, bounds.maxPending - 1) }));
}

export function bytesWithoutBound(): LedgerApi {
  return withBounds((bounds) => ({ ...bounds, maxPendingBytes: Infinity }));
}

export function spanWithoutBound(): LedgerApi {
  return withBounds((bounds) => ({ ...bounds, maxSpan: Infinity }));
}

/** The bytes of settled records are never given back. */
export function bytesLeak(): LedgerApi {
  return {
    ...real,
    settle(ledger, ordinal, item) {
      const before = ledger.openBytes;
      const settled = real.settle(ledger, ordinal, item);
      ledger.openBytes = before;
      return settled;
    },
  };
}
