// Each source has an equal share of the polling calls of a process, and a source that hangs takes no more than its share.
import { expect } from 'chai';
import {
  createCallSlots,
  inSlot,
  joinSlots,
  leaveSlots,
  shareOf,
  slotCounts,
  type SourceSlots,
} from '../../../src/core/call-slots.js';

const stopped = (): Error => new Error('stopped');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Call {
  readonly of: string;
  end(error?: Error): void;
}

/** Calls that begin when they have a slot, and end when the test says so. */
function calls(): {
  begun: Call[];
  make: (slots: SourceSlots | undefined, of: string, signal?: AbortSignal) => Promise<string>;
} {
  const begun: Call[] = [];
  return {
    begun,
    make: (slots, of, signal = new AbortController().signal) =>
      inSlot(
        slots,
        () =>
          new Promise<string>((resolve, reject) =>
            begun.push({ of, end: (error) => (error === undefined ? resolve(of) : reject(error)) }),
          ),
        { signal, stopped },
      ),
  };
}

describe('the slots for polling calls', () => {
  it('are shared evenly by the sources, and a source that hangs keeps no slot of another', async () => {
    const process = createCallSlots(7);
    const [bad, good] = [joinSlots(process), joinSlots(process)];
    const { begun, make } = calls();
    for (let index = 0; index < 20; index += 1) void make(bad, 'bad');
    await turn();
    expect(begun.map(({ of }) => of)).to.deep.equal(['bad', 'bad', 'bad']);
    expect(slotCounts(process)).to.deep.equal({ underWay: 3, waiting: 17 });
    for (let round = 0; round < 5; round += 1) {
      const done = make(good, 'good');
      await turn();
      begun.at(-1)!.end();
      expect(await done).to.equal('good');
    }
    expect(begun.filter(({ of }) => of === 'bad')).to.have.length(3);
  });

  it('go to the calls of a source in their order, also after a call that failed', async () => {
    const slots = joinSlots(createCallSlots(1));
    const { begun, make } = calls();
    const all = ['1', '2', '3'].map((of) => make(slots, of).catch(() => 'failed'));
    await turn();
    begun[0]!.end(new Error('refused'));
    await turn();
    expect(begun.map(({ of }) => of)).to.deep.equal(['1', '2']);
    begun[1]!.end();
    await turn();
    begun[2]!.end();
    expect(await Promise.all(all)).to.deep.equal(['failed', '2', '3']);
    expect(slotCounts(slots.all)).to.deep.equal({ underWay: 0, waiting: 0 });
  });

  it('are not waited for once the signal has aborted, and no slot is lost by that', async () => {
    const slots = joinSlots(createCallSlots(1));
    const { begun, make } = calls();
    void make(slots, 'first');
    const closing = new AbortController();
    const waiting = make(slots, 'closed', closing.signal).catch((error: unknown) => (error as Error).message);
    const last = make(slots, 'last');
    await turn();
    closing.abort();
    expect(await waiting).to.equal('stopped');
    expect(await make(slots, 'late', closing.signal).catch((error: unknown) => (error as Error).message)).to.equal(
      'stopped',
    );
    expect(slotCounts(slots.all)).to.deep.equal({ underWay: 1, waiting: 1 });
    begun[0]!.end();
    await turn();
    begun[1]!.end();
    expect(await last).to.equal('last');
  });

  it('become more for the others when a source leaves, and at least one for each of many', async () => {
    const process = createCallSlots(4);
    const sources = Array.from({ length: 9 }, () => joinSlots(process));
    expect(shareOf(process)).to.equal(1);
    const { begun, make } = calls();
    for (let index = 0; index < 3; index += 1) void make(sources[0], 'one');
    await turn();
    expect(begun).to.have.length(1);
    for (const gone of sources.slice(2)) leaveSlots(gone);
    await turn();
    expect(shareOf(process)).to.equal(2);
    expect(begun).to.have.length(2);
  });

  it('do not bound a source without slots', async () => {
    const { begun, make } = calls();
    for (let index = 0; index < 300; index += 1) void make(undefined, 'free');
    await turn();
    expect(begun).to.have.length(300);
  });
});
