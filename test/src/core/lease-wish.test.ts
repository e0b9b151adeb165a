// A wish reads back as it was written, counts only for the tenure that it was addressed to, and the answer reaches only its author.
import { expect } from 'chai';
import fc from 'fast-check';
import { leaseRow } from '../../support/memory-lease-store.js';
import {
  answerText,
  answerTo,
  holderCanBeAsked,
  readWish,
  wishLastsMs,
  wishOf,
  wishText,
  type Wish,
} from '../../../src/core/lease-wish.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';

const holder = writerOf(writerPrefixOf('h', 'n'), 3);
const wish: Wish = { writer: 't1/2', workerId: 'a worker\nof some name', failoverMs: 10_000, number: 4, holder };

const held = leaseRow({
  leaseKey: 's',
  leaseOwner: 'h',
  kinactWriter: holder,
  kinactFailover: `10000 ${holder}`,
  kinactWish: wishText(wish),
});

describe('a wish for a lease', () => {
  it('reads back as it was written, whatever the worker id', () => {
    const word = fc.stringMatching(/^[!-~]{1,20}$/);
    fc.assert(
      fc.property(
        word,
        word,
        fc.string({ minLength: 1 }),
        fc.integer({ min: 1, max: 600_000 }),
        fc.nat(),
        (writer, of, workerId, failoverMs, number) => {
          const made = { writer, holder: of, workerId, failoverMs, number };
          expect(readWish(wishText(made))).to.deep.equal(made);
        },
      ),
    );
  });

  it('is not read from a malformed text', () => {
    for (const text of [undefined, '', 'x', 'a 1 2 b', 'a 1 x b c', 'a 600001 1 b c', 'a -1 1 b c', ' 1 1 b c'])
      expect(readWish(text), text).to.equal(undefined);
  });

  it('counts only for the tenure that it was addressed to', () => {
    expect(wishOf(held)).to.deep.equal(wish);
    const later = writerOf(writerPrefixOf('h', 'n'), 4);
    expect(wishOf({ ...held, kinactWriter: later, kinactFailover: `10000 ${later}` })).to.equal(undefined);
    expect(wishOf({ ...held, leaseOwner: 'java' }), 'taken by force').to.equal(undefined);
  });

  it('is possible only if the row has the failover time of its holder', () => {
    expect(holderCanBeAsked(held)).to.equal(true);
    const { kinactFailover: _, ...older } = held;
    expect(holderCanBeAsked(older)).to.equal(false);
    expect(holderCanBeAsked({ ...held, leaseOwner: 'java' })).to.equal(false);
  });

  it('is answered to its author only, with the time that the drain may take', () => {
    const answered = { ...held, kinactAnswer: answerText('yielding', wish, 4_999.5) };
    expect(answerTo('t1/2', answered)).to.deep.equal({ answer: 'yielding', handOverMs: 5_000 });
    expect(answerTo('t1/3', answered)).to.equal(undefined);
    const refused = { ...held, kinactAnswer: answerText('refused', wish) };
    expect(answerTo('t1/2', refused)).to.deep.equal({ answer: 'refused', handOverMs: 0 });
    for (const kinactAnswer of ['', 'maybe t1/2', 'yielding t1/2 soon', 'yielding t1/2 1 2'])
      expect(answerTo('t1/2', { ...held, kinactAnswer }), kinactAnswer).to.equal(undefined);
  });

  it('counts for the longer of both failover times', () => {
    expect(wishLastsMs(wish, 3_000)).to.equal(10_000);
    expect(wishLastsMs(wish, 20_000)).to.equal(20_000);
  });
});
