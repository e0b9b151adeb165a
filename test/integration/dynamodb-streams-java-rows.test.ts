// A consumer of a table takes over rows as the Java adapter writes them, with keys of both forms: parents that name themselves as a child,
// and checkpoints with leading zeros. Then the shards roll over. In virtual time. golden-rows.test.ts does the same for Kinesis. What
// a row that names itself must not change is in test/src/core/shard-lineage.test.ts.
import { expect } from 'chai';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { outOfOrder, tableWorld, type TableWorld } from '../support/table-world.js';
import { virtualClock } from '../support/virtual.js';

type Row = Record<string, AttributeValue>;

const ids = ['a', 'b', 'c', 'd'];

/** The name that the adapter gives to the stream in a multi-stream table. */
function adapterName({ tables }: TableWorld): string {
  const { arn } = tables.stream('orders');
  const [, , , region = '', account = ''] = arn.split(':');
  const label = arn.slice(arn.indexOf('/stream/') + '/stream/'.length).replaceAll(':', '_');
  return `${account}:${region}$${account}$orders$${label}:1`;
}

for (const multiStream of [false, true]) {
  describe(`rows of the Java adapter, with ${multiStream ? 'multi' : 'single'}-stream keys`, () => {
    it('are taken over: the rest of the open shard and its children are read, and the ended parent is not', async () => {
      using clock = virtualClock();
      const world = tableWorld(clock);
      const streamName = adapterName(world);
      const keyOf = (shardId: string): string => (multiStream ? `${streamName}:${shardId}` : shardId);
      const row = (shardId: string, more: Row): Row => ({
        leaseKey: { S: keyOf(shardId) },
        leaseOwner: { S: 'java-1' },
        leaseCounter: { N: '77' },
        ownerSwitchesSinceCheckpoint: { N: '2' },
        checkpointSubSequenceNumber: { N: '0' },
        startingHashKey: { S: '0' },
        endingHashKey: { S: '1' },
        throughputKBps: { N: '0' },
        ...(multiStream ? { streamName: { S: streamName }, shardId: { S: shardId } } : {}),
        ...more,
      });

      const [parent = ''] = world.tables.openShards('orders');
      world.write(ids);
      const [child = ''] = world.tables.rollShard('orders', parent);
      world.write(ids);
      world.write(ids);
      const numbers = world.tables.sequenceNumbers('orders', child);
      const checkpoint = numbers[5]!;
      const done = ids.length + 6;
      world.leases.createTable('app', 'leaseKey');
      world.leases.put('app', row(parent, { checkpoint: { S: 'SHARD_END' }, childShardIds: { SS: [child, parent] } }));
      world.leases.put(
        'app',
        row(child, {
          checkpoint: { S: `00${checkpoint}` },
          parentShardId: { SS: [parent] },
          childShardIds: { SS: [child] },
        }),
      );

      const worker = world.worker('kinact', {
        options: { leases: { client: world.leases.client, multiStream } } as never,
      });
      await world.start(worker);
      await clock.advance(30_000);
      expect(worker.ids().toSorted(), 'what the Java worker had not done').to.deep.equal(world.written.slice(done));

      const children = world.tables.rollShard('orders', child, 2);
      world.write(ids);
      await clock.advance(30_000);
      expect(worker.ids().toSorted()).to.deep.equal(world.written.slice(done).toSorted());
      expect(outOfOrder(worker.ids())).to.deep.equal([]);
      await clock.advance(600_000);
      expect(worker.ids(), 'nothing comes again').to.have.length(world.written.length - done);
      expect(worker.consumer.status().shards.map(({ shardId }) => shardId)).to.have.members(children);
      await world.stop(worker);

      const rows = world.leases.items('app');
      expect([...rows.keys()]).to.include.members(children.map(keyOf));
      for (const shardId of children) {
        const written = rows.get(keyOf(shardId))!;
        expect(written['parentShardId']!.SS).to.deep.equal([child]);
        expect(written['streamName']?.S).to.equal(multiStream ? streamName : undefined);
        expect(written['shardId']?.S).to.equal(multiStream ? shardId : undefined);
      }
      expect([...rows.keys()], 'the row that names itself as its child is cleaned up').to.not.include(keyOf(parent));
      expect(rows.get(keyOf(child))?.['checkpoint']!.S ?? 'SHARD_END').to.equal('SHARD_END');
      expect(rows.get(keyOf(child))?.['endingHashKey']?.S ?? '1', 'foreign attributes stay').to.equal('1');
    });
  });
}
