// Symptom: records that came after LATEST and expired before the first read were skipped without an event. Cause: if the
// application is away for longer than the retention, the service begins at the oldest remaining record, without a notice. Rule: if
// the row's LATEST time is older than the retention, the event `trimmed` says that records may have expired.
import { expect } from 'chai';
import type { SourceNotice } from '../../src/api/ports.js';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { shardId, trimHorizon, harness } from '../support/polling-harness.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import { virtualTables } from '../support/virtual-tables.js';

const hourMs = 3_600_000;

describe('records that came after LATEST and expired before the first read of the shard', () => {
  it('are reported as possibly trimmed by the consumer that starts behind them, and by no earlier one', async () => {
    using clock = virtualClock();
    const client = modelClient(clock);
    client.kinesis.createStream('orders', 1);
    const tables = virtualTables(clock);
    const start = async (): Promise<ReturnType<typeof virtualConsumer>> => {
      const source = kinesisStream({ streamName: 'orders', client, initialPosition: 'LATEST' });
      const made = virtualConsumer(clock, { source, leases: { client: tables.client } });
      await inVirtualTime(clock, made.consumer.start());
      await clock.advance(3_000);
      await inVirtualTime(clock, made.consumer.stop());
      return made;
    };
    const first = await start();
    clock.jumpWall(20 * hourMs);
    const second = await start();
    client.kinesis.put('orders', { partitionKey: 'a', data: 'a' });
    clock.jumpWall(30 * hourMs);
    const third = await start();
    for (const each of [first, second]) expect(each.heard('trimmed')).to.deep.equal([]);
    expect(third.seen).to.deep.equal([]);
    expect(third.heard('trimmed')).to.deep.equal([{ source: 'orders', shardId, certain: false }]);
  });

  it('are not reported by a reader without a lease, nor by a reader that starts at TRIM_HORIZON', async () => {
    const lease = { stream: undefined, table: 'orders', multiStream: false } as never;
    const long = { type: 'atTimestamp', timestampMs: 1 } as const;
    const said: SourceNotice[] = [];
    for (const on of [harness(long), harness(trimHorizon, { lease })]) {
      on.consume();
      await on.clock.advance(3_000);
      said.push(...on.notices.filter(({ type }) => type === 'trimmed'));
    }
    expect(said).to.deep.equal([]);
  });
});
