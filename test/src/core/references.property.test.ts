// References against a naive model that lists the items of each message, with the fraction of each item that the message stands for. An
// item is settled when the fractions that were settled add up to 1.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addTo,
  emptyBundle,
  forEachTenure,
  isEmptyBundle,
  namesRecord,
  settleReferences,
  splitInto,
  withoutEnded,
  type Bundle,
  type Reference,
  type References,
} from '../../../src/core/references.js';
import {
  addNumber,
  addRanges,
  countNumbers,
  emptyRanges,
  forEachNumber,
  hasNumber,
} from '../../../src/core/number-ranges.js';

interface Lease {
  readonly name: string;
  ended: boolean;
}
type Refs = References<Lease, string>;

/** A fraction of 2^a 3^b 5^c…, exact. */
interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

const whole: Fraction = { over: 1n, under: 1n };

function plus(left: Fraction, right: Fraction): Fraction {
  return reduced(left.over * right.under + right.over * left.under, left.under * right.under);
}

function reduced(over: bigint, under: bigint): Fraction {
  let [larger, smaller] = [over, under];
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller];
  return larger === 0n ? { over: 0n, under: 1n } : { over: over / larger, under: under / larger };
}

type Naive = Map<string, Fraction>;
const nameOf = ({ tenure, stage, ordinal, index }: Reference<Lease, string>): string =>
  `${tenure.name} ${stage} ${ordinal} ${index}`;

const step = fc.oneof(
  fc.record({
    type: fc.constant('arrive' as const),
    lease: fc.nat(2),
    stage: fc.nat(1),
    skips: fc.nat(2),
    index: fc.nat(1),
  }),
  fc.record({ type: fc.constant('split' as const), of: fc.nat(), shares: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ type: fc.constant('bundle' as const), of: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }) }),
  fc.record({ type: fc.constant('settle' as const), of: fc.nat() }),
  fc.record({ type: fc.constant('end' as const), lease: fc.nat(2) }),
);

describe('references and a naive list', () => {
  it('settle the same items at the same steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const leases: Lease[] = [0, 1, 2].map((n) => ({ name: `lease${n}`, ended: false }));
        const ordinals = [0, 0, 0];
        const messages: { refs: Refs; naive: Naive }[] = [];
        const settledParts: Naive = new Map();
        const settled = new Set<string>();
        const take = (at: number) => messages.splice(at % messages.length, 1)[0] as (typeof messages)[number];

        for (const each of steps) {
          if (each.type === 'end') {
            (leases[each.lease] as Lease).ended = true;
            const gone = (leases[each.lease] as Lease).name;
            for (const message of [...messages]) {
              const { live } = withoutEnded(message.refs);
              for (const name of message.naive.keys()) if (name.startsWith(`${gone} `)) message.naive.delete(name);
              assert.equal(live === undefined, message.naive.size === 0);
              if (live === undefined) messages.splice(messages.indexOf(message), 1);
              else message.refs = live;
            }
            leases[each.lease] = { name: `${gone}'`, ended: false };
            ordinals[each.lease] = 0;
          } else if (each.type === 'arrive') {
            const tenure = leases[each.lease] as Lease;
            ordinals[each.lease] = (ordinals[each.lease] as number) + 1 + each.skips;
            const ordinal = ordinals[each.lease] as number;
            const item = { tenure, stage: `stage${each.stage}`, ordinal, index: each.index };
            messages.push({ refs: item, naive: new Map([[nameOf(item), whole]]) });
          } else if (messages.length === 0) continue;
          else if (each.type === 'split') {
            const { refs, naive } = take(each.of);
            const share = splitInto(refs, each.shares);
            for (let n = 0; n < each.shares; n += 1) {
              const part = new Map(
                [...naive].map(([name, { over, under }]) => [name, reduced(over, under * BigInt(each.shares))]),
              );
              messages.push({ refs: share, naive: part });
            }
          } else if (each.type === 'bundle') {
            const bundle: Bundle<Lease, string> = emptyBundle();
            const naive: Naive = new Map();
            for (const at of each.of) {
              if (messages.length === 0) break;
              const message = take(at);
              addTo(bundle, message.refs);
              for (const [name, part] of message.naive)
                naive.set(name, plus(naive.get(name) ?? { over: 0n, under: 1n }, part));
            }
            if (!isEmptyBundle(bundle)) messages.push({ refs: bundle, naive });
          } else {
            const { refs, naive } = take(each.of);
            const now: string[] = [];
            settleReferences(refs, (tenure, stage, ordinal, index) => {
              if (!tenure.ended) now.push(nameOf({ tenure, stage, ordinal, index }));
            });
            const expected: string[] = [];
            for (const [name, part] of naive) {
              const sum = plus(settledParts.get(name) ?? { over: 0n, under: 1n }, part);
              settledParts.set(name, sum);
              if (sum.over === sum.under) expected.push(name);
            }
            assert.deepEqual(now.toSorted(), expected.toSorted());
            for (const name of now) {
              assert.ok(!settled.has(name), `${name} is settled twice`);
              settled.add(name);
            }
          }
          for (const { refs, naive } of messages) {
            const tenures = new Set<string>();
            forEachTenure(refs, ({ name }) => tenures.add(name));
            assert.deepEqual(
              [...tenures].toSorted(),
              [...new Set([...naive.keys()].map((name) => name.split(' ')[0]))].toSorted(),
            );
            const [first] = naive.keys();
            const [lease, , ordinal] = (first as string).split(' ');
            assert.ok(namesRecord(refs, ({ name }) => name === lease, Number(ordinal)));
            assert.ok(!namesRecord(refs, ({ name }) => name === lease, 1_000_000));
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('number ranges and a naive set', () => {
  it('hold the same numbers', () => {
    const numbers = fc.array(fc.nat(40), { maxLength: 30, size: 'max' });
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const [ranges, others] = [emptyRanges(), emptyRanges()];
        for (const number of left) addNumber(ranges, number);
        for (const number of right) addNumber(others, number);
        addRanges(ranges, others);
        const all = new Set([...left, ...right]);
        const visited: number[] = [];
        forEachNumber(ranges, (number) => visited.push(number));
        assert.deepEqual(
          visited,
          [...all].toSorted((one, other) => one - other),
        );
        assert.equal(countNumbers(ranges), all.size);
        for (let number = 0; number <= 41; number += 1) assert.equal(hasNumber(ranges, number), all.has(number));
        for (let at = 2; at < ranges.bounds.length; at += 2)
          assert.ok((ranges.bounds[at] as number) > (ranges.bounds[at - 1] as number) + 1, 'neighbours are one range');
      }),
      { numRuns: 2_000 },
    );
  });
});
