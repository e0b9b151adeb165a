// A shard worker shows how its shard is fetched: as events, in its status and in counters. It tells its reader when the lease was renewed.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import type { LeasedRead, SourceNotice } from '../../../src/api/ports.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { pipelines, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const place = { source: 'fake', shardId: shard0 };

function reading() {
  const { port } = fakeStream();
  let say = (_notice: SourceNotice): void => {};
  let lease: LeasedRead | undefined;
  const source = {
    ...port,
    open: (...[shardId, from, notice, leased]: Parameters<typeof port.open>) => {
      say = notice;
      lease = leased;
      return port.open(shardId, from, notice, leased);
    },
  };
  const pipeline = start({ definition: defineReducer({ init: () => 0, reduce: (count: number) => count + 1 }) });
  const { shardWorker, keeper } = pipeline.read(source, shard0);
  const retrieval = () => (pipeline.status(shardWorker) as { readonly retrieval: object }).retrieval;
  return { pipeline, keeper, retrieval, say: (notice: SourceNotice) => say(notice), lease: () => lease };
}

describe('a shard worker whose shard is fetched in two ways', () => {
  it('says how, why and since when', async () => {
    const { pipeline, retrieval, say } = reading();
    await pipeline.clock.advance(5);
    expect(retrieval()).to.deep.equal({ by: 'polling', forMs: 5 });
    say({ type: 'retrieval', shardId: shard0, by: 'fan-out' });
    await pipeline.clock.advance(300);
    expect(retrieval()).to.deep.equal({ by: 'fan-out', forMs: 300 });
    const error = new Error('no room');
    say({ type: 'retrieval', shardId: shard0, by: 'polling', why: 'refused', error });
    say({ type: 'takenOver', shardId: shard0, consumer: 'totals', times: 3 });
    await pipeline.clock.advance(20);
    expect(retrieval()).to.deep.equal({ by: 'polling', why: 'refused', forMs: 20, error: 'no room' });
    const lasting = new Error('no room for long');
    say({ type: 'retrieval', shardId: shard0, by: 'polling', why: 'refused', error: lasting });
    await pipeline.clock.advance(30);
    expect(retrieval()).to.deep.equal({ by: 'polling', why: 'refused', forMs: 50, error: 'no room for long' });
    expect(pipeline.events.slice(1)).to.deep.equal([
      { name: 'retrievalChanged', data: { ...place, by: 'fan-out' } },
      { name: 'retrievalChanged', data: { ...place, by: 'polling', why: 'refused', error } },
      { name: 'subscriptionTakenOver', data: { ...place, consumer: 'totals', times: 3 } },
      { name: 'retrievalChanged', data: { ...place, by: 'polling', why: 'refused', error: lasting } },
    ]);
  });

  it('counts how subscriptions begin and end', async () => {
    const { pipeline, say } = reading();
    await pipeline.clock.advance(1);
    const counters = {
      begun: 'subscriptionsBegun',
      renewed: 'subscriptionsRenewed',
      shardEnd: 'subscriptionsToShardEnd',
      unused: 'subscriptionsUnused',
      takenOver: 'subscriptionsTakenOver',
      refused: 'subscriptionsRefused',
      broken: 'subscriptionsBroken',
      silent: 'subscriptionsSilent',
    } as const;
    for (const outcome of Object.keys(counters) as (keyof typeof counters)[])
      say({ type: 'subscription', shardId: shard0, outcome });
    await pipeline.clock.advance(1);
    expect(pipeline.counters()).to.include(Object.fromEntries(Object.values(counters).map((name) => [name, 1])));
  });

  it('tells its reader when the last renewal began that succeeded', async () => {
    const { pipeline, keeper, lease } = reading();
    await pipeline.clock.advance(1);
    expect(lease()?.renewalBegunAt?.()).to.equal(-Infinity);
    keeper.tenures[0]!.renewalBegunAt = 7;
    expect(lease()?.renewalBegunAt?.()).to.equal(7);
  });
});
