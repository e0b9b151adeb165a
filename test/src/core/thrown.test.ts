// Whatever is thrown becomes an error with a text, and an error stays itself.
import { expect } from 'chai';
import { asError, messageOf } from '../../../src/core/thrown.js';

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
});
