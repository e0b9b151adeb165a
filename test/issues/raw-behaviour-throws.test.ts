// Symptom: a raw behaviour threw on `items` after it had acknowledged all of them, and nothing was reported, counted or restarted,
// whatever the policy. Cause: kinact took the items for items that had all left with their leases.
import { expect } from 'chai';
import { createConsumer, defineReducer, type Consumer, type OnFailure, type RawReducer } from '../../src/index.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import { drive, fakeStream, ManualClock } from '../../src/testing/index.js';
import { inVirtualTime } from '../support/virtual.js';

/** Acknowledges the first `acknowledged` items of each batch, then throws. */
const throwsAfter = (acknowledged: number): RawReducer<number, unknown> =>
  defineReducer<number, unknown>({
    init: () => 0,
    behaviour: async (state, message, ctx) => {
      if (message.type !== 'items') return state;
      for (const { token } of message.items.slice(0, acknowledged)) ctx.ack(token);
      await Promise.resolve();
      throw new Error('after it was done');
    },
  }) as RawReducer<number, unknown>;

const two = [{ key: 'a' }, { key: 'b', shardId: 'other' }];
const drivenWith = async (onFailure: OnFailure, acknowledged = 2) => {
  const driver = drive(throwsAfter(acknowledged), { onFailure });
  await driver.items(two);
  return driver;
};

describe('a raw behaviour that throws when it has acknowledged its items', () => {
  it('crashes the reducer under crash, with an error that names the first item', async () => {
    const { failed } = await drivenWith('crash');
    expect(failed).to.include({ code: 'PROCESSING_FAILED' });
    expect(failed).to.deep.include({ data: { source: 'driven', shardId: 'shard', sequenceNumber: '1', key: 'a' } });
    expect(failed?.cause).to.have.property('message', 'after it was done');
  });

  it('skips no item under skip, but reports and counts the failed call', async () => {
    const { failed, acknowledged, skipped, events, counts, stopped } = await drivenWith('skip');
    expect({ failed, acknowledged, skipped, stopped }).to.deep.equal({
      failed: undefined,
      acknowledged: two,
      skipped: [],
      stopped: [],
    });
    expect(counts).to.deep.equal({ failedCalls: 1 });
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.nested.include({ name: 'warning', 'data.message': 'a reducer failed at items' });
    expect(events[0]?.data).to.have.nested.property('error.code', 'PROCESSING_FAILED');
  });

  it('stops the shards of its items under stopShard, and reports it', async () => {
    const { stopped, counts, events } = await drivenWith('stopShard');
    expect(stopped).to.deep.equal(['shard', 'other']);
    expect(counts).to.deep.equal({ failedCalls: 1 });
    expect(events).to.have.length(1);
  });

  it('asks a policy function once, with no items left', async () => {
    const asked: FailedItem[] = [];
    await drivenWith((_error, item) => (asked.push(item), 'skip'));
    expect(asked).to.have.length(1);
    expect(asked[0]).to.include({ at: 'reduce', items: 0, shardId: 'shard', key: 'a' });
  });

  it('has the item skipped that it did not acknowledge', async () => {
    const { acknowledged, skipped, counts } = await drivenWith('skip', 1);
    expect({ acknowledged, skipped }).to.deep.equal({ acknowledged: [two[0]], skipped: [two[1]] });
    expect(counts).to.deep.equal({ skippedItems: 1 });
  });
});

describe('a consumer whose raw behaviour throws when it has acknowledged its items', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());
  const run = async (onFailure: OnFailure): Promise<{ consumer: Consumer; messages: string[]; restarts: number }> => {
    const stream = fakeStream({ clock });
    const reducer = throwsAfter(Infinity);
    const runtime = { clock, timers: clock };
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducer,
      onFailure,
      runtime,
    });
    const messages: string[] = [];
    let restarts = 0;
    consumer.on('warning', ({ message }) => messages.push(message));
    consumer.on('pipelineRestarted', () => (restarts += 1));
    consumer.closed.catch(() => {});
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'a', data: 'a' });
    await clock.advance(20_000);
    return { consumer, messages, restarts };
  };

  it('restarts the pipeline under crash', async () => {
    const { consumer, restarts } = await run('crash');
    expect(restarts).to.equal(1);
    await inVirtualTime(clock, consumer.stop());
  });

  it('continues under skip, and reports and counts the failed call', async () => {
    const { consumer, messages, restarts } = await run('skip');
    expect(restarts).to.equal(0);
    expect(messages).to.deep.equal(['a reducer failed at items']);
    expect(consumer.status().counters).to.include({ failedCalls: 1 });
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });
});
