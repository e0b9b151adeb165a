// Whatever is thrown becomes an error with a text, and an error stays itself.
import { expect } from 'chai';
import { asError, describeError, fullMessageOf, messageOf } from '../../../src/core/thrown.js';

describe('what was thrown', () => {
  it('stays itself if it is an error', () => {
    const error = new TypeError('no');
    expect(asError(error)).to.equal(error);
    expect(messageOf(error)).to.equal('no');
  });

  it('becomes the cause and the text of a new error if it is not an error', () => {
    for (const [thrown, text] of [
      ['no', 'no'],
      [undefined, 'undefined'],
      [{ code: 1 }, '[object Object]'],
    ] as const) {
      expect(asError(thrown)).to.be.instanceOf(Error).and.to.include({ message: text, cause: thrown });
      expect(messageOf(thrown)).to.equal(text);
    }
  });

  it('has a text in any case, also if it has neither a message nor parts', () => {
    expect(fullMessageOf(new AggregateError([new Error('a'), 'b']))).to.equal('a; b');
    expect(fullMessageOf(new AggregateError([new Error('a'), 'b'], 'both'))).to.equal('both');
    for (const thrown of [new Error(), new AggregateError([])]) expect(fullMessageOf(thrown)).to.equal('(no message)');
  });

  it('is described without a stack if it has none', () => {
    const error = new Error('no');
    expect(describeError(error)).to.have.property('stack').that.includes('thrown.test');
    for (const stack of [undefined, 7]) {
      Object.assign(error, { stack });
      expect(describeError(error)).to.deep.equal({ name: 'Error', message: 'no' });
    }
  });
});
