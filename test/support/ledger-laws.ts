// The ledger's invariants of seeds.md 4.5, each as a property of any set of ledger functions. The functions in src/core/ledger.ts must
// keep them, and the broken ledgers must be caught.
import fc from 'fast-check';

import type { Position } from '../../src/core/position.js';
import { bounds, current, newHarness, play, script, type LedgerApi, type Harness } from './ledger-harness.js';
import { isOpen, naiveFrontier, naiveHead, naiveOpen, naiveOpenBytes, type NaiveRecord } from './naive-ledger.js';

/** A law as a fast-check property of one set of ledger functions. */
export type Law = (api: LedgerApi) => fc.IRawProperty<unknown>;

/** I1: the frontier never passes an open record, and never rests where a checkpoint may not land. */
export const frontierPassesNothingOpen: Law = (api) =>
  fc.property(bounds, script, (limits, commands) => {
    play(newHarness(api, limits), commands, (harness) => {
      const { ledger, naive } = current(harness);
      const frontier = api.frontier(ledger);
      if (frontier === undefined) return;
      const passed = naive.records.filter((record) => order(record, frontier) <= 0);
      must(!passed.some(isOpen), () => `frontier ${show(frontier)} passes an open record`);
      must(
        passed.at(-1)?.checkpointable === true,
        () => `frontier ${show(frontier)} rests where no checkpoint may land`,
      );
    });
  });

/** I2: the frontier never goes back, not even across incarnations, which resume after the durable checkpoint. */
export const frontierNeverGoesBack: Law = (api) =>
  fc.property(bounds, script, (limits, commands) => {
    play(newHarness(api, limits), commands, (harness) => {
      const frontier = api.frontier(current(harness).ledger);
      if (frontier === undefined || harness.durable === undefined) return;
      const { durable } = harness;
      must(order(frontier, durable) >= 0, () => `frontier fell from ${show(durable)} to ${show(frontier)}`);
    });
  });

/** I8: any order and any repetition of the same settles ends in the same ledger. */
export const settlesAreOrderFreeAndIdempotent: Law = (api) =>
  fc.property(
    fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.integer({ min: 31, max: 66 }) }),
      { minLength: 1, maxLength: 20 },
    ),
    fc.array(fc.nat(9_999), { maxLength: 120, size: 'max' }),
    (itemCounts, picks) => {
      const items = itemCounts.flatMap((count, ordinal) =>
        Array.from({ length: count }, (_, index) => ({ ordinal, index })),
      );
      const asSent = picks.flatMap((pick) => (items.length === 0 ? [] : [pick % items.length]));
      const onceInOrder = [...new Set(asSent)].sort((left, right) => left - right);
      const outcomes = [asSent, onceInOrder].map((order) => {
        const ledger = api.createLedger({ maxPending: 20, maxPendingBytes: 1_000 });
        itemCounts.forEach((count, ordinal) => {
          const admit = ordinal % 3 === 1 ? api.admitInside : api.admit;
          admit(ledger, { sequenceNumber: String(ordinal), subSequenceNumber: 0 }, ordinal, 0);
          api.expectItems(ledger, ordinal, count);
        });
        for (const index of order) api.settle(ledger, items[index]?.ordinal ?? -1, items[index]?.index ?? -1);
        return JSON.stringify([summary(api, ledger), api.oldestOpen(ledger)]);
      });
      must(outcomes[0] === outcomes[1], () => `as sent ${outcomes[0]}, once in order ${outcomes[1]}`);
    },
  );

/** I9: a settle addressed to an old fence changes nothing in the ledger of the current fence. */
export const lateSettlesChangeNothing: Law = (api) =>
  fc.property(bounds, script, (limits, commands) => {
    const harness = newHarness(api, limits);
    let before = summary(api, current(harness).ledger);
    play(harness, commands, (_, command) => {
      const after = summary(api, current(harness).ledger);
      if (command.type === 'late' && command.fence % harness.incarnations.length !== harness.incarnations.length - 1) {
        must(after === before, () => `a late settle turned ${before} into ${after}`);
      }
      mustAgree(harness);
      before = after;
    });
  });

/** I10: a record is complete exactly when each of its items has been settled, and a settle is new exactly once. */
export const recordsCompleteByEveryItem: Law = (api) =>
  fc.property(bounds, script, (limits, commands) => {
    play(newHarness(api, limits), commands, (harness, command) => {
      const { ledger, naive } = current(harness);
      const { real, naive: expected } = harness.answers;
      if (command.type !== 'admit')
        must(real === expected, () => `${command.type} said ${String(real)}, not ${String(expected)}`);
      naive.records.forEach((record, ordinal) => {
        const held = api.recordAt(ledger, ordinal)?.itemsOpen;
        const itemsOpen = record.openItems.length;
        must(
          held === itemsOpen || (held === undefined && itemsOpen === 0),
          () => `record ${ordinal} has ${held} open items, not ${itemsOpen}`,
        );
      });
      mustAgree(harness);
    });
  });

/** I11: the open records stay within the bounds of records, bytes and span. No record is refused without need. */
export const openStaysInBounds: Law = (api) =>
  fc.property(bounds, script, fc.boolean(), (limits, commands, strict) => {
    play(newHarness(api, limits, strict), commands, (harness, command) => {
      const { naive } = current(harness);
      const open = naiveOpen(naive);
      const bytes = naiveOpenBytes(naive);
      const span = naive.records.length - naiveHead(naive);
      const newest = naive.records.at(-1)?.bytes ?? 0;
      must(open.length <= limits.maxPending, () => `${open.length} open of ${limits.maxPending}`);
      must(span <= limits.maxSpan, () => `span ${span} of ${limits.maxSpan}`);
      const bytesInBounds = bytes <= limits.maxPendingBytes || open.length === 1;
      must(
        bytesInBounds || (!strict && bytes - newest < limits.maxPendingBytes),
        () => `${bytes} bytes open of ${limits.maxPendingBytes}`,
      );
      if (command.type === 'admit') {
        const { real, naive: expected } = harness.answers;
        must(real === expected, () => `admit said ${String(real)}, not ${String(expected)}`);
      }
    });
  });

/** I18: a record with zero items counts as settled. With nothing open, the frontier is at the last record where it may rest. */
export const zeroItemsAdvanceTheFrontier: Law = (api) =>
  fc.property(bounds, script, fc.constantFrom('after all is settled', 'all filtered'), (limits, commands, kind) => {
    const harness = newHarness(api, limits);
    if (kind === 'all filtered') {
      const admits = commands.filter(({ type }) => type === 'admit');
      play(harness, admits, () => {
        const { ledger, naive } = current(harness);
        const record = naive.records.at(-1);
        if (record === undefined || !isOpen(record)) return;
        api.expectItems(ledger, naive.records.length - 1, 0);
        record.openItems = [];
        mustBeDone(harness);
      });
      return;
    }
    play(harness, commands, () => undefined);
    const { ledger, naive } = current(harness);
    naive.records.forEach((record, ordinal) => {
      for (const index of record.openItems) api.settle(ledger, ordinal, index);
      record.openItems = [];
    });
    mustBeDone(harness);
  });

/** Called when everything admitted is settled: the ledger must show the same. */
function mustBeDone(harness: Harness): void {
  const { api } = harness;
  const { ledger, naive } = current(harness);
  must(
    api.oldestOpen(ledger) === undefined && ledger.openRecords === 0 && ledger.openBytes === 0,
    () => 'something stays open',
  );
  const last = naive.records.findLast((record) => record.checkpointable);
  const frontier = api.frontier(ledger);
  must(
    last === undefined ? frontier === undefined : frontier !== undefined && order(last, frontier) === 0,
    () => `frontier ${show(frontier)} lags behind`,
  );
}

function mustAgree(harness: Harness): void {
  const { naive, ledger } = current(harness);
  const at = naiveFrontier(naive);
  const record = naive.records[at];
  const open = naiveOpen(naive).length;
  const expected = JSON.stringify([
    record === undefined ? null : `${record.sequenceNumber}.${record.subSequenceNumber}`,
    at,
    open,
    naiveOpenBytes(naive),
    naive.records.length,
    naive.records.length - open,
  ]);
  const actual = summary(harness.api, ledger);
  must(actual === expected, () => `the ledger says ${actual}, the model ${expected}`);
}

function summary(api: LedgerApi, ledger: ReturnType<LedgerApi['createLedger']>): string {
  const frontier = api.frontier(ledger);
  return JSON.stringify([
    frontier === undefined ? null : `${frontier.sequenceNumber}.${frontier.subSequenceNumber}`,
    ledger.frontierOrdinal,
    ledger.openRecords,
    ledger.openBytes,
    ledger.admitted,
    ledger.settled,
  ]);
}

/** Compares positions as BigInt, on purpose not with the function that the ledger uses. */
function order(left: Position | NaiveRecord, right: Position): number {
  const difference = BigInt(left.sequenceNumber) - BigInt(right.sequenceNumber);
  return difference === 0n ? left.subSequenceNumber - right.subSequenceNumber : Number(difference);
}

function show(position: Position | undefined): string {
  return position === undefined ? 'nowhere' : `${position.sequenceNumber}.${position.subSequenceNumber}`;
}

function must(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(`law broken: ${message()}`);
}
