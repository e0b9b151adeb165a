// Symptom: a closed shard got SHARD_END before its backlog was read, without an event. Cause: two GetRecords answers in a row had
// no iterator and no records. Their MillisBehindLatest of 60,000, which shows a backlog, was ignored. Rule: an end with
// MillisBehindLatest above 0 needs more proof.
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import { consumerHarness, eventually, textOf } from '../support/consumer-harness.js';
import { snapshotTable } from '../support/strict-lease-reader.js';

const first = 'shardId-000000000000';

describe('two GetRecords answers without iterator and records, with MillisBehindLatest above 0', function () {
  this.timeout(60_000);
  let servers: LocalServers;
  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());

  it('end no closed shard before its backlog is read', async () => {
    const scripted = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
    const harness = consumerHarness({ kinesis: scripted.url, dynamodb: scripted.url });
    try {
      scripted.kinesis.createStream('orders', 1);
      const before = harness.consumer('orders', { application: 'burst', leases: { failoverMs: 1_500 } });
      await before.consumer.start();
      for (let at = 0; at < 10; at += 1) scripted.kinesis.put('orders', { partitionKey: `k${at}`, data: `${at}` });
      await eventually('ten', () => before.seen.length === 10);
      await before.consumer.stop();
      for (let at = 10; at < 40; at += 1) scripted.kinesis.put('orders', { partitionKey: `k${at}`, data: `${at}` });
      scripted.kinesis.split('orders', first);
      scripted.respond('GetRecords', 2, { type: 'json', body: { Records: [], MillisBehindLatest: 60_000 } });
      const after = harness.consumer('orders', { application: 'burst', leases: { failoverMs: 1_500 } });
      await after.consumer.start();
      await eventually('the end', () => after.heard('shardEnded').length === 1, 20_000);
      const rows = await snapshotTable(harness.dynamodb, 'burst');
      const row = rows.get(first) as unknown as Record<string, { S?: string }>;
      const seen = new Set([...before.seen, ...after.seen].map(textOf)).size;
      expect({ seen, checkpoint: row['checkpoint']?.S, trimmed: after.heard('trimmed') }).to.deep.equal({
        seen: 40,
        checkpoint: 'SHARD_END',
        trimmed: [],
      });
    } finally {
      await harness.close();
      await scripted.stop();
    }
  });
});
