// The prefix that an origin knows as done, against a list: whatever is settled, in any order, in any pieces, and repeated.
import { expect } from 'chai';
import fc from 'fast-check';
import { createOffsets, pipeOrigin, type OriginMessage } from '../../../actors/pipe-origin/pipe-origin.js';
import { address, handClock, ofType, ref } from '../../support/direct.js';

const settles = fc.array(fc.array(fc.nat({ max: 24 }), { maxLength: 8 }), { maxLength: 30 });

describe('the settled prefix of an origin', () => {
  it('is what a list says, and `onSettled` gets each rise of it, the newest only', () => {
    fc.assert(
      fc.property(settles, fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 20 }), (reports, first, fed) => {
        const offsets = createOffsets(first);
        const told: number[] = [];
        const origin = ref<OriginMessage>('origin');
        const behaviour = pipeOrigin({
          ...{ name: 'orders', clock: handClock(), offsets, callDeadlineMs: 0 },
          ...{ signal: new AbortController().signal, onSettled: (offset) => told.push(offset) },
          makePipe: () => ({ kind: 'pipe' }) as never,
        });
        let [state] = behaviour.initial(origin);
        let [number, isNoticing] = [0, false];
        const tell = (message: OriginMessage): void => {
          const [next, effects] = behaviour.receive(state, message);
          state = next;
          for (const { start } of ofType(effects, 'run')) {
            expect(isNoticing).to.equal(false);
            isNoticing = true;
            start(new AbortController().signal);
          }
        };
        tell({ type: 'pipeStarted', pipe: ref('pipe') });
        const values = Array.from({ length: fed }, (_, value) => ({ value, key: '' }));
        tell({ type: 'feed', values, deadlineMs: undefined, replyTo: address(origin) });
        const done = new Set<number>();
        for (const each of reports) {
          const ordinals = each.map((at) => first + at);
          number += 1;
          const disposed = { type: 'disposed', reducer: 0, number, credit: 0 } as const;
          tell({ ...disposed, dispositions: [{ shardWorker: 0, ordinals, items: ordinals.map(() => 0) }] });
          // A repeated message changes nothing.
          tell({ ...disposed, dispositions: [{ shardWorker: 0, ordinals: [first], items: [0] }] });
          for (const offset of ordinals) if (offset < first + fed) done.add(offset);
          let firstOpen = first;
          while (done.has(firstOpen)) firstOpen += 1;
          expect({ ...offsets }).to.include({ next: first + fed, firstOpen, open: fed - done.size });
          if (!isNoticing || number % 3 !== 0) continue;
          isNoticing = false;
          tell({ type: 'noticed' });
          expect(told.at(-1)).to.equal(firstOpen - 1);
        }
        expect(told).to.deep.equal([...new Set(told)].toSorted((left, right) => left - right));
      }),
      { numRuns: 500 },
    );
  });
});
