// A drain of a reducer with a pipe behind it is on its way for long. Its answer lets a hand-over pass what it names. So no call of what it
// names may run then, and no policy and no sink may be about to answer.
import { expect } from 'chai';
import { retry } from '../../../src/options/retry-policy.js';
import { emitting } from '../../support/direct-emitting.js';
import { punctuated } from '../../support/direct-process.js';
import { started } from '../../support/direct.js';
import { gate } from '../../support/gate.js';

const twice = retry({ attempts: 9, minMs: 100, maxMs: 1_000, then: 'crash' });
interface Emits {
  readonly emit: (value: unknown) => void;
}
/** How often a call has failed before one hangs. */
const failures = 2;

describe('the drain of a reducer with a pipe', () => {
  for (const kind of ['reduce', 'flush', 'process'] as const)
    it(`is not answered while a call of ${kind} is repeated that it has named`, async () => {
      const hangs = gate();
      let calls = 0;
      const call = async (): Promise<never[]> => {
        calls += 1;
        if (calls <= failures) throw new Error('down');
        await hangs.opened;
        return [];
      };
      const kinds = {
        reduce: { reduce: call },
        flush: { reduce: () => [], flush: call },
        process: { process: call },
      };
      const it = emitting(kinds[kind] as never, { batchSize: 1, onFailure: twice });
      await it.run(it.items([0]));
      const [mark] = it.marksIn(await it.run(it.punctuation('drain')));
      it.clock.move(5_000);
      const again = it.tell({ type: 'attemptDue' });
      expect(started(again)).to.have.length(1);
      expect(punctuated(it.passed(mark!), it.stage)).to.deep.equal([]);
      const ending = it.end(again);
      hangs.open();
      const ended = await it.run(await ending);
      const [next] = it.marksIn(ended);
      expect(punctuated(it.passed(next!), it.stage)).to.deep.equal([[]]);
    });

  for (const kind of ['reduce', 'flush', 'process'] as const)
    it(`goes through the pipe again behind what a repeated ${kind} has emitted meanwhile`, async () => {
      let calls = 0;
      const call = (emit: (value: unknown) => void): never[] => {
        calls += 1;
        if (calls <= failures) throw new Error('down');
        emit('late');
        return [];
      };
      const kinds = {
        reduce: { reduce: (_: unknown, __: unknown, { emit }: Emits) => call(emit) },
        flush: { reduce: () => [], flush: (_: unknown, { emit }: Emits) => call(emit) },
        process: { process: (_: unknown, { emit }: Emits) => call(emit) },
      };
      const it = emitting(kinds[kind] as never, { batchSize: 1, onFailure: twice });
      await it.run(it.items([0]));
      const [mark] = it.marksIn(await it.run(it.punctuation('drain')));
      it.clock.move(5_000);
      const late = await it.run(it.tell({ type: 'attemptDue' }));
      expect(it.valuesIn(late)).to.deep.equal(['late']);
      const passed = it.passed(mark!);
      expect(punctuated(passed, it.stage)).to.deep.equal([]);
      const [next] = it.marksIn(passed);
      expect(it.done(it.messagesIn(late))).to.deep.equal([0]);
      expect(punctuated(it.passed(next!), it.stage)).to.deep.equal([[]]);
    });

  it('is not answered while a policy is about to answer, though the pipe is held', async () => {
    const answers = gate();
    const it = emitting(
      {
        reduce: (state, { value }, { emit }) => {
          if (value === 0) throw new Error('down');
          for (let at = 0; at < 1_000; at += 1) emit(at);
          return [...state, value];
        },
      },
      { batchSize: 1, onFailure: () => answers.opened.then(() => 'skip' as const) },
    );
    const asked = it.itemsOf([
      ['a', 0],
      ['b', 1],
    ]);
    const policy = await it.end(asked);
    await it.finishRun(
      policy,
      started(policy).find((name) => !name.startsWith('onFailure'))!,
    );
    it.punctuation('drain');
    expect(it.marksIn(it.waits())).to.deep.equal([]);
    answers.open();
    const decided = await it.finishRun(
      policy,
      started(policy).find((name) => name.startsWith('onFailure'))!,
    );
    const [mark] = it.marksIn(decided);
    expect(punctuated(it.passed(mark!), it.stage)).to.deep.equal([[1]]);
  });

  it('is answered while a flush has given way to a pipe that a failed call holds', async () => {
    const it = emitting(
      {
        stateBy: 'shard',
        reduce: (state, { value }) => [...state, value],
        flush: (state, { emit }) => {
          for (let at = 0; at < 1_000; at += 1) emit(state[0]);
          return [];
        },
      },
      { batchSize: 2 },
    );
    await it.run(it.items([0], 1));
    await it.run(it.items([5], 2));
    it.punctuation('drain', 5, 1);
    it.punctuation('drain', 6, 2);
    const marks = it.marksIn(it.waits());
    expect(marks.map((mark) => punctuated(it.passed(mark), it.stage))).to.deep.equal([[[0]], [[5]]]);
  });
});
