// Whatever the bounds, credit and batches, the pipeline delivers each item once, settles everything and never deadlocks.
// Settings are drawn at random, and everything runs in virtual time; the title has the seed.
import { expect } from 'chai';
import fc from 'fast-check';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { startPipeline } from '../support/pipeline.js';
import { drawnRuns } from '../support/sampled.js';
import { putNumbered, shard0 } from '../support/pipeline-probes.js';
import { live, harness, type Harness } from '../support/pipeline-harness.js';

const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env['KINACT_RUNS'] ?? drawnRuns(250));

const modes: Record<Harness['mode'], string> = {
  auto: 'acknowledged as their reduce returns',
  flush: 'acknowledged by flushes',
  manual: 'acknowledged by the application, which waits for at most maxPending open records of a shard',
  raw: 'acknowledged by a raw behaviour',
};

describe(`the pipeline, with any settings (KINACT_SEED=${seed})`, function () {
  this.timeout(60_000);

  for (const [mode, how] of Object.entries(modes) as [Harness['mode'], string][]) {
    it(`delivers each item once in key order, settles all records, keeps bounds, credit and frontier: ${how}`, async () => {
      await fc.assert(
        fc.asyncProperty(harness, async (setting) => {
          // The application waits for a number of records, so the byte bound must leave room for them.
          const bytes = mode === 'manual' ? 1_000_000 : setting.maxPendingBytes;
          const { complaints, crashes } = await live({ ...setting, mode, maxPendingBytes: bytes });
          expect(crashes).to.deep.equal([]);
          expect(complaints).to.deep.equal([]);
        }),
        { seed, numRuns },
      );
    });
  }

  it('ends with PENDING_LIMIT_TOO_SMALL if acknowledgements wait for more than maxPending records', async () => {
    const setting = fc.record({
      maxPending: fc.integer({ min: 1, max: 20 }),
      more: fc.integer({ min: 1, max: 40 }),
      reducers: fc.integer({ min: 1, max: 4 }),
      credit: fc.integer({ min: 1, max: 30 }),
      burst: fc.integer({ min: 1, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(setting, async ({ maxPending, more, reducers, credit, burst }) => {
        const stream = fakeStream({ maxRecords: burst });
        putNumbered(stream, maxPending + more);
        const pipeline = startPipeline({
          reducers,
          credit,
          shardWorker: { maxPending, watchdogMs: 10_000 },
          // Each reducer would acknowledge at its (maxPending + 1)th record, which can never come.
          definition: defineReducer({ init: () => 0, acknowledge: 'manual', reduce: (n: number) => n + 1 }),
        });
        try {
          const { shardWorker, keeper } = pipeline.read(stream.port, shard0);
          const ending = pipeline.ending(shardWorker);
          await pipeline.clock.advance(15_000);
          const { error } = (await ending) as { error: any };
          expect(error.code).to.equal('PENDING_LIMIT_TOO_SMALL');
          expect(error.data.actor).to.match(/^reducer\/\d+#\d+$/);
          expect(error.data.sequenceNumber).to.equal(stream.recordsOf(shard0)[0]!.sequenceNumber);
          expect(keeper.frontiers).to.deep.equal([]);
        } finally {
          await pipeline.stop();
        }
      }),
      { seed, numRuns: Math.ceil(numRuns / 3) },
    );
  });
});
