import { expect } from 'chai';
import { names } from '../../../src/testing/nemesis/names.js';
import { effects, messages } from '../../kill-points/messages.js';

describe('the names that a nemesis knows', () => {
  it('are those of all actors, whose every message and effect is met in test/kill-points', () => {
    expect(Object.keys(names).toSorted()).to.deep.equal(Object.keys(messages).toSorted());
    for (const [kind, known] of Object.entries(names)) {
      // A message that stands for several things has one line for each there.
      const met = new Set(Object.keys(messages[kind] ?? {}).map((name) => name.replace(/\/.*/, '')));
      expect(known.messages.toSorted(), kind).to.deep.equal([...met].toSorted());
      expect(known.effects.toSorted(), kind).to.deep.equal([...(effects[kind] ?? [])].toSorted());
    }
  });
});
