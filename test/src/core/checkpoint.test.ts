// All checkpoints have one order, that of the KCL, and only a number names a position.
import { expect } from 'chai';
import fc from 'fast-check';

import {
  checkpointOf,
  compareCheckpoints,
  isCheckpointText,
  isSentinel,
  positionOf,
  type Checkpoint,
} from '../../../src/core/checkpoint.js';

const at = (checkpoint: string, subSequenceNumber = 0): Checkpoint => ({ checkpoint, subSequenceNumber });

// From the lowest to the highest, no two equal (KCL clause 1.1).
const ladder: readonly Checkpoint[] = [
  at('AT_TIMESTAMP'),
  at('TRIM_HORIZON'),
  at('LATEST'),
  at('0'),
  at('9', 0),
  at('9', 7),
  at('10', 0),
  at('10', 1),
  at('49664782231471234509'),
  at('SHARD_END'),
];

describe('checkpoints', () => {
  it('are ordered AT_TIMESTAMP, TRIM_HORIZON, LATEST, numbers with their sub-sequence numbers, SHARD_END', () => {
    const rung = fc.nat(ladder.length - 1);
    fc.assert(
      fc.property(rung, rung, (left, right) => {
        const order = compareCheckpoints(ladder[left] as Checkpoint, ladder[right] as Checkpoint);
        expect(Math.sign(order)).to.equal(Math.sign(left - right));
      }),
    );
  });

  it('are compared without the sub-sequence number if one is a sentinel', () => {
    expect(compareCheckpoints(at('SHARD_END', 3), at('SHARD_END', 1))).to.equal(0);
    expect(compareCheckpoints(at('LATEST', 9), at('0', 0))).to.be.below(0);
  });

  it('cannot be compared with a text that is no checkpoint: the comparison throws', () => {
    for (const garbage of ['', 'latest', '12x', '-1']) {
      expect(() => compareCheckpoints(at(garbage), at('1')), garbage).to.throw(RangeError, 'not a checkpoint');
      expect(() => compareCheckpoints(at('1'), at(garbage)), garbage).to.throw(RangeError, 'not a checkpoint');
      expect(isCheckpointText(garbage), garbage).to.equal(false);
    }
  });

  it('are one of four sentinels or a number', () => {
    for (const { checkpoint } of ladder) expect(isCheckpointText(checkpoint), checkpoint).to.equal(true);
    expect(ladder.filter(({ checkpoint }) => isSentinel(checkpoint)).map(({ checkpoint }) => checkpoint)).to.deep.equal(
      ['AT_TIMESTAMP', 'TRIM_HORIZON', 'LATEST', 'SHARD_END'],
    );
  });

  it('name a position only if they are numbers', () => {
    expect(positionOf(at('SHARD_END'))).to.equal(undefined);
    const position = { sequenceNumber: '12', subSequenceNumber: 3 };
    expect(checkpointOf(position)).to.deep.equal(at('12', 3));
    expect(positionOf(checkpointOf(position))).to.deep.equal(position);
  });
});
