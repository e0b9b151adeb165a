// Records that may expire before they are done are reported, once per shard, and again only after the shard had recovered.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import type { ConsumerEvents } from '../../../src/api/events.js';
import type { SourceHistory } from '../../../src/api/source-history.js';
import { retry } from '../../../src/options/retry-policy.js';
import { createIntake, intakeOfShard, pauseIntake, resumeIntake } from '../../../src/core/intake.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { Pipeline, PipelineOptions } from '../../support/pipeline.js';

const start = pipelines();
const hour = 3_600_000;
const warnings = ({ events }: Pipeline): ConsumerEvents['retentionAtRisk'][] =>
  events.flatMap((event) => (event.name === 'retentionAtRisk' ? [event.data] : []));
const historyOf = (retentionMs?: number): SourceHistory => ({
  worked: true,
  failure: undefined,
  atRisk: new Set(),
  ...(retentionMs === undefined ? {} : { retentionMs }),
});

function scene(history: SourceHistory, shardWorker: PipelineOptions['shardWorker'] = {}) {
  const state = { isDown: true };
  const pipeline = start({
    reducer: { onFailure: retry({ minMs: 10_000, maxMs: 10_000 }) },
    definition: defineReducer({
      init: () => 0,
      reduce: (count: number) => {
        if (state.isDown) throw new Error('read-only');
        return count + 1;
      },
    }),
    shardWorker: { history, ...shardWorker },
  });
  const stream = fakeStream({ clock: pipeline.clock });
  return { pipeline, stream, state };
}

describe('the age of the oldest record of a shard', () => {
  it('is reported once when it passes half of the retention, with the record, its key and its error', async () => {
    const { pipeline, stream } = scene(historyOf(4 * hour));
    const [first] = putNumbered(stream, 3, () => 'k');
    const { shardWorker } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(2 * hour - 60_000);
    expect(warnings(pipeline)).to.deep.equal([]);
    await pipeline.clock.advance(2 * hour);
    const [warning, ...more] = warnings(pipeline);
    expect(more).to.deep.equal([]);
    expect(warning).to.include({
      source: 'fake',
      shardId: shard0,
      retentionMs: 4 * hour,
      sequenceNumber: first,
      key: 'k',
    });
    expect(warning?.ageMs).to.be.within(2 * hour, 2 * hour + 90_000);
    expect(warning?.error).to.be.an('error').with.property('message', 'read-only');
    expect(warning?.message).to.equal(
      `the oldest record of ${shard0} that is not done is 2 h old, and the stream keeps records for 4 h: it waits for another attempt`,
    );
    expect(pipeline.status(shardWorker)).to.have.property('retentionAtRisk').that.includes('is 4 h old');
  });

  it('counts from the time when the record came, not from when it was read', async () => {
    const { pipeline, stream } = scene(historyOf(4 * hour));
    putNumbered(stream, 1);
    await pipeline.clock.advance(3 * hour);
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(6_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is reported again after it had recovered, and not before, also by the next worker of the shard', async () => {
    const history = historyOf(4 * hour);
    const { pipeline, stream, state } = scene(history);
    putNumbered(stream, 1);
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(3 * hour);
    keeper.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(1_000);
    const { shardWorker } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(120_000);
    expect(warnings(pipeline)).to.have.length(1);
    state.isDown = false;
    await pipeline.clock.advance(120_000);
    expect(pipeline.status(shardWorker)).to.not.have.property('retentionAtRisk');
    state.isDown = true;
    putNumbered(stream, 1);
    await pipeline.clock.advance(3 * hour);
    expect(warnings(pipeline)).to.have.length(2);
  });

  it('is that of the first unread record while the application pauses, and of the backlog while reads fail', async () => {
    const intake = createIntake();
    const { pipeline, stream, state } = scene(historyOf(4 * hour), {
      intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }),
    });
    state.isDown = false;
    putNumbered(stream, 1);
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1_000);
    pauseIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(1 * hour);
    putNumbered(stream, 1, undefined, 1);
    await pipeline.clock.advance(1.5 * hour);
    expect(warnings(pipeline), 'the pending read has brought the record, which is younger').to.have.length(0);
    await pipeline.clock.advance(hour);
    expect(warnings(pipeline)[0]?.message).to.match(/paused the consumer$/);
    resumeIntake(intake, pipeline.clock.now());
    await pipeline.clock.advance(120_000);
    expect(warnings(pipeline)).to.have.length(1);
  });

  it('is not reported for a shard that is idle at its tip, or if the retention is not known', async () => {
    const idle = scene(historyOf(hour));
    idle.state.isDown = false;
    putNumbered(idle.stream, 3);
    idle.pipeline.read(idle.stream.port, shard0);
    await idle.pipeline.clock.advance(10 * hour);
    expect(warnings(idle.pipeline)).to.deep.equal([]);
    await idle.pipeline.stop();

    const unknown = scene(historyOf());
    putNumbered(unknown.stream, 3);
    unknown.pipeline.read(unknown.stream.port, shard0);
    await unknown.pipeline.clock.advance(10 * hour);
    expect(warnings(unknown.pipeline)).to.deep.equal([]);
  });
});
