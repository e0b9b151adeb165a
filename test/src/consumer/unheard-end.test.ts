// A consumer that ends by itself never does so without a word. If nobody can hear of it, a warning of the process says it.
import { expect } from 'chai';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import type { Consumer } from '../../../src/consumer/consumer.js';
import type { ConsumerOptions } from '../../../src/api/options.js';
import { defineReducer, type ReducerDefinition } from '../../../src/api/reducer.js';
import { createConsumer } from '../../../src/index.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';

/** The warnings of kinact while `run` runs. Node does not print them. */
async function warningsDuring(run: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = [];
  const others = process.listeners('warning');
  process.removeAllListeners('warning').on('warning', (warning) => void warnings.push(warning));
  try {
    await run();
    // `emitWarning` warns in a later tick.
    await new Promise((resolve) => process.nextTick(resolve));
  } finally {
    process.removeAllListeners('warning');
    for (const other of others) process.on('warning', other);
  }
  return warnings.filter(({ name }) => name === 'KinactWarning');
}

/** The warnings of the process while a consumer ends by a poison record. */
function warningsOf(logger: ConsumerOptions['logger'], hear: (consumer: Consumer) => void): Promise<Error[]> {
  return warningsDuring(async () => {
    using clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const reduce = (count: number, { key }: { readonly key: string }): number => {
      if (key === 'bad') throw new Error('no database');
      return count + 1;
    };
    const consumer = createConsumer({
      application: 'orders',
      source: stream.source,
      reducer: defineReducer({ init: () => 0, reduce }),
      onFailure: 'crash',
      logger,
      runtime: { clock, timers: clock },
    });
    hear(consumer);
    const starting = consumer.start();
    await clock.advance(5_000);
    await starting;
    stream.put({ partitionKey: 'bad', data: 'x' });
    for (let second = 0; second < 30; second += 1) {
      stream.put({ partitionKey: `fine ${second}`, data: 'y' });
      await clock.advance(1_000);
    }
    expect(consumer.status().state).to.equal('closed');
  });
}

const nobody = (): void => {};
const quiet = { debug: nobody, info: nobody, warn: nobody, error: nobody };

describe('a consumer that ends by itself', () => {
  it('warns with the reason if there is no logger, no listener and nobody has taken `closed`', async () => {
    const [warning, ...others] = await warningsOf(false, nobody);
    expect(others).to.deep.equal([]);
    expect(warning).to.include({ code: 'KINACT_CLOSED' });
    expect(warning?.message)
      .to.include('The consumer of orders has ended by itself: POISON_RECORD')
      .and.to.include('no database');
  });

  const hearers: readonly (readonly [string, ConsumerOptions['logger'], (consumer: Consumer) => void])[] = [
    ['has taken `closed`', false, (consumer) => void consumer.closed.catch(nobody)],
    ['listens to `closed`', false, (consumer) => void consumer.on('closed', nobody)],
    ['has given a logger', quiet, nobody],
  ];
  for (const [what, logger, hear] of hearers) {
    it(`does not warn if the application ${what}`, async () => {
      expect(await warningsOf(logger, hear)).to.deep.equal([]);
    });
  }

  it('does not warn if `start` has rejected with the reason, or after a stop', async () => {
    const init = (): number => {
      throw new Error('no state');
    };
    const reduce = (count: number): number => count;
    const made = (reducer: ReducerDefinition): Consumer =>
      createConsumer({ application: 'orders', source: fakeStream().source, reducer, logger: false });
    const warnings = await warningsDuring(async () => {
      const error = await made(defineReducer({ init, reduce }))
        .start()
        .catch((reason: unknown) => reason);
      expect(error).to.include({ code: 'START_FAILED' });
      const stopped = made(defineReducer({ init: () => 0, reduce }));
      await stopped.start();
      await stopped.stop();
    });
    expect(warnings).to.deep.equal([]);
  });
});
