// Plays a shrinkable script of commands on a ledger and on the naive model, over several incarnations. Each incarnation starts after the
// durable checkpoint of the previous one. Settles are addressed by fence, as in the shard worker.
import fc from 'fast-check';

import type * as ledgerModule from '../../src/core/ledger.js';
import type { Ledger } from '../../src/core/ledger.js';
import type { Position } from '../../src/core/position.js';
import {
  isOpen,
  naiveAdmit,
  naiveExpectItems,
  naiveHead,
  naiveLedger,
  naiveMayExpect,
  naiveRoom,
  naiveSettle,
  type NaiveLedger,
} from './naive-ledger.js';

/** The functions of src/core/ledger.ts, or broken ones of broken-ledgers.ts. */
export type LedgerApi = typeof ledgerModule;

export interface Bounds {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxSpan: number;
}

/** One incarnation; its index in `Harness.incarnations` is its fence. */
export interface Incarnation {
  readonly ledger: Ledger;
  readonly naive: NaiveLedger;
  /** Whether `hasRoom` is asked with the size of each record before its admission. */
  readonly strict: boolean;
}

export interface Harness {
  readonly api: LedgerApi;
  readonly bounds: Bounds;
  readonly incarnations: Incarnation[];
  /** The highest sequence number the shard has delivered in this incarnation. */
  tip: bigint;
  tipSub: number;
  /** The last frontier that the keeper made durable. */
  durable: Position | undefined;
  /** The results of the last command, from the ledger and from the model. */
  answers: { readonly real: unknown; readonly naive: unknown };
}

export type Command =
  | {
      readonly type: 'admit';
      readonly step: number;
      readonly subStep: number;
      readonly bytes: number;
      readonly checkpointable: boolean;
    }
  | { readonly type: 'expectItems'; readonly pick: number; readonly items: number }
  | { readonly type: 'settle'; readonly pick: number; readonly item: number }
  | { readonly type: 'settleAll'; readonly pick: number; readonly turn: number }
  | { readonly type: 'settleAgain'; readonly pick: number; readonly item: number }
  | { readonly type: 'stray'; readonly ahead: boolean; readonly by: number }
  | { readonly type: 'incarnate' }
  | { readonly type: 'late'; readonly fence: number; readonly pick: number; readonly item: number };

const admitCommand = fc.record({
  type: fc.constant('admit' as const),
  // 0 keeps the sequence number: the next user record of an aggregate or, with subStep 0, a duplicate. -1 goes back.
  step: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 7 }) },
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant(-1) },
  ),
  subStep: fc.nat(2),
  bytes: fc.oneof({ weight: 8, arbitrary: fc.nat(10) }, { weight: 1, arbitrary: fc.integer({ min: 50, max: 600 }) }),
  checkpointable: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});
const itemCount = fc.oneof(
  { weight: 6, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.integer({ min: 31, max: 70 }) },
);
const pick = fc.nat(999);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 14, arbitrary: admitCommand },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('expectItems' as const), pick, items: itemCount }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('settle' as const), pick, item: pick }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('settleAll' as const), pick, turn: pick }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('settleAgain' as const), pick, item: pick }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stray' as const), ahead: fc.boolean(), by: fc.nat(70) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('incarnate' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('late' as const), fence: fc.nat(9), pick, item: pick }) },
);

export const script: fc.Arbitrary<readonly Command[]> = fc.array(command, {
  minLength: 1,
  maxLength: 160,
  size: 'max',
});

export const bounds: fc.Arbitrary<Bounds> = fc
  .record({
    maxPending: fc.integer({ min: 1, max: 30 }),
    maxPendingBytes: fc.integer({ min: 1, max: 500 }),
    spread: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ maxPending, maxPendingBytes, spread }) => ({ maxPending, maxPendingBytes, maxSpan: maxPending * spread }));

export function newHarness(api: LedgerApi, limits: Bounds, strict = true): Harness {
  const harness: Harness = {
    api,
    bounds: limits,
    incarnations: [],
    tip: 0n,
    tipSub: 0,
    durable: undefined,
    answers: { real: 0, naive: 0 },
  };
  incarnate(harness, strict);
  return harness;
}

export function current(harness: Harness): Incarnation {
  return harness.incarnations.at(-1) as Incarnation;
}

/** Plays the commands, and calls `observe` after each of them. */
export function play(
  harness: Harness,
  commands: readonly Command[],
  observe: (harness: Harness, command: Command) => void,
): void {
  for (const each of commands) {
    harness.answers = { real: undefined, naive: undefined };
    step(harness, each);
    observe(harness, each);
    // The keeper may make the frontier durable at any time; the next incarnation resumes behind it.
    harness.durable = harness.api.frontier(current(harness).ledger) ?? harness.durable;
  }
}

function step(harness: Harness, each: Command): void {
  const { api, incarnations } = harness;
  const { naive } = current(harness);
  const fenceNow = incarnations.length - 1;
  switch (each.type) {
    case 'admit':
      return admitNext(harness, each);
    case 'expectItems':
      return expectOfPicked(harness, each.pick, each.items);
    case 'settle':
      return settleAt(harness, fenceNow, choose(openOrdinals(naive), each.pick), each.item);
    case 'settleAll': {
      const ordinal = choose(openOrdinals(naive), each.pick);
      const items = ordinal === undefined ? [] : [...(naive.records[ordinal]?.openItems ?? [])];
      // Not in order: from some item on, then from the first.
      const turn = each.turn % Math.max(1, items.length);
      for (const item of [...items.slice(turn), ...items.slice(0, turn)]) settleAt(harness, fenceNow, ordinal, item);
      return;
    }
    case 'settleAgain':
      return settleAt(harness, fenceNow, choose([...naive.records.keys()], each.pick), each.item);
    case 'stray': {
      const ordinal = each.ahead ? naive.records.length + each.by : -1 - each.by;
      harness.answers = { real: api.settle(current(harness).ledger, ordinal, 0), naive: false };
      return;
    }
    case 'incarnate':
      return incarnate(harness, current(harness).strict);
    case 'late': {
      const fence = each.fence % incarnations.length;
      const records = (incarnations[fence] as Incarnation).naive.records;
      return settleAt(harness, fence, choose([...records.keys()], each.pick), each.item);
    }
  }
}

function admitNext(harness: Harness, each: Command & { readonly type: 'admit' }): void {
  const { api } = harness;
  const { ledger, naive, strict } = current(harness);
  // The reader of a new incarnation delivers only records after the position at which it resumed.
  const sequence = harness.tip + BigInt(naive.records.length === 0 ? Math.max(each.step, 1) : each.step);
  const sub = each.step === 0 ? harness.tipSub + each.subStep : each.subStep;
  const position = { sequenceNumber: sequence.toString(), subSequenceNumber: sub };
  const asked = strict ? api.hasRoom(ledger, each.bytes) : api.hasRoom(ledger);
  if (!asked) {
    harness.answers = { real: false, naive: naiveRoom(naive, strict ? each.bytes : 1) };
    return;
  }
  const admit = each.checkpointable ? api.admit : api.admitInside;
  const ordinal = admit(ledger, position, each.bytes, 0);
  harness.answers = {
    real: ordinal,
    naive: naiveAdmit(naive, { ...position, bytes: each.bytes, checkpointable: each.checkpointable }),
  };
  if (ordinal >= 0) {
    harness.tip = sequence;
    harness.tipSub = sub;
  }
}

function expectOfPicked(harness: Harness, choice: number, items: number): void {
  const { ledger, naive } = current(harness);
  const ordinal = choose([...naive.records.keys()].slice(naiveHead(naive)), choice);
  const record = ordinal === undefined ? undefined : naive.records[ordinal];
  if (ordinal === undefined || record === undefined || !naiveMayExpect(record, items)) return;
  harness.api.expectItems(ledger, ordinal, items);
  naiveExpectItems(record, items);
}

function settleAt(harness: Harness, fence: number, ordinal: number | undefined, choice: number): void {
  if (ordinal === undefined) return;
  const { ledger, naive } = harness.incarnations[fence] as Incarnation;
  const record = naive.records[ordinal];
  // One choice more than there are items, so a settle may name an item that does not exist.
  const item = choice % ((record?.expected ?? 1) + 1);
  harness.answers = { real: harness.api.settle(ledger, ordinal, item), naive: naiveSettle(naive, ordinal, item) };
}

function incarnate(harness: Harness, strict: boolean): void {
  harness.incarnations.push({
    ledger: harness.api.createLedger(harness.bounds),
    naive: naiveLedger(harness.bounds),
    strict,
  });
  harness.tip = BigInt(harness.durable?.sequenceNumber ?? 0);
  harness.tipSub = harness.durable?.subSequenceNumber ?? 0;
}

function openOrdinals(ledger: NaiveLedger): number[] {
  return ledger.records.flatMap((record, ordinal) => (isOpen(record) ? [ordinal] : []));
}

function choose<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % Math.max(1, from.length)];
}
