// A reader hands on every record in order within the limits of Kinesis, through throttling, expired iterators and trimmed records.
// The scripted Kinesis answers in virtual time.
import { expect } from 'chai';
import { isKinactError } from '../../../../src/api/errors.js';
import { end, most, only, shardId, stream, trimHorizon, types, harness } from '../../../support/polling-harness.js';

describe('the polling reader, in virtual time', () => {
  it('hands on every record in order over one chain of iterators, and reports how far behind it is', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 2 } });
    on.put('a', 'b', 'c', 'd', 'e');
    on.consume();
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(types(on)).to.deep.equal(['TRIM_HORIZON']);
    on.put('f');
    await on.clock.advance(2_000);
    expect(on.keys.at(-1)).to.equal('f');
    expect(on.results[0]).to.have.property('millisBehindLatest').that.is.greaterThan(0);
    expect(on.results.at(-1)).to.deep.include({ type: 'records', records: [], millisBehindLatest: 0 });
  });

  it('reads at most five times a second while it is behind, and every idleMs at the tip', async () => {
    const on = harness(trimHorizon, {
      options: { streamName: stream, maxRecords: 1 },
      model: { enforceReadLimits: true },
    });
    on.put(...Array.from({ length: 50 }, (_, index) => `k${index}`));
    on.consume();
    await on.clock.advance(10_000);
    const busy = on.client.of('GetRecords');
    expect(busy.length).to.be.within(49, 51);
    expect(most(busy, 1_000)).to.equal(5);
    await on.clock.advance(60_000);
    expect(on.client.of('GetRecords').length - busy.length).to.be.within(59, 62);
    expect(on.notices).to.deep.equal([]);
    expect(on.keys).to.have.length(50);
  });

  it('reads about 2 MB a second, with at most one read of 2 MB in any second', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 4 } });
    const data = new Uint8Array(500_000);
    for (let index = 0; index < 80; index += 1) on.client.kinesis.put(stream, { partitionKey: `k${index}`, data });
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys.length * data.length).to.be.within(18_000_000, 22_000_000);
    expect(most(on.client.of('GetRecords'), 1_000)).to.equal(1);
  });

  it('backs off with full jitter after throttled reads, reports each wait, and loses no record', async () => {
    const on = harness(trimHorizon, { random: 0.999 });
    on.put('a');
    let left = 7;
    on.client.script = only('GetRecords', () =>
      left-- > 0 ? { error: 'ProvisionedThroughputExceededException' } : undefined,
    );
    on.consume();
    await on.clock.advance(120_000);
    const delays = on.notices.map((notice) => (notice.type === 'throttled' ? notice.delayMs : -1));
    expect(delays).to.have.length(7);
    expect(delays.map((ms) => Math.round(ms / 1_000))).to.deep.equal([1, 2, 4, 8, 16, 20, 20]);
    expect(on.keys).to.deep.equal(['a']);
    const again = harness(trimHorizon, { random: 0.25 });
    again.client.script = only('GetRecords', () => ({ error: 'LimitExceededException' }));
    again.consume();
    await again.clock.advance(3_000);
    expect(again.notices.slice(0, 3)).to.deep.equal(
      [250, 500, 1_000].map((delayMs) => ({ type: 'throttled', shardId, delayMs })),
    );
  });

  it('retries a passing failure for an hour without giving up, and never spins', async () => {
    const passing = [
      { error: 'ProvisionedThroughputExceededException' },
      { error: 'InternalFailure', status: 500 },
      { error: 'ExpiredIteratorException' },
      { error: 'TimeoutError' },
      { error: 'AbortError' },
      { body: {} },
      'hang',
    ] as const;
    for (const answer of passing) {
      for (const operation of ['GetRecords', 'GetShardIterator']) {
        if (
          operation === 'GetShardIterator' &&
          typeof answer === 'object' &&
          'error' in answer &&
          answer.error === 'ExpiredIteratorException'
        )
          continue;
        const on = harness();
        on.put('a');
        on.client.script = only(operation, () => answer);
        on.consume();
        await on.clock.advance(3_600_000);
        const label = `${operation} ${JSON.stringify(answer)}`;
        expect(on.failure(), label).to.equal(undefined);
        expect(on.client.of(operation).length, label).to.be.within(90, 800);
        expect(on.notices.length, label).to.be.greaterThan(80);
        on.client.script = () => undefined;
        await on.clock.advance(60_000);
        expect(on.keys, label).to.deep.equal(['a']);
        on.reader.close();
      }
    }
  });

  it('rejects with a KinactError on a lasting failure, after the records that were fetched before', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 1 } });
    on.put('a', 'b');
    let reads = 0;
    on.client.script = only('GetRecords', () => (++reads > 2 ? { error: 'AccessDeniedException' } : undefined));
    const signal = new AbortController().signal;
    const first = on.reader.read(signal);
    await on.clock.advance(5_000);
    expect(await first).to.have.nested.property('records[0].partitionKey', 'a');
    expect(await on.reader.read(signal)).to.have.nested.property('records[0].partitionKey', 'b');
    for (let again = 0; again < 2; again += 1) {
      const error: unknown = await on.reader.read(signal).catch((thrown: unknown) => thrown);
      if (!isKinactError(error)) throw new Error('expected a KinactError');
      expect(error.code).to.equal('ACCESS_DENIED');
      expect(error.message).to.contain('kinesis:GetRecords');
      expect(error.data.shardId).to.equal(shardId);
    }
    expect(on.client.of('GetRecords')).to.have.length(3);
  });

  it('restarts a refused chain once, and gives up if the new iterator is refused, too', async () => {
    const on = harness();
    on.put('a');
    let refuse = 1;
    on.client.script = only('GetRecords', () => (refuse-- > 0 ? { error: 'InvalidArgumentException' } : undefined));
    on.consume();
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a']);
    refuse = 2;
    await on.clock.advance(5_000);
    expect(on.failure()).to.have.property('code', 'AWS_ERROR');
  });
});

describe('iterators of the polling reader', () => {
  it('resume after the last raw record when they expire', async () => {
    const on = harness();
    const [a] = on.put('a');
    on.consume();
    await on.clock.advance(500);
    on.client.kinesis.expireIterators();
    on.put('b');
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    const resumed = on.client.of('GetShardIterator').at(-1)!.input;
    expect(resumed['ShardIteratorType']).to.equal('AFTER_SEQUENCE_NUMBER');
    expect(resumed['StartingSequenceNumber']).to.equal(a);
    expect(on.notices).to.deep.equal([{ type: 'iteratorExpired', shardId }]);
  });

  it('resume at the recorded time of LATEST, never at LATEST, when they expire before the first record', async () => {
    const on = harness((_, clock) => ({ type: 'atTimestamp', timestampMs: clock.wallNow() }));
    on.consume();
    await on.clock.advance(2_500);
    on.client.kinesis.expireIterators();
    // Written while no iterator is alive: a new LATEST would leave this record out.
    on.put('a');
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a']);
    const times = on.client.of('GetShardIterator').map((call) => (call.input['Timestamp'] as Date).getTime());
    expect(times).to.deep.equal([on.clock.wallNow() - 7_500, on.clock.wallNow() - 7_500]);
  });

  it('are replaced once when they expire because the worker asks for nothing for ten minutes', async () => {
    const on = harness(trimHorizon, { options: { streamName: stream, maxRecords: 1, prefetch: { batches: 1 } } });
    on.put('a', 'b', 'c');
    const signal = new AbortController().signal;
    const first = on.reader.read(signal);
    await on.clock.advance(600_000);
    await first;
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['b', 'c']);
    expect(on.notices.filter((notice) => notice.type === 'iteratorExpired')).to.have.length(1);
  });

  it('begin at the record to resume in, because the worker leaves out its done user records', async () => {
    const on = harness((put) => {
      const [, b] = put('a', 'b', 'c');
      return { type: 'after', position: { sequenceNumber: b!, subSequenceNumber: 3 } };
    });
    on.consume();
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['b', 'c']);
    expect(types(on)).to.deep.equal(['AT_SEQUENCE_NUMBER']);
    expect(on.notices).to.deep.equal([]);
  });

  for (const missingRecord of ['invalidArgument', 'resourceNotFound', 'nextRecord'] as const) {
    it(`begin at TRIM_HORIZON, with a trimmed notice, if the record to resume in is trimmed (${missingRecord})`, async () => {
      let position = { sequenceNumber: '', subSequenceNumber: 2 };
      const on = harness(
        (put) => {
          const [, b] = put('a', 'b', 'c', 'd');
          position = { sequenceNumber: b!, subSequenceNumber: 2 };
          return { type: 'after', position };
        },
        { model: { missingRecord } },
      );
      on.client.kinesis.trim(stream, shardId, 2);
      on.consume();
      await on.clock.advance(2_000);
      expect(on.keys).to.deep.equal(['c', 'd']);
      expect(on.notices).to.deep.equal([{ type: 'trimmed', shardId, position, certain: false }]);
      expect(end(on)).to.equal(undefined);
    });

    it(`neither skip a remaining record nor repeat one if the last read record is trimmed (${missingRecord})`, async () => {
      const on = harness(trimHorizon, { model: { missingRecord } });
      on.put('a', 'b');
      on.consume();
      await on.clock.advance(500);
      on.put('c', 'd');
      on.client.kinesis.trim(stream, shardId, 3);
      on.client.kinesis.expireIterators();
      await on.clock.advance(5_000);
      expect(on.keys).to.deep.equal(['a', 'b', 'd']);
    });
  }

  it('begin at now for a start time in the future, and leave out records before that time', async () => {
    const on = harness((put, clock) => {
      put('long ago');
      return { type: 'atTimestamp', timestampMs: clock.wallNow() + 10_000 };
    });
    on.consume();
    await on.clock.advance(5_000);
    on.put('too early');
    await on.clock.advance(4_999);
    on.put('still too early');
    await on.clock.advance(1);
    on.put('in time', 'later');
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['in time', 'later']);
    expect(types(on)).to.deep.equal(['AT_TIMESTAMP', 'AT_TIMESTAMP']);
    expect(on.notices.map((notice) => notice.type)).to.deep.equal(['retrying']);
  });

  it('leave no record out after the start is found, even if arrival times are out of order', async () => {
    const on = harness((_, clock) => ({ type: 'atTimestamp', timestampMs: clock.wallNow() + 3_000 }));
    on.consume();
    await on.clock.advance(3_000);
    on.put('a');
    await on.clock.advance(2_000);
    on.clock.jumpWall(-4_000);
    on.put('b');
    await on.clock.advance(2_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
  });

  it('repeat no record if the service denies a sequence number that it still has', async () => {
    const on = harness();
    on.put('a', 'b');
    on.consume();
    await on.clock.advance(500);
    on.client.script = (call) =>
      call.input['ShardIteratorType'] === 'AFTER_SEQUENCE_NUMBER' ? { error: 'InvalidArgumentException' } : undefined;
    on.client.kinesis.expireIterators();
    on.put('c');
    await on.clock.advance(5_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
  });

  it('begin at TRIM_HORIZON, and leave out older records, if AT_TIMESTAMP is never answered', async () => {
    const on = harness((put, clock) => {
      put('older');
      return { type: 'atTimestamp', timestampMs: clock.wallNow() + 1 };
    });
    on.client.script = (call) => (call.input['ShardIteratorType'] === 'AT_TIMESTAMP' ? 'hang' : undefined);
    await on.clock.advance(1);
    on.consume();
    await on.clock.advance(1_000);
    on.put('a');
    await on.clock.advance(9_000);
    on.put('b');
    await on.clock.advance(2_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(types(on)).to.deep.equal(['AT_TIMESTAMP', 'TRIM_HORIZON']);
  });

  it('jump to the requested time as soon as AT_TIMESTAMP is answered, instead of reading all older records', async () => {
    const on = harness(
      (put, clock) => {
        put(...Array.from({ length: 100 }, (_, index) => `old ${index}`));
        return { type: 'atTimestamp', timestampMs: clock.wallNow() + 60_000 };
      },
      { options: { streamName: stream, maxRecords: 2 } },
    );
    await on.clock.advance(60_000);
    on.put('new');
    let accident = true;
    on.client.script = (call) => {
      if (call.input['ShardIteratorType'] !== 'AT_TIMESTAMP' || !accident) return undefined;
      accident = false;
      return 'hang';
    };
    on.consume();
    await on.clock.advance(10_000);
    expect(on.keys).to.deep.equal(['new']);
    expect(types(on)).to.deep.equal(['AT_TIMESTAMP', 'TRIM_HORIZON', 'AT_TIMESTAMP']);
  });

  it('still leave out older records if the AT_TIMESTAMP iterator expires before the first record', async () => {
    const on = harness(
      (put, clock) => {
        put(...Array.from({ length: 10 }, (_, index) => `old ${index}`));
        return { type: 'atTimestamp', timestampMs: clock.wallNow() + 1_000 };
      },
      { options: { streamName: stream, maxRecords: 2 } },
    );
    await on.clock.advance(1_000);
    let accident = true;
    on.client.script = (call) => {
      if (call.input['ShardIteratorType'] !== 'AT_TIMESTAMP' || !accident) return undefined;
      accident = false;
      return 'hang';
    };
    on.consume();
    await on.clock.advance(10_000);
    expect(types(on)).to.deep.equal(['AT_TIMESTAMP', 'TRIM_HORIZON', 'AT_TIMESTAMP']);
    on.client.kinesis.expireIterators();
    await on.clock.advance(5_000);
    on.put('new');
    await on.clock.advance(5_000);
    expect(types(on)).to.include('AFTER_SEQUENCE_NUMBER');
    expect(on.keys).to.deep.equal(['new']);
  });
});
