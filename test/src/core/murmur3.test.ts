// The hash gives the published results for any text, so that a key never changes its reducer.
import { expect } from 'chai';
import fc from 'fast-check';

import { murmur3, murmur3Bytes } from '../../../src/core/murmur3.js';

// Published results of MurmurHash3_x86_32: text, seed, hash.
const vectors: readonly (readonly [string, number, number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['aa', 0x9747b28c, 0x5d211726],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['ab', 0x9747b28c, 0x74875592],
  ['abc', 0x9747b28c, 0xc84a62dd],
  ['abcd', 0x9747b28c, 0xf0478627],
  ['abc', 0, 0xb3dd93fa],
  ['hello', 0, 0x248bfa47],
  ['hello, world', 0, 0x149bbb7f],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ['ππππππππ', 0x9747b28c, 0xd58063c1],
];

describe('murmur3', () => {
  for (const [text, seed, hash] of vectors) {
    it(`hashes ${JSON.stringify(text)} with seed ${seed} as published`, () => {
      expect(murmur3(text, seed)).to.equal(hash);
    });
  }

  it('hashes any key as its UTF-8 bytes, whether or not the key is ASCII', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string()), fc.integer(), (key, seed) => {
        expect(murmur3(key, seed)).to.equal(murmur3Bytes(Buffer.from(key, 'utf8'), seed));
      }),
    );
  });

  it('hashes a non-ASCII character at every position of a block and of the tail', () => {
    for (let place = 0; place < 7; place++) {
      const key = `${'x'.repeat(place)}é${'x'.repeat(6 - place)}`;
      expect(murmur3(key), key).to.equal(murmur3Bytes(Buffer.from(key, 'utf8')));
    }
  });
});
