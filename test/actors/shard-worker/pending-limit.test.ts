// A shard that is full of records that the reducer does not acknowledge is reported after ten seconds, once per tenure. The watchdog
// would find it only after `watchdogMs`. Slow calls, and reducers that settle something, are not reported.
import { expect } from 'chai';
import { reducerIndexOf } from '../../../src/core/routing.js';
import { defineReducer, type ReducerDefinition, type ItemToken } from '../../../src/api/reducer.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { ConsumerEvents } from '../../../src/api/events.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { Pipeline, PipelineOptions } from '../../support/pipeline.js';

const start = pipelines();

const [left, right] = [0, 1].map((reducer) => [...'abcdefgh'].find((key) => reducerIndexOf(key, 2) === reducer)) as [
  string,
  string,
];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Reduce = (token: ItemToken, ack: (token: ItemToken) => void, n: number) => unknown;
const manual = (reduce: Reduce): ReducerDefinition =>
  defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: async (n: number, item, ctx) => (await reduce(item.token, (token) => ctx.ack(token), numberOf(item)), n),
  });

const raw = defineReducer({ init: () => 0, behaviour: (n: number) => n });

function warnings({ events }: Pipeline): readonly ConsumerEvents['warning'][] {
  return events.flatMap((event) => (event.name === 'warning' ? [event.data] : []));
}

/** A pipeline with this reducer that has run for `forMs`. */
async function run(
  options: PipelineOptions,
  forMs: number,
  put = (stream: FakeStream): unknown => putNumbered(stream, 100),
): Promise<Pipeline> {
  const stream = fakeStream();
  put(stream);
  const pipeline = start({
    reducers: 1,
    ...options,
    shardWorker: { maxPending: 10, watchdogMs: 600_000, ...options.shardWorker },
  });
  pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(forMs);
  return pipeline;
}

describe('a bound that is too small for the reducer', () => {
  const kinds: readonly (readonly [string, PipelineOptions])[] = [
    ['manual acknowledgement', { definition: manual(() => undefined) }],
    ['a raw behaviour', { definition: raw, stage: { flushIntervalMs: 1_000 } }],
    [
      'several reducers and stages',
      { definition: manual(() => undefined), reducers: 3, stages: 2, shardWorker: { spread: 'round-robin' } },
    ],
    [
      'items that wait for a flush and for an acknowledgement',
      { definition: { ...manual(() => undefined), flush: () => undefined } as ReducerDefinition },
    ],
  ];
  for (const [what, options] of kinds) {
    it(`is reported after ten seconds with ${what}, and once: the shard, the bound and the cure`, async () => {
      const pipeline = await run(options, 9_900);
      expect(warnings(pipeline)).to.deep.equal([]);
      await pipeline.clock.advance(2_200);
      const [warning] = warnings(pipeline);
      expect(warning?.message).to.match(
        /^The ledger of shard shardId-000000000000 is full \(maxPending: 10\).*Raise maxPending, or acknowledge earlier/,
      );
      expect(warning).to.include({ shardId: shard0 });
      expect(isKinactError(warning?.error) && warning.error.code).to.equal('PENDING_LIMIT_TOO_SMALL');
      await pipeline.clock.advance(300_000);
      expect(warnings(pipeline)).to.have.length(1);
    });
  }

  it('names the bytes of the shard if they are what is full', async () => {
    const pipeline = await run(
      { definition: manual(() => undefined), shardWorker: { maxPendingBytes: 250 } },
      12_000,
      (stream) => {
        for (let index = 0; index < 3; index += 1) stream.put({ partitionKey: 'k', data: 'x'.repeat(100) });
      },
    );
    expect(warnings(pipeline)[0]?.message).to.match(/maxPendingBytes: \d+ of 250.*Raise maxPendingBytes/);
  });

  it('names the span if records far behind the oldest open one are what is full', async () => {
    let first: ItemToken | undefined;
    const definition = manual((token, ack) => (first === undefined ? void (first = token) : ack(token)));
    const pipeline = await run({ definition, shardWorker: { maxPending: 2 } }, 30_000, (stream) =>
      putNumbered(stream, 200),
    );
    expect(warnings(pipeline)[0]?.message).to.match(/64 × maxPending: 128 records follow.*Raise maxPending/);
  });

  it('is not reported while a call runs, or shortly after: what it holds may be acknowledged next', async () => {
    const held: ItemToken[] = [];
    const definition = manual(async (token, ack, n) => {
      held.push(token);
      if (n % 10 !== 9) return;
      await sleep(45_000);
      setTimeout(() => held.splice(0).forEach(ack), 2_000);
    });
    expect(warnings(await run({ definition }, 400_000))).to.deep.equal([]);
  });

  it('is not reported while a call of another reducer runs', async () => {
    const definition = manual((_, __, n) => (n === 3 ? sleep(60_000) : undefined));
    const pipeline = await run({ definition, reducers: 4 }, 59_000);
    expect(warnings(pipeline)).to.deep.equal([]);
    await pipeline.clock.advance(20_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is not reported while a slow heartbeat of a raw behaviour runs, which may acknowledge', async () => {
    const definition = defineReducer({
      init: () => 0,
      behaviour: async (n: number, message) => (message.type === 'heartbeat' && (await sleep(60_000)), n),
    });
    expect(warnings(await run({ definition, stage: { flushIntervalMs: 1_000 } }, 180_000))).to.deep.equal([]);
  });

  it('is reported although a reducer that holds nothing of the shard is busy with another one', async () => {
    const busy = fakeStream({ name: 'busy' });
    const definition = manual((_, __, n) => (n >= 1_000 ? sleep(60_000) : undefined));
    const pipeline = await run({ definition, reducers: 2 }, 1_000, (stream) => putNumbered(stream, 100, () => left));
    putNumbered(busy, 1, () => right, 1_000);
    pipeline.read(busy.port, shard0);
    await pipeline.clock.advance(12_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is not reported while the reducer settles items of another shard', async () => {
    const others = fakeStream({ name: 'others' });
    const definition = manual((token, ack, n) => void (n >= 1_000 && setTimeout(() => ack(token), (n - 999) * 8_000)));
    const pipeline = await run({ definition }, 100);
    putNumbered(others, 5, undefined, 1_000);
    pipeline.read(others.port, shard0, undefined, { maxPending: 100 });
    await pipeline.clock.advance(48_000);
    expect(warnings(pipeline)).to.deep.equal([]);
    await pipeline.clock.advance(5_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is not reported sooner than ten seconds after the shard has settled something', async () => {
    const definition = manual((token, ack, n) => void (n === 1 && setTimeout(() => ack(token), 8_000)));
    const options = { definition, reducers: 2, shardWorker: { maxPendingBytes: 250 } };
    const pipeline = await run(options, 17_500, (stream) => {
      stream.put({ partitionKey: left, data: '0'.padEnd(100) });
      stream.put({ partitionKey: right, data: '1'.padEnd(100) });
      stream.put({ partitionKey: left, data: '2'.padEnd(200) });
    });
    expect(warnings(pipeline)).to.deep.equal([]);
    await pipeline.clock.advance(2_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is not reported if the shard is not full, or its calls are only slow', async () => {
    const roomy = await run({ definition: manual(() => undefined) }, 60_000, (stream) => putNumbered(stream, 9));
    expect(warnings(roomy)).to.deep.equal([]);
    await roomy.stop();
    const slow = defineReducer({ init: () => 0, reduce: (n: number) => sleep(15_000).then(() => n) });
    expect(warnings(await run({ definition: slow }, 200_000))).to.deep.equal([]);
  });
});
