// The polling source on the usual local servers: kinesalite, and kinesis-local, which is stricter.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { createRequire } from 'node:module';
import { expect } from 'chai';
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import type { StartPosition } from '../../src/core/position.js';
import type { RawRecord, ReadResult, ShardReader, SourceNotice, StreamSource } from '../../src/api/ports.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { startLocalServers } from '../../src/testing/local-servers.js';
import { startKinesisLocal } from '../support/kinesis-local.js';
import { countedTimers } from '../support/polling-harness.js';

const first = 'shardId-000000000000';
const never = new AbortController().signal;
const clock = { now: () => performance.now(), wallNow: () => Date.now() };
const timers = countedTimers({
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
});
const deps = { clock, timers, random: { next: () => 0 } };

const servers = {
  kinesalite: async () => {
    const local = await startLocalServers();
    return { clientConfig: local.clientConfig.kinesis, stop: local.stop, namesChildren: false, tellsLag: false };
  },
  'kinesis-local': async () => {
    const local = await startKinesisLocal({ createMs: 10 });
    return { clientConfig: local.clientConfig, stop: local.stop, namesChildren: true, tellsLag: true };
  },
};

for (const [name, start] of Object.entries(servers)) {
  describe(`the polling source on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let admin: KinesisClient;
    let stream: string;
    let source: StreamSource;
    let notices: SourceNotice[];
    let streams = 0;
    const env = ['AWS_ENDPOINT_URL_KINESIS', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
    const saved = env.map((variable) => process.env[variable]);

    before(async () => {
      server = await start();
      admin = new KinesisClient(server.clientConfig);
      const values = [server.clientConfig.endpoint, 'us-east-1', 'local', 'local'];
      env.forEach((variable, index) => (process.env[variable] = values[index]));
    });
    after(async () => {
      env.forEach((variable, index) => {
        if (saved[index] === undefined) delete process.env[variable];
        else process.env[variable] = saved[index];
      });
      await server.stop();
    });
    /** The start of the test in whole seconds, like the servers' times. */
    let fromMs: number;
    beforeEach(async () => {
      fromMs = Math.floor(Date.now() / 1_000) * 1_000;
      stream = `stream-${(streams += 1)}`;
      await admin.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 2 }));
      await active();
      notices = [];
      source = kinesisSource({ streamName: stream, idleMs: 200 }, deps);
    });
    afterEach(async () => {
      source.close();
      await new Promise((resolve) => setImmediate(resolve));
      expect(timers.pending).to.equal(0);
    });

    const active = async (): Promise<void> => {
      for (;;) {
        const summary = await admin.send(new DescribeStreamSummaryCommand({ StreamName: stream }));
        if (summary.StreamDescriptionSummary!.StreamStatus === 'ACTIVE') return;
      }
    };
    /** Writes to the first shard; returns the sequence numbers. */
    const put = async (...keys: string[]): Promise<string[]> => {
      const Records = keys.map((key) => ({
        PartitionKey: key,
        ExplicitHashKey: '0',
        Data: Buffer.from(`data ${key}`),
      }));
      const answer = await admin.send(new PutRecordsCommand({ StreamName: stream, Records }));
      return answer.Records!.map((record) => record.SequenceNumber!);
    };
    const open = (position: StartPosition = { type: 'trimHorizon' }, shardId = first, from = source): ShardReader =>
      from.open(shardId, position, (notice) => notices.push(notice));
    const take = async (reader: ShardReader, count: number): Promise<string[]> => {
      const records: RawRecord[] = [];
      while (records.length < count) {
        const result = await reader.read(never);
        if (result.type !== 'records') throw new Error('the shard ended');
        records.push(...result.records);
      }
      return records.map((record) => record.partitionKey ?? '');
    };
    const drain = async (reader: ShardReader): Promise<{ keys: string[]; ended: ReadResult }> => {
      const keys: string[] = [];
      for (;;) {
        const result = await reader.read(never);
        if (result.type !== 'records') return { keys, ended: result };
        keys.push(...[...result.records].map((record) => record.partitionKey ?? ''));
      }
    };

    it('reads records written before and after its start, with arrival times and data', async () => {
      await put('a', 'ключ');
      const reader = open();
      const result = await reader.read(never);
      if (result.type !== 'records') throw new Error('the shard ended');
      expect([...result.records].map((record) => Buffer.from(record.data).toString())).to.deep.equal([
        'data a',
        'data ключ',
      ]);
      expect(result.records.at(0)!.arrivedAt).to.be.within(fromMs, Date.now());
      await put('c');
      expect(await take(reader, 1)).to.deep.equal(['c']);
      expect(notices).to.deep.equal([]);
    });

    it('describes the stream and lists its shards with the server time', async () => {
      const description = await source.describe(never);
      expect(description.streamName).to.equal(stream);
      expect(description.streamArn).to.match(new RegExp(`^arn:aws:kinesis:us-east-1:\\d+:stream/${stream}$`));
      expect(description.accountId).to.match(/^\d{12}$/);
      // The creation times of kinesalite are a little too early.
      expect(description.creationEpochSeconds).to.be.within(fromMs / 1_000 - 60, Date.now() / 1_000);
      const listing = await source.listShards({ type: 'all' }, never);
      expect(listing.shards.map((shard) => shard.shardId)).to.deep.equal([first, 'shardId-000000000001']);
      expect(listing.serviceTimeMs).to.be.within(fromMs, Date.now());
      expect(listing.shards[0]!.hashKeyRange).to.have.property('startingHashKey', '0');
    });

    it('reads by ARN', async () => {
      const { streamArn } = await source.describe(never);
      const byArn = kinesisSource({ streamArn, idleMs: 200 }, deps);
      await put('a');
      expect(await take(open({ type: 'trimHorizon' }, first, byArn), 1)).to.deep.equal(['a']);
      expect((await byArn.listShards({ type: 'atLatest' }, never)).shards).to.have.length(2);
      byArn.close();
    });

    it('starts at a recorded time of LATEST, and misses no record written after the listing', async () => {
      await put('long before');
      // A `Date` header has whole seconds. A shard sync subtracts two more for clocks; this test leaves them out on purpose.
      await new Promise((resolve) => setTimeout(resolve, 1_001));
      const { serviceTimeMs } = await source.listShards({ type: 'atLatest' }, never);
      const position: StartPosition = { type: 'atTimestamp', timestampMs: serviceTimeMs };
      const idle = open(position);
      const empty = await idle.read(never);
      expect(empty).to.have.property('records').that.has.length(0);
      await put('a', 'b');
      expect(await take(idle, 2)).to.deep.equal(['a', 'b']);
      const late = open(position);
      expect(await take(late, 2)).to.deep.equal(['a', 'b']);
    });

    it('skips the records before a start time in the future', async () => {
      await put('before');
      const reader = open({ type: 'atTimestamp', timestampMs: Date.now() + 1_000 });
      const read = take(reader, 1);
      await put('too early');
      await new Promise((resolve) => setTimeout(resolve, 1_001));
      await put('in time');
      expect(await read).to.deep.equal(['in time']);
    });

    it('resumes with the record of the checkpoint, so that the worker can sort out its user records', async () => {
      const [, b] = await put('a', 'b', 'c');
      const reader = open({ type: 'after', position: { sequenceNumber: b!, subSequenceNumber: 5 } });
      expect(await take(reader, 2)).to.deep.equal(['b', 'c']);
      expect(notices).to.deep.equal([]);
    });

    it('starts at TRIM_HORIZON, and says so, if the record of the checkpoint no longer exists', async () => {
      const [a] = await put('a', 'b');
      // A number below the first record, where a trimmed record would be.
      const sequenceNumber = String(BigInt(a!) - 1n);
      const position = { sequenceNumber, subSequenceNumber: 2 };
      expect(await take(open({ type: 'after', position }), 2)).to.deep.equal(['a', 'b']);
      expect(notices).to.deep.equal([{ type: 'trimmed', shardId: first, position, certain: false }]);
    });

    it('continues after the last record when its iterator expires', async () => {
      await put('a');
      const client = new KinesisClient(server.clientConfig);
      let expire = false;
      const send = client.send.bind(client) as (
        command: { input: Record<string, unknown> },
        options: unknown,
      ) => Promise<unknown>;
      const ageing = {
        send: (command: { input: Record<string, unknown> }, options: unknown) => {
          if (expire && typeof command.input['ShardIterator'] === 'string') {
            command.input['ShardIterator'] = aged(command.input['ShardIterator']);
            expire = false;
          }
          return send(command, options);
        },
      };
      const aging = kinesisSource({ streamName: stream, idleMs: 200, client: ageing as never }, deps);
      const reader = open({ type: 'trimHorizon' }, first, aging);
      expect(await take(reader, 1)).to.deep.equal(['a']);
      expire = true;
      await put('b');
      expect(await take(reader, 1)).to.deep.equal(['b']);
      await put('c');
      while (notices.length === 0) await reader.read(never);
      expect(notices).to.deep.equal([{ type: 'iteratorExpired', shardId: first }]);
      aging.close();
      client.destroy();
    });

    it('ends split and merged shards after their records, with the children that the server names', async () => {
      await put('a', 'b');
      await admin.send(new SplitShardCommand({ StreamName: stream, ShardToSplit: first, NewStartingHashKey: '1000' }));
      await active();
      const { keys, ended } = await drain(open());
      expect(keys).to.deep.equal(['a', 'b']);
      const shards = (await admin.send(new ListShardsCommand({ StreamName: stream }))).Shards!;
      const children = shards.filter((shard) => shard.ParentShardId === first).map((shard) => shard.ShardId!);
      expect(children).to.have.length(2);
      if (ended.type !== 'shardEnd') throw new Error('expected the end');
      expect(ended.children?.map((child) => child.shardId)).to.deep.equal(server.namesChildren ? children : undefined);
      const open_ = await source.listShards({ type: 'atLatest' }, never);
      expect(open_.shards.map((shard) => shard.shardId)).to.have.members(['shardId-000000000001', ...children]);
      const oldest = await source.listShards({ type: 'atTrimHorizon' }, never);
      expect(oldest.shards.map((shard) => shard.shardId)).to.deep.equal([first, 'shardId-000000000001']);

      const [left, right] = children;
      await admin.send(new MergeShardsCommand({ StreamName: stream, ShardToMerge: left, AdjacentShardToMerge: right }));
      await active();
      for (const parent of [left!, right!]) {
        const merged = (await drain(open({ type: 'trimHorizon' }, parent))).ended;
        if (merged.type !== 'shardEnd') throw new Error('expected the end');
        if (server.namesChildren) expect(merged.children![0]!.parentShards).to.have.members([left, right]);
        else expect(merged.children).to.equal(undefined);
      }
    });

    it('retries a shard that is not found, and ends with STREAM_NOT_FOUND when the stream is gone', async () => {
      const said = new Promise<SourceNotice>((resolve) => {
        const lost = source.open('shardId-000000000077', { type: 'trimHorizon' }, resolve);
        lost.read(never).catch(() => undefined);
      });
      expect(await said).to.include({ type: 'retrying', operation: 'GetShardIterator' });
      const reader = open();
      await reader.read(never);
      await admin.send(new DeleteStreamCommand({ StreamName: stream }));
      const error: unknown = await drain(reader).catch((thrown: unknown) => thrown);
      expect(error).to.have.property('code', 'STREAM_NOT_FOUND');
    });
  });
}

/** Makes an iterator five minutes older. Possible because both servers encrypt iterators with one public key (emulators.md 5). */
function aged(iterator: string): string {
  const keys = createRequire(import.meta.url)('kinesalite/db') as { ITERATOR_PWD_KEY: Buffer; ITERATOR_PWD_IV: Buffer };
  const bytes = Buffer.from(iterator, 'base64');
  const decipher = createDecipheriv('aes-256-cbc', keys.ITERATOR_PWD_KEY, keys.ITERATOR_PWD_IV);
  const plain = Buffer.concat([decipher.update(bytes.subarray(8)), decipher.final()]).toString();
  const older = String(Number(plain.slice(0, 14)) - 301_000).padStart(14, '0') + plain.slice(14);
  const cipher = createCipheriv('aes-256-cbc', keys.ITERATOR_PWD_KEY, keys.ITERATOR_PWD_IV);
  return Buffer.concat([bytes.subarray(0, 8), cipher.update(older), cipher.final()]).toString('base64');
}
