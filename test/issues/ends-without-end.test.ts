// Symptom: an open shard stood still on one host, `ready()` stayed true, and the lease stayed there beside healthy peers. First
// cause: an answer of GetRecords without an iterator and without records counted as a successful read. Second cause: if
// GetShardIterator never finds an open shard, readers come and go. None of them failed for the minute that a release takes.
import { expect } from 'chai';
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { modelClient } from '../support/model-kinesis-client.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const shards = ['shardId-000000000000', 'shardId-000000000001'];

interface Refusal {
  readonly what: string;
  /** The answers that the ill host gets. */
  readonly answers: (operation: string) => object | undefined;
  readonly says: RegExp;
}

const refused = (name: string): Error => Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: 400 } });
const refusals: readonly Refusal[] = [
  {
    what: 'GetRecords names no further iterator, and no record',
    answers: (operation) => (operation === 'GetRecords' ? { Records: [], MillisBehindLatest: 60_000 } : undefined),
    says: /^GetRecords has failed for \d\d s: .*without NextShardIterator/,
  },
  {
    what: 'GetShardIterator finds nothing',
    answers: (operation) => {
      if (operation === 'GetRecords') return refused('ExpiredIteratorException');
      return operation === 'GetShardIterator' ? refused('ResourceNotFoundException') : undefined;
    },
    says: /^this worker holds shardId-00000000000\d but has not read it .*: a listing shows the shard as open/,
  },
];

describe('an open shard that only one host cannot read', () => {
  for (const { what, answers, says } of refusals) {
    it(`makes ready() false, raises retrying events, and goes to a peer within two minutes (${what})`, async () => {
      using clock = virtualClock({ restlessAfter: 20_000 });
      const client = modelClient(clock);
      client.kinesis.createStream('orders', 2);
      const store = memoryLeaseStore([], 'orders');
      let isIll = false;
      const start = async (workerId: string, seed: number): Promise<VirtualConsumer> => {
        const send = async (command: object): Promise<object> => {
          const operation = command.constructor.name.replace(/Command$/, '');
          const answer = workerId === 'ill' && isIll ? answers(operation) : undefined;
          if (answer instanceof Error) throw answer;
          return answer ?? ((await client.send(command as never)) as object);
        };
        const spec = kinesisStream({ streamName: 'orders', client: { config: client.config, send } as never });
        const made = virtualConsumer(clock, {
          source: { ...spec, openLeases: () => store },
          workerId,
          runtime: { clock, timers: clock, random: seeded(seed) },
        });
        await inVirtualTime(clock, made.consumer.start());
        return made;
      };
      const [one, other] = [await start('ill', 1), await start('healthy', 2)];
      await clock.advance(40_000);
      const owners = (): unknown[] => shards.map((shardId) => store.rows.get(shardId)?.leaseOwner);
      expect(owners()).to.have.members(['ill', 'healthy']);
      isIll = true;
      for (const shardId of shards) client.kinesis.put('orders', { partitionKey: shardId, data: 'a', shardId });
      await clock.advance(45_000);
      expect(one.consumer.ready().ok).to.equal(false);
      expect(one.consumer.ready().reasons[0]).to.match(says);
      expect(one.heard('retrying').length).to.be.above(3);
      expect(other.seen).to.have.length(1);

      await clock.advance(75_000);
      expect(owners()).to.deep.equal(['healthy', 'healthy']);
      expect(other.seen.map(({ key }) => key)).to.have.members(shards);
      expect(one.heard('shardEnded')).to.deep.equal([]);

      isIll = false;
      for (const each of [one, other]) await inVirtualTime(clock, each.consumer.stop());
    });
  }
});
