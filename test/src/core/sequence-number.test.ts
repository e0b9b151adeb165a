// Sequence numbers are ordered as numbers, not as text, and positions also by their sub-sequence number.
import { expect } from 'chai';
import fc from 'fast-check';

import { comparePositions, compareSequenceNumbers, isSequenceNumber } from '../../../src/core/sequence-number.js';

const number = fc.oneof(
  fc.bigInt({ min: 0n, max: 10n ** 56n }),
  fc.bigInt({ min: 0n, max: 30n }),
  fc.nat(3).map((power) => 10n ** BigInt(power)),
);
const zeros = fc.nat(3).map((count) => '0'.repeat(count));

describe('sequence numbers', () => {
  it('are ordered as numbers, with or without leading zeros', () => {
    fc.assert(
      fc.property(number, zeros, number, zeros, (left, leftZeros, right, rightZeros) => {
        const order = compareSequenceNumbers(`${leftZeros}${left}`, `${rightZeros}${right}`);
        expect(Math.sign(order)).to.equal(left < right ? -1 : left > right ? 1 : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('are ordered by length before digits: 9 comes before 10', () => {
    expect(compareSequenceNumbers('9', '10')).to.be.below(0);
    expect(compareSequenceNumbers('10', '9')).to.be.above(0);
    expect(compareSequenceNumbers('0009', '10')).to.be.below(0);
  });

  it('are told apart if only the last of 56 digits differs', () => {
    const stem = '4966478223147123450912345678901234567890123456789012345';
    expect(compareSequenceNumbers(`${stem}1`, `${stem}2`)).to.be.below(0);
    expect(compareSequenceNumbers(`${stem}2`, `${stem}1`)).to.be.above(0);
  });

  it('are equal if they are zero, whatever their number of digits', () => {
    expect(compareSequenceNumbers('0', '000')).to.equal(0);
    expect(compareSequenceNumbers('000', '1')).to.be.below(0);
  });

  it('consist of digits only', () => {
    for (const text of ['0', '007', '49664782231471234509']) expect(isSequenceNumber(text), text).to.equal(true);
    for (const text of ['', '-1', '1.0', 'LATEST', '12a', ' 1', '1/', '1:'])
      expect(isSequenceNumber(text), text).to.equal(false);
  });
});

describe('positions', () => {
  it('are ordered by sequence number, then by sub-sequence number', () => {
    const at = (sequenceNumber: string, subSequenceNumber: number) => ({ sequenceNumber, subSequenceNumber });
    expect(comparePositions(at('9', 5), at('10', 0))).to.be.below(0);
    expect(comparePositions(at('10', 1), at('10', 0))).to.be.above(0);
    expect(comparePositions(at('10', 2), at('10', 10))).to.be.below(0);
    expect(comparePositions(at('10', 2), at('010', 2))).to.equal(0);
  });
});
