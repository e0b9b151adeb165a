// Measures the cost of a record in the ledger alone. Records are admitted and settled, and the frontier is read once per 1,000.
// Positions are made beforehand, because a consumer's reader makes them anyway. `node .build/bench/ledger-cost.js [records]`
// prints nanoseconds per record.
import { admit, createLedger, expectItems, frontier, hasRoom, settle } from '../src/core/ledger.js';
import type { Position } from '../src/core/position.js';

const records = Number(process.argv[2] ?? 5_000_000);
const windowSize = 10_000;
const runs = 5;
const distinct = 100_000;
const firstNumber = 49_664_782_231_471_234_509n * 10n ** 36n;

/** Positions with ascending 56-digit sequence numbers for one lap. Each lap uses a new ledger. */
const positions: readonly Position[] = Array.from({ length: distinct }, (_, index) => ({
  sequenceNumber: (firstNumber + BigInt(index) * 977n).toString(),
  subSequenceNumber: 0,
}));

/** Ordinals of one window in a random but repeatable order. */
const shuffled = Array.from({ length: windowSize }, (_, index) => index);
let state = 1;
for (let index = windowSize - 1; index > 0; index--) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  const other = state % (index + 1);
  [shuffled[index], shuffled[other]] = [shuffled[other] as number, shuffled[index] as number];
}

interface Case {
  readonly name: string;
  /** Records admitted before the first of them is settled. */
  readonly window: number;
  readonly random: boolean;
  readonly items: number;
}

const cases: readonly Case[] = [
  { name: 'in order, one open', window: 1, random: false, items: 1 },
  { name: 'in order, 10,000 open', window: windowSize, random: false, items: 1 },
  { name: 'random order, 10,000 open', window: windowSize, random: true, items: 1 },
  { name: 'random order, 10,000 open, 3 items each', window: windowSize, random: true, items: 3 },
];

function lap({ window, random, items }: Case): void {
  const ledger = createLedger({ maxPending: windowSize, maxPendingBytes: 2 ** 40 });
  for (let from = 0; from < distinct; from += window) {
    for (let index = from; index < from + window; index++) {
      if (!hasRoom(ledger, 100)) throw new Error('no room');
      const ordinal = admit(ledger, positions[index] as Position, 100, index);
      if (items > 1) expectItems(ledger, ordinal, items);
    }
    for (let index = 0; index < window; index++) {
      const ordinal = from + (random ? (shuffled[index] as number) : index);
      for (let item = 0; item < items; item++) settle(ledger, ordinal, item);
      if (index % 1_000 === 0) frontier(ledger);
    }
  }
  if (ledger.settled !== distinct || ledger.frontierOrdinal !== distinct - 1) throw new Error('the ledger lost count');
}

const laps = Math.max(1, Math.round(records / distinct));
for (const each of cases) {
  lap(each);
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const started = process.hrtime.bigint();
    for (let count = 0; count < laps; count++) lap(each);
    times.push(Number(process.hrtime.bigint() - started) / (laps * distinct));
  }
  times.sort((left, right) => left - right);
  const [least, median, most] = [times[0], times[runs >> 1], times[runs - 1]] as [number, number, number];
  console.log(
    `${each.name}: ${median.toFixed(1)} ns per record (${least.toFixed(1)}–${most.toFixed(1)}, ${runs} runs of ${laps * distinct})`,
  );
}
