// What a holding counts, and what is left of it when leases end.
import { expect } from 'chai';
import { HeldBundle } from '../../../src/core/holding.js';
import { addTo, emptyBundle, type EndableTenure, type References } from '../../../src/core/references.js';

interface Tenure extends EndableTenure {
  ended: boolean;
}
type Of = References<Tenure, unknown>;

let [one, other]: [Tenure, Tenure] = [{ ended: false }, { ended: false }];
let ordinal = 0;
beforeEach(() => void ([one, other] = [{ ended: false }, { ended: false }]));

const itemOf = (tenure: Tenure): Of => ({ tenure, stage: 's', ordinal: (ordinal += 1), index: 0 });

/** A message of several leases. */
function mixed(...tenures: readonly Tenure[]): Of {
  const bundle = emptyBundle<Tenure, unknown>();
  for (const tenure of tenures) addTo(bundle, itemOf(tenure));
  return bundle;
}

function holdingOf(...messages: readonly (Of | undefined)[]): HeldBundle {
  const holding = new HeldBundle();
  for (const message of messages) HeldBundle.add(holding, message, { sizeBytes: 10, hasLost: false });
  return holding;
}

const countsOf = (holding: HeldBundle): readonly number[] => [
  HeldBundle.fewestIn(holding),
  HeldBundle.countIn(holding),
  HeldBundle.sizeOf(holding),
];

function lose(holding: HeldBundle, wasSubtracted: boolean, ...tenures: readonly Tenure[]): void {
  for (const tenure of tenures) tenure.ended = true;
  HeldBundle.dropEnded(holding, wasSubtracted);
}

describe('a holding', () => {
  it('counts its messages, whatever they stand for', () => {
    expect(countsOf(holdingOf(itemOf(one), mixed(one, other), mixed(one, one), undefined))).to.deep.equal([4, 4, 40]);
  });

  for (const wasSubtracted of [true, false])
    it(`counts on after a loss for what is left: ${wasSubtracted ? 'with' : 'without'} handleLost`, () => {
      const holding = holdingOf(itemOf(one), mixed(one, one), itemOf(other), mixed(one, other), undefined);
      lose(holding, wasSubtracted, one);
      expect(countsOf(holding)).to.deep.equal([2, 5, 50]);
      HeldBundle.add(holding, mixed(other, { ended: false }), { sizeBytes: 10, hasLost: false });
      expect(countsOf(holding)).to.deep.equal([3, 6, 60]);
      expect(HeldBundle.take(holding)).to.include({ hasLost: true, isGone: false });
    });

  it('is as it was after a loss that is not its own', () => {
    const holding = holdingOf(itemOf(one), mixed(one, { ended: false }), undefined);
    lose(holding, true, other);
    expect(countsOf(holding)).to.deep.equal([3, 3, 30]);
    expect(HeldBundle.take(holding)).to.include({ hasLost: false, isGone: false });
  });

  it('is as it was after a loss if it stands for nothing', () => {
    const holding = holdingOf(undefined);
    lose(holding, true, one);
    expect(countsOf(holding)).to.deep.equal([1, 1, 10]);
    expect(HeldBundle.take(holding)).to.deep.equal({ references: undefined, hasLost: false, isGone: false });
  });

  it('keeps what stands for nothing when its state has taken out the rest', () => {
    const holding = holdingOf(itemOf(one), undefined);
    lose(holding, true, one);
    expect(countsOf(holding)).to.deep.equal([1, 1, 10]);
    expect(HeldBundle.take(holding)).to.deep.equal({ references: undefined, hasLost: false, isGone: false });
  });

  it('is gone with what stands for nothing if a lost part is folded into its state', () => {
    const folded = holdingOf(mixed(one, other), undefined);
    lose(folded, true, one);
    lose(folded, true, other);
    const kept = holdingOf(itemOf({ ended: true }), undefined);
    lose(kept, false);
    for (const holding of [folded, kept])
      expect(HeldBundle.take(holding)).to.deep.equal({ references: undefined, hasLost: true, isGone: true });
  });

  it('is gone until it is used again', () => {
    const holding = holdingOf(itemOf(one));
    lose(holding, true, one);
    expect([countsOf(holding), HeldBundle.isGone(holding)]).to.deep.equal([[0, 0, 0], true]);
    HeldBundle.add(holding, undefined, { sizeBytes: 10, hasLost: false });
    expect([countsOf(holding), HeldBundle.isGone(holding)]).to.deep.equal([[1, 1, 10], false]);
  });

  it('is like a new one when all was taken out of it', () => {
    for (const wasSubtracted of [true, false]) {
      const holding = holdingOf(itemOf(one), mixed(one, other), itemOf(other), undefined);
      lose(holding, wasSubtracted, one);
      HeldBundle.add(holding, mixed({ ended: false }, { ended: false }), { sizeBytes: 10, hasLost: false });
      HeldBundle.take(holding);
      expect(countsOf(holding)).to.deep.equal([0, 0, 0]);
      expect(HeldBundle.take(holding)).to.deep.equal({ references: undefined, hasLost: false, isGone: false });
      HeldBundle.add(holding, itemOf({ ended: true }), { sizeBytes: 10, hasLost: false });
      lose(holding, true);
      expect(countsOf(holding)).to.deep.equal([0, 0, 0]);
    }
  });

  it('takes the loss of a message with it, and counts no value for one of which nothing is left', () => {
    const holding = new HeldBundle();
    HeldBundle.add(holding, undefined, { sizeBytes: 10, hasLost: true });
    expect([countsOf(holding), HeldBundle.isGone(holding)]).to.deep.equal([[0, 1, 10], true]);
    HeldBundle.add(holding, itemOf(one), { sizeBytes: 10, hasLost: true });
    expect(countsOf(holding)).to.deep.equal([1, 2, 20]);
    expect(HeldBundle.take(holding)).to.include({ hasLost: true, isGone: false });
  });
});
