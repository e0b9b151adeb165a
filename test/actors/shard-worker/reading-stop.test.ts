// The reading of a shard that stops because a record waits for another attempt is reported once per stop, with the record, its key and
// its error. A shard that is full for any other reason is silent.
import { expect } from 'chai';
import { retry } from '../../../src/options/retry-policy.js';
import { defineReducer, type Item } from '../../../src/api/reducer.js';
import { createByteBudget } from '../../../src/core/byte-budget.js';
import { createIntake, intakeOfShard, pauseIntake, resumeIntake } from '../../../src/core/intake.js';
import type { ConsumerEvents } from '../../../src/api/events.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { Pipeline, PipelineOptions } from '../../support/pipeline.js';

const start = pipelines();
const down = new Error('connect ECONNREFUSED');

function said<Name extends 'readingStopped' | 'readingResumed'>(
  { events }: Pipeline,
  name: Name,
): ConsumerEvents[Name][] {
  return events.flatMap((event) => (event.name === name ? [event.data as ConsumerEvents[Name]] : []));
}

interface Scene {
  readonly shardWorker?: PipelineOptions['shardWorker'];
  readonly records?: number;
  readonly bytes?: number;
  readonly fails: (item: Item) => boolean;
  readonly keyOf?: (index: number) => string;
  /** How long a call that succeeds takes. */
  readonly slowMs?: number;
}

/** A pipeline whose calls fail for some records, and its sequence numbers. */
function scene({ shardWorker, records = 100, bytes, fails, keyOf, slowMs = 0 }: Scene) {
  const stream = fakeStream();
  const pipeline = start({
    reducers: 2,
    reducer: { onFailure: retry({ minMs: 1_000, maxMs: 1_000 }) },
    shardWorker: { maxPending: 10, ...shardWorker },
    definition: defineReducer({
      init: () => 0,
      reduce: (count: number, item) => {
        if (fails(item)) throw down;
        if (slowMs > 0) return new Promise<number>((resolve) => setTimeout(() => resolve(count + 1), slowMs));
        return count + 1;
      },
    }),
  });
  const numbers =
    bytes === undefined
      ? putNumbered(stream, records, keyOf)
      : stream
          .put(
            ...Array.from({ length: records }, (_, id) => ({ partitionKey: `k${id}`, data: String(id).padEnd(bytes) })),
          )
          .map(({ sequenceNumber }) => sequenceNumber);
  const { keeper, shardWorker: ref } = pipeline.read(stream.port, shard0);
  return { stream, pipeline, numbers, keeper, ref };
}

describe('a shard whose reading stops behind a record that waits for another attempt', () => {
  const bounds: readonly (readonly [ConsumerEvents['readingStopped']['bound'], RegExp, Scene])[] = [
    ['maxPending', /maxPending: 10/, { fails: () => true, keyOf: () => 'k0' }],
    ['span', /64 × maxPending: 640 records/, { fails: (item) => numberOf(item) === 0, records: 2_000 }],
    [
      'maxPendingBytes',
      /maxPendingBytes: \d+ of 1000/,
      { fails: () => true, bytes: 100, shardWorker: { maxPendingBytes: 1_000, maxPending: 100 } },
    ],
    [
      'maxBytes',
      /maxBytes/,
      {
        fails: () => true,
        bytes: 100,
        records: 3_000,
        shardWorker: { budget: createByteBudget(1_000), maxPending: 10_000 },
      },
    ],
  ];
  for (const [bound, text, options] of bounds)
    it(`is reported once, with record, key and error (${bound})`, async () => {
      const { pipeline, numbers } = scene(options);
      await pipeline.clock.advance(120_000);
      const [event, ...more] = said(pipeline, 'readingStopped');
      expect(more).to.deep.equal([]);
      expect(event).to.include({
        source: 'fake',
        shardId: shard0,
        bound,
        key: 'k0',
        error: down,
        subSequenceNumber: 0,
      });
      expect(event?.sequenceNumber).to.equal(numbers[0]);
      expect(event?.message).to.match(text);
      expect(said(pipeline, 'readingResumed')).to.deep.equal([]);
    });

  it('is reported as resumed when records are admitted again, and as stopped again at the next stop', async () => {
    let isDown = true;
    const { pipeline, stream, numbers } = scene({ fails: () => isDown, keyOf: () => 'k0' });
    await pipeline.clock.advance(30_000);
    isDown = false;
    await pipeline.clock.advance(10_000);
    const [resumed, ...others] = said(pipeline, 'readingResumed');
    expect(others).to.deep.equal([]);
    expect(resumed?.forMs).to.be.within(29_000, 32_000);
    isDown = true;
    const [first] = putNumbered(stream, 50, () => 'k1', 100);
    await pipeline.clock.advance(30_000);
    expect(said(pipeline, 'readingStopped').map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal([
      numbers[0],
      first,
    ]);
  });

  it('names the error of a flush that waits, for its own items and for those that are queued behind it', async () => {
    const stream = fakeStream();
    const pipeline = start({
      reducers: 1,
      reducer: { onFailure: retry() },
      shardWorker: { maxPending: 10 },
      definition: defineReducer({
        init: () => 0,
        reduce: (count: number) => count + 1,
        batch: { size: 3 },
        flush: () => {
          throw down;
        },
      }),
    });
    const numbers = putNumbered(stream, 30);
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10_000);
    const [event] = said(pipeline, 'readingStopped');
    expect(event).to.include({ key: 'k0', error: down, sequenceNumber: numbers[0] });
  });

  it('is not reported while the shard is full because calls are slow, or wait for an acknowledgement', async () => {
    for (const definition of [
      defineReducer({
        init: () => 0,
        reduce: () => new Promise<number>((resolve) => setTimeout(() => resolve(0), 30_000)),
      }),
      defineReducer({ init: () => 0, acknowledge: 'manual', reduce: (count: number) => count + 1 }),
    ]) {
      const stream = fakeStream();
      const pipeline = start({ definition, shardWorker: { maxPending: 10 } });
      putNumbered(stream, 100);
      pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(100_000);
      expect(said(pipeline, 'readingStopped')).to.deep.equal([]);
      await pipeline.stop();
    }
  });

  it('is not reported while there is room, or if the oldest record is tried with success in time', async () => {
    const { pipeline } = scene({ fails: (item) => numberOf(item) === 0, records: 9 });
    await pipeline.clock.advance(60_000);
    expect(said(pipeline, 'readingStopped')).to.deep.equal([]);
  });

  it('is reported as resumed although the shard stays full, once a record is admitted', async () => {
    let isDown = true;
    const { pipeline } = scene({
      fails: () => isDown,
      keyOf: () => 'k0',
      shardWorker: { maxPending: 2 },
      slowMs: 700,
    });
    await pipeline.clock.advance(30_000);
    expect(said(pipeline, 'readingStopped')).to.have.length(1);
    isDown = false;
    await pipeline.clock.advance(10_000);
    expect(said(pipeline, 'readingResumed')).to.have.length(1);
  });

  it('is not reported while the application pauses', async () => {
    const intake = createIntake();
    const { pipeline } = scene({
      fails: () => true,
      keyOf: () => 'k0',
      shardWorker: { intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) },
    });
    await pipeline.clock.advance(500);
    pauseIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(10_000);
    expect(said(pipeline, 'readingStopped')).to.have.length(0);
    resumeIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(10_000);
    expect(said(pipeline, 'readingStopped')).to.have.length(1);
  });

  it('stays reported over a pause of the application, without a second report', async () => {
    const intake = createIntake();
    const { pipeline } = scene({
      fails: () => true,
      keyOf: () => 'k0',
      shardWorker: { intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) },
    });
    await pipeline.clock.advance(10_000);
    pauseIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(10_000);
    resumeIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(10_000);
    expect(said(pipeline, 'readingStopped')).to.have.length(1);
    expect(said(pipeline, 'readingResumed')).to.deep.equal([]);
  });
});
