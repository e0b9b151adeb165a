// One wrong answer of Kinesis does not end a shard: a second chain of iterators has to end, too. The reader reports records that may
// have expired unread.
import { expect } from 'chai';
import type { SourceNotice } from '../../../../src/api/ports.js';
import {
  end,
  only,
  shardId,
  stream,
  trimHorizon,
  types,
  harness,
  type Harness,
} from '../../../support/polling-harness.js';

const arn = 'arn:aws:kinesis:us-east-1:123456789012:stream/orders';
const retries = (on: Harness): Extract<SourceNotice, { type: 'retrying' }>[] =>
  on.notices.filter((notice) => notice.type === 'retrying');
const trims = (on: Harness): SourceNotice[] => on.notices.filter((notice) => notice.type === 'trimmed');
/** GetRecords answers `times` times what it has, but names no iterator. */
const withoutIterator = (on: Harness, times: number, ChildShards?: unknown): void => {
  let left = times;
  on.client.script = only('GetRecords', (call) => {
    if (left === 0) return undefined;
    left -= 1;
    const { Limit, ShardIterator } = call.input;
    const answer = on.client.kinesis.handle('GetRecords', { Limit, ShardIterator }) as { Records: any[] };
    const Records = answer.Records.map((record) => ({
      ...record,
      Data: Buffer.from(record.Data, 'base64'),
      ApproximateArrivalTimestamp: new Date(record.ApproximateArrivalTimestamp * 1_000),
    }));
    return { body: { Records, MillisBehindLatest: 0, ...(ChildShards === undefined ? {} : { ChildShards }) } };
  });
};
/** Changes how the stream is described from now on. */
const describedAs = (on: Harness, more: object): void => {
  const StreamDescriptionSummary = { StreamName: stream, StreamARN: arn, StreamStatus: 'ACTIVE', ...more };
  on.client.script = only('DescribeStreamSummary', () => ({ body: { StreamDescriptionSummary } }));
};
const createdSeconds = (on: Harness): number => Math.floor(on.client.kinesis.stream(stream).createdAt / 1_000);

describe('the proof that a shard has ended', () => {
  it('is a second chain that begins after the last record and ends without records', async () => {
    const on = harness();
    on.put('a');
    on.client.kinesis.split(stream, shardId);
    on.consume();
    await on.clock.advance(3_000);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON', 'AFTER_SEQUENCE_NUMBER']);
    expect(on.keys).to.deep.equal(['a']);
    expect(end(on)).to.have.property('type', 'shardEnd');
    expect(on.notices, 'which is no news').to.deep.equal([]);
  });

  it('is attempted ever more slowly on an empty open shard whose answers name no iterator', async () => {
    const on = harness();
    withoutIterator(on, Infinity);
    on.consume();
    await on.clock.advance(120_000);
    expect(end(on)).to.equal(undefined);
    expect(types(on).length).to.be.within(5, 25);
    expect(retries(on).at(-1)!.delayMs).to.be.above(1_000);
  });

  for (const ChildShards of [undefined, [{ ShardId: 'shardId-000000000009', ParentShards: [shardId] }]]) {
    const named = ChildShards === undefined ? 'naming no children' : 'naming children';
    it(`needs more than one answer without iterator in the middle of a backlog (${named})`, async () => {
      const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 2 } });
      on.put('a', 'b', 'c', 'd', 'e');
      on.client.kinesis.split(stream, shardId);
      withoutIterator(on, 1, ChildShards);
      on.consume();
      await on.clock.advance(10_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(end(on)).to.have.property('type', 'shardEnd');
      expect(retries(on)).to.not.deep.equal([]);
    });

    it(`needs more than one answer without iterator at the tip: the reader reports it and continues (${named})`, async () => {
      const on = harness();
      on.put('a');
      withoutIterator(on, 1, ChildShards);
      on.consume();
      await on.clock.advance(5_000);
      on.put('b');
      await on.clock.advance(5_000);
      expect(on.keys).to.deep.equal(['a', 'b']);
      expect(end(on)).to.equal(undefined);
      expect(retries(on)).to.have.length(1);
      expect(retries(on)[0]).to.include({ operation: 'GetRecords' });
    });
  }

  it('begins again if the second chain brings records, which are handed on', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 1 } });
    on.put('a', 'b', 'c', 'd');
    on.client.kinesis.split(stream, shardId);
    withoutIterator(on, 3);
    on.consume();
    await on.clock.advance(20_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('is attempted ever more slowly on a backlog whose answers name no iterator, and every record is read', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 1 } });
    const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`);
    on.put(...keys);
    withoutIterator(on, Infinity);
    on.consume();
    await on.clock.advance(600_000);
    expect(on.keys).to.deep.equal(keys);
    const delays = retries(on).map(({ delayMs }) => delayMs);
    expect(delays[0]).to.equal(0);
    expect(Math.max(...delays)).to.be.above(5_000);
  });

  it('counts only after a listing has shown the shard as closed, because records may come until then', async () => {
    const on = harness();
    on.put('a');
    withoutIterator(on, Infinity);
    on.consume();
    await on.clock.advance(20_000);
    expect(end(on), 'the shard is open').to.equal(undefined);
    expect(retries(on).length).to.be.above(1);
    on.put('b');
    on.client.kinesis.split(stream, shardId);
    await on.clock.advance(30_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(end(on)).to.have.property('type', 'shardEnd');
  });

  it('needs two ends that are close together: an end half an hour earlier does not count', async () => {
    const on = harness();
    withoutIterator(on, 1);
    on.consume();
    await on.clock.advance(1_800_000);
    expect(end(on)).to.equal(undefined);
    withoutIterator(on, 1);
    await on.clock.advance(60_000);
    expect(end(on)).to.equal(undefined);
  });
});

describe('the notice about records that may have expired unread', () => {
  for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const) {
    it(`is uncertain if a closed shard has nothing left after the record to resume in (${missingRecord})`, async () => {
      let position = { sequenceNumber: '', subSequenceNumber: 0 };
      const on = harness(
        (put) => {
          position = { sequenceNumber: put('a', 'b', 'c')[0]!, subSequenceNumber: 0 };
          return { type: 'after', position };
        },
        { model: { missingRecord } },
      );
      on.client.kinesis.trim(stream, shardId, 3);
      on.client.kinesis.split(stream, shardId);
      on.consume();
      await on.clock.advance(5_000);
      expect(end(on)).to.have.property('type', 'shardEnd');
      expect(trims(on)).to.deep.equal([{ type: 'trimmed', shardId, position, certain: false }]);
    });
  }

  it('is certain if the service had reported more records', async () => {
    const options = { streamName: stream, maxRecords: 1, prefetch: { batches: 1 } };
    const on = harness(trimHorizon, { options });
    const [sequenceNumber] = on.put('a', 'b', 'c');
    await on.clock.advance(10);
    const first = on.reader.read(new AbortController().signal);
    await on.clock.advance(1_000);
    await first;
    await on.clock.advance(1_000);
    on.client.kinesis.trim(stream, shardId, 3);
    on.client.kinesis.expireIterators();
    on.consume();
    await on.clock.advance(10_000);
    const [said] = trims(on);
    expect(said).to.deep.include({ type: 'trimmed', certain: true });
    expect(said).to.not.have.nested.property('position.sequenceNumber', sequenceNumber);
  });
});

describe('a reader under a lease', () => {
  const lease = (on: Harness): { stream: string } => ({ stream: `${arn}#${createdSeconds(on)}` });

  it('treats no error as final, and continues when the service answers correctly again', async () => {
    for (const error of [
      'ResourceNotFoundException',
      'AccessDeniedException',
      'InvalidArgumentException',
      'ValidationException',
      'KMSAccessDeniedException',
      'UnrecognizedClientException',
      'ExpiredIteratorException',
    ]) {
      for (const operation of ['GetRecords', 'GetShardIterator', 'DescribeStreamSummary']) {
        const on = harness(trimHorizon, { lease: lease(harness()) });
        on.put('a');
        on.consume();
        await on.clock.advance(3_000);
        on.client.kinesis.expireIterators();
        on.client.script = only(operation, () => ({ error }));
        await on.clock.advance(4_000);
        on.client.script = () => undefined;
        on.put('b');
        await on.clock.advance(30_000);
        expect(on.failure(), `${operation} ${error}`).to.equal(undefined);
        expect(end(on), `${operation} ${error}`).to.equal(undefined);
        expect(on.keys, `${operation} ${error}`).to.deep.equal(['a', 'b']);
      }
    }
  });

  it('neither restarts a chain nor falls back to TRIM_HORIZON in another stream than its row names', async () => {
    const restarts: Record<string, (on: Harness) => void> = {
      'iterators expire': (on) => on.client.kinesis.expireIterators(),
      'the last record is gone': (on) => {
        on.client.kinesis.trim(stream, shardId, 1);
        on.client.kinesis.expireIterators();
      },
      'an end': (on) => void on.client.kinesis.split(stream, shardId),
    };
    for (const [what, restart] of Object.entries(restarts)) {
      const on = harness(trimHorizon, { lease: lease(harness()) });
      on.put('a');
      on.consume();
      await on.clock.advance(2_000);
      on.put('of the new stream');
      describedAs(on, { StreamCreationTimestamp: new Date((createdSeconds(on) + 60) * 1_000) });
      on.client.kinesis.expireIterators();
      restart(on);
      await on.clock.advance(30_000);
      expect(on.keys, what).to.deep.equal(['a']);
      expect(end(on), what).to.equal(undefined);
      const [said] = retries(on).slice(-1);
      expect(said?.error, what).to.have.property('code', 'STREAM_CHANGED');
    }
  });

  it('does not begin in another stream than its row names, for every start type and service behaviour', async () => {
    for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const) {
      for (const type of ['after', 'trimHorizon', 'atTimestamp'] as const) {
        const on = harness(
          () =>
            type === 'after'
              ? { type, position: { sequenceNumber: '17', subSequenceNumber: 0 } }
              : type === 'trimHorizon'
                ? trimHorizon
                : { type, timestampMs: 5 },
          { model: { missingRecord }, lease: { stream: `${arn}#1600000000` } },
        );
        on.put('of the new stream');
        on.consume();
        await on.clock.advance(30_000);
        expect(on.keys, `${missingRecord} ${type}`).to.deep.equal([]);
        expect(retries(on).at(-1)?.error, `${missingRecord} ${type}`).to.have.property('code', 'STREAM_CHANGED');
      }
    }
  });

  it('waits while the stream is CREATING, however long the shard is not found', async () => {
    const on = harness(trimHorizon, { lease: lease(harness()) });
    on.client.kinesis.dropShard(stream, shardId);
    describedAs(on, { StreamStatus: 'CREATING', StreamCreationTimestamp: new Date(createdSeconds(on) * 1_000) });
    on.consume();
    await on.clock.advance(300_000);
    expect(end(on)).to.equal(undefined);
  });

  it('soon asks for the identity of the stream at most once a second while iterators keep expiring', async () => {
    const on = harness(trimHorizon, { lease: lease(harness()) });
    on.consume();
    await on.clock.advance(2_000);
    on.client.script = only('GetRecords', () => ({ error: 'ExpiredIteratorException' }));
    await on.clock.advance(60_000);
    const asked = on.client.of('DescribeStreamSummary');
    expect(asked.length).to.be.within(2, 60);
    for (let index = 5; index < asked.length; index += 1)
      expect(asked[index]!.at - asked[index - 1]!.at).to.be.at.least(1_000);
  });
});
