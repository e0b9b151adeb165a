// Whatever is thrown becomes an error with a text, and an error stays itself.
import { expect } from 'chai';
import {
  asError,
  causesOf,
  chainText,
  describeError,
  fullMessageOf,
  isBranded,
  isError,
  messageOf,
} from '../../../src/core/thrown.js';

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
    const errors = { map: () => ({ join: () => 7 }) };
    for (const thrown of [new Error(), new AggregateError([]), Object.assign(new AggregateError([]), { errors })])
      expect(fullMessageOf(thrown)).to.equal('(no message)');
  });

  it('has a text, whatever was assigned to its message', () => {
    for (const [message, text] of [
      [{ code: 1 }, '[object Object]'],
      [undefined, 'undefined'],
      [7, '7'],
    ] as const)
      expect(chainText(Object.assign(new Error('no'), { message }))).to.equal(text);
  });

  it('breaks no function here, though it cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const brand = Symbol('brand');
    const throwing = (on: object, ...names: readonly PropertyKey[]): object => {
      for (const name of names) Object.defineProperty(on, name, { get: () => expect.fail(String(name)) });
      return on;
    };
    const unreadable = '(cannot be read)';
    for (const thrown of [proxy, throwing({}, 'toString', Symbol.toStringTag, brand)]) {
      expect([isError(thrown), isBranded(thrown, brand)]).to.deep.equal([false, false]);
      expect([messageOf(thrown), fullMessageOf(thrown), chainText(thrown)]).to.deep.equal(Array(3).fill(unreadable));
      expect(asError(thrown)).to.be.instanceOf(Error).and.to.include({ message: unreadable, cause: thrown });
      expect(describeError(thrown)).to.equal(unreadable);
      expect(chainText(new Error('no', { cause: thrown }))).to.equal(`no: ${unreadable}`);
    }
    const error = throwing(new Error('no'), 'stack', 'name', 'message', 'code', 'cause', brand);
    expect([isError(error), isBranded(error, brand), asError(error)]).to.deep.equal([true, false, error]);
    expect([messageOf(error), chainText(error)]).to.deep.equal([unreadable, unreadable]);
    expect(causesOf(error)).to.deep.equal([error]);
    expect(describeError(error)).to.deep.equal({ name: unreadable, message: unreadable });
    expect(fullMessageOf(throwing(new AggregateError([], ''), 'errors'))).to.equal('(no message)');
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
