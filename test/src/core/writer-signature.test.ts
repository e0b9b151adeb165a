// The signature in a row distinguishes writes of this process from those of any other, and shows whether a Java worker is the owner.
import { expect } from 'chai';
import { isForeign, isWriterOf, writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';

describe('kinactWriter', () => {
  const nonce = writerPrefixOf('host:1:abc', 'p1');

  it('distinguishes the writes of one process from those of any other', () => {
    expect(isWriterOf(nonce, writerOf(nonce, 7))).to.equal(true);
    expect(isWriterOf(nonce, writerOf(writerPrefixOf('host:1:abc', 'p12'), 7))).to.equal(false);
    expect(isWriterOf(nonce, undefined)).to.equal(false);
  });

  it('shows a Java owner if it is absent', () => {
    expect(isForeign({ leaseOwner: 'java' })).to.equal(true);
  });

  it('shows a Java owner if a Java take left the value of a kinact worker', () => {
    expect(isForeign({ leaseOwner: 'host:1:abc', kinactWriter: writerOf(nonce, 1) })).to.equal(false);
    expect(isForeign({ leaseOwner: 'java', kinactWriter: writerOf(nonce, 1) })).to.equal(true);
  });

  it('shows no Java owner in a row without an owner', () => {
    expect(isForeign({})).to.equal(false);
    expect(isForeign({ kinactWriter: writerOf(nonce, 1) })).to.equal(false);
  });
});
