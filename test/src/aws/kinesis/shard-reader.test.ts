// The laws of reading a shard that hold however its records are fetched. Each runs against polling and against enhanced fan-out.
import { expect } from 'chai';
import { closeAccount, createByteBudget, openAccount } from '../../../../src/core/byte-budget.js';
import { end, harness, only, shardId, stream, trimHorizon, type Harness } from '../../../support/polling-harness.js';

type More = Parameters<typeof harness>[1];

for (const retrieval of ['polling', 'fan-out'] as const) {
  const read = (start: Parameters<typeof harness>[0] = trimHorizon, more: More = {}): Harness =>
    harness(start, { ...more, retrieval });
  const small = { streamName: stream, maxRecords: 2 };
  const quiet = (on: Harness): unknown[] =>
    on.notices.filter(({ type }) => type !== 'retrieval' && type !== 'subscription');

  describe(`a shard read by ${retrieval}, in virtual time`, () => {
    it('hands on every record in order, and what comes later', async () => {
      const on = read(trimHorizon, { options: small });
      on.client.subscriptions.settings.recordsPerEvent = 2;
      on.put('a', 'b', 'c', 'd', 'e');
      on.consume();
      await on.clock.advance(2_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(on.results[0]).to.have.property('millisBehindLatest').that.is.greaterThan(0);
      on.put('f');
      await on.clock.advance(2_000);
      expect(on.keys.at(-1)).to.equal('f');
      await on.clock.advance(6_000);
      expect(on.results.at(-1)).to.deep.include({ type: 'records', records: [], millisBehindLatest: 0 });
      expect(quiet(on)).to.deep.equal([]);
      on.reader.close();
    });

    it('neither leaves out nor repeats a record over twenty minutes, whatever expires or ends meanwhile', async () => {
      const on = read();
      on.consume();
      const put: string[] = [];
      for (let at = 0; at < 1_200; at += 1) {
        put.push(`k${at}`);
        on.put(`k${at}`);
        await on.clock.advance(1_000);
        if (at % 100 === 50) on.client.kinesis.expireIterators();
      }
      await on.clock.advance(5_000);
      expect(on.keys).to.deep.equal(put);
      on.reader.close();
    });

    it('begins with the record to resume in, because the worker leaves out its done user records', async () => {
      const on = read((put) => {
        const [, b] = put('a', 'b', 'c');
        return { type: 'after', position: { sequenceNumber: b!, subSequenceNumber: 3 } };
      });
      on.consume();
      await on.clock.advance(1_000);
      expect(on.keys).to.deep.equal(['b', 'c']);
      expect(quiet(on)).to.deep.equal([]);
      on.reader.close();
    });

    it('begins at the time of LATEST', async () => {
      const on = read((put, clock) => {
        put('old');
        return { type: 'atTimestamp', timestampMs: clock.wallNow() + 500 };
      });
      await on.clock.advance(2_000);
      on.put('new');
      on.consume();
      await on.clock.advance(2_000);
      expect(on.keys).to.deep.equal(['new']);
      on.reader.close();
    });

    for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const) {
      it(`reads what is left, once, and reports the gap, if the record to resume in is trimmed (${missingRecord})`, async () => {
        let position = { sequenceNumber: '', subSequenceNumber: 2 };
        const on = read(
          (put) => {
            const [, b] = put('a', 'b', 'c', 'd');
            position = { sequenceNumber: b!, subSequenceNumber: 2 };
            return { type: 'after', position };
          },
          { model: { missingRecord } },
        );
        on.client.kinesis.trim(stream, shardId, 2);
        on.consume();
        await on.clock.advance(30_000);
        expect(on.keys).to.deep.equal(['c', 'd']);
        expect(quiet(on)).to.deep.include({ type: 'trimmed', shardId, position, certain: false });
        on.put('e');
        await on.clock.advance(30_000);
        expect(on.keys).to.deep.equal(['c', 'd', 'e']);
        expect(quiet(on).filter((notice) => (notice as { type: string }).type === 'trimmed')).to.have.length(1);
        on.reader.close();
      });
    }

    it('ends a closed shard with its children, after its last record and a listing', async () => {
      const on = read();
      on.put('a');
      on.consume();
      await on.clock.advance(1_000);
      on.put('b');
      const children = on.client.kinesis.split(stream, shardId);
      await on.clock.advance(5_000);
      expect(on.keys).to.deep.equal(['a', 'b']);
      const over = end(on);
      expect(over?.type === 'shardEnd' && over.children?.map((child) => child.shardId)).to.deep.equal(children);
      expect(on.client.of('ListShards')).to.have.length(1);
      expect(on.client.of('GetRecords').length).to.be.greaterThan(0);
      expect(on.timers.pending).to.equal(0);
    });

    it('ends an empty closed shard', async () => {
      const on = read();
      on.client.kinesis.split(stream, shardId);
      on.consume();
      await on.clock.advance(5_000);
      expect(end(on)).to.not.equal(undefined);
    });

    it('does not end a shard that a listing shows open, and reads on', async () => {
      const on = read();
      on.put('a');
      on.client.kinesis.split(stream, shardId);
      const open = { ShardId: shardId, SequenceNumberRange: { StartingSequenceNumber: '1' } };
      on.client.script = only('ListShards', () => ({ body: { Shards: [open] } }));
      on.consume();
      await on.clock.advance(60_000);
      expect(end(on)).to.equal(undefined);
      expect(quiet(on).map((notice) => (notice as { type: string }).type)).to.include('retrying');
      on.client.script = () => undefined;
      await on.clock.advance(60_000);
      expect(end(on)).to.not.equal(undefined);
      expect(on.keys).to.deep.equal(['a']);
    });

    it('reports a shard as not found after some seconds', async () => {
      const on = read();
      on.consume();
      await on.clock.advance(1_000);
      on.client.kinesis.dropShard(stream, shardId);
      await on.clock.advance(30_000);
      expect(end(on)).to.deep.equal({ type: 'shardEnd', notFound: true });
      expect(on.timers.pending).to.equal(0);
    });

    it('reads nothing of a stream that the lease row does not belong to', async () => {
      const on = read(trimHorizon, { lease: { stream: 'arn:aws:kinesis:us-east-1:1:stream/orders#1' } });
      on.put('a');
      on.consume();
      await on.clock.advance(60_000);
      expect(on.keys).to.deep.equal([]);
      const said = on.notices.flatMap((notice) => (notice.type === 'retrying' ? [notice.error] : []));
      expect(said[0]).to.have.property('code', 'STREAM_CHANGED');
      on.reader.close();
    });

    it('fetches no further than its bounds ahead of a worker that does not read', async () => {
      const account = openAccount(createByteBudget(Infinity), () => {});
      const bounded = read(trimHorizon, {
        options: { ...small, prefetch: { batches: 2 } },
        lease: { stream: undefined, bytes: account },
      });
      bounded.client.subscriptions.settings.recordsPerEvent = 2;
      const size = 4_000;
      for (let index = 0; index < 20; index += 1)
        bounded.client.kinesis.put(stream, { partitionKey: 'k', data: 'x'.repeat(size) });
      void bounded.reader.read(new AbortController().signal);
      await bounded.clock.advance(600_000);
      expect(account.aheadBytes).to.be.within(2 * size, 5 * size);
      bounded.consume();
      await bounded.clock.advance(60_000);
      expect(bounded.keys.length).to.be.within(16, 18);
      closeAccount(account);
      bounded.reader.close();
    });

    it('ends every request and timer when it is closed', async () => {
      const on = read();
      on.put('a');
      on.consume();
      await on.clock.advance(1_234);
      on.reader.close();
      await on.clock.advance(0);
      expect(on.timers.pending).to.equal(0);
      expect(on.client.subscriptions.open.size).to.equal(0);
      const { length } = on.client.calls;
      await on.clock.advance(60_000);
      expect(on.client.calls).to.have.length(length);
    });
  });
}
