// What a reader with enhanced fan-out does when subscriptions end, are refused or taken over: it polls meanwhile, from one position.
import { expect } from 'chai';
import {
  closeAccount,
  createByteBudget,
  openAccount,
  setShardWorkerBytes,
} from '../../../../../src/core/byte-budget.js';
import type { SourceNotice } from '../../../../../src/api/ports.js';
import {
  consumerName,
  end,
  harness,
  most,
  only,
  shardId,
  stream,
  trimHorizon,
  type Harness,
} from '../../../../support/polling-harness.js';
import type { ModelSubscription } from '../../../../support/model-subscriptions.js';

type More = NonNullable<Parameters<typeof harness>[1]>;

const fanOut = (more: More = {}, start: Parameters<typeof harness>[0] = trimHorizon): Harness =>
  harness(start, { ...more, retrieval: 'fan-out' });
const subscription = (on: Harness): ModelSubscription => [...on.client.subscriptions.open][0]!;
const ways = (on: Harness): unknown[] =>
  on.notices.flatMap((notice) => (notice.type === 'retrieval' ? [notice.why ?? notice.by] : []));
const outcomes = (on: Harness): string[] =>
  on.notices.flatMap((notice) => (notice.type === 'subscription' ? [notice.outcome] : []));
const starts = (on: Harness): { Type: string; SequenceNumber?: string }[] =>
  on.client.of('SubscribeToShard').map(({ input }) => input['StartingPosition'] as { Type: string });
const isTakenOver = ({ type }: SourceNotice): boolean => type === 'takenOver';

describe('a reader with enhanced fan-out, in virtual time', () => {
  it('makes no call of polling while its subscription lasts', async () => {
    const on = fanOut();
    on.consume();
    for (let at = 0; at < 200; at += 1) {
      on.put(`k${at}`);
      await on.clock.advance(1_000);
    }
    expect(on.keys).to.have.length(200);
    expect(on.client.calls.map(({ operation }) => operation)).to.deep.equal(['SubscribeToShard']);
    expect(on.client.calls[0]!.input['ConsumerARN']).to.contain(`/consumer/${consumerName}:`);
    expect(ways(on)).to.deep.equal(['fan-out']);
    on.reader.close();
  });

  it('subscribes again half a minute after a false end that a listing seemed to confirm', async () => {
    const on = fanOut();
    const once = new Set(['SubscribeToShard', 'GetRecords', 'ListShards']);
    on.client.script = ({ operation }) => {
      if (!once.delete(operation)) return undefined;
      if (operation === 'SubscribeToShard') return { error: 'InvalidArgumentException' };
      // The shard is not in the listing, and the chain has no further iterator: that is how a shard ends.
      return { body: operation === 'ListShards' ? { Shards: [] } : { Records: [], MillisBehindLatest: 0 } };
    };
    on.consume();
    await on.clock.advance(25_000);
    expect([...once, on.client.subscriptions.open.size], 'polling proves the end meanwhile').to.deep.equal([0]);
    await on.clock.advance(30_000);
    expect(on.client.subscriptions.open.size).to.equal(1);
    on.put('a');
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['a']);
    on.reader.close();
  });

  it('resubscribes at once after five minutes, after the continuation number and not a record', async () => {
    const on = fanOut();
    const [a] = on.put('a');
    on.consume();
    await on.clock.advance(299_000);
    const [b] = on.put('b');
    await on.clock.advance(1_050);
    on.put('c');
    await on.clock.advance(300);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    const [first, second] = starts(on);
    expect(first).to.deep.equal({ Type: 'TRIM_HORIZON' });
    expect(second!.Type).to.equal('AFTER_SEQUENCE_NUMBER');
    expect(second!.SequenceNumber).to.not.be.oneOf([a, b]);
    expect(outcomes(on)).to.deep.equal(['begun', 'renewed', 'begun']);
    expect(on.client.of('GetRecords')).to.deep.equal([]);
    expect(ways(on)).to.deep.equal(['fan-out']);
    on.reader.close();
  });

  it('proves the end of a shard by polling, without another subscription, and keeps the children that the subscription named', async () => {
    const on = fanOut({ model: { childShards: false } });
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    const children = on.client.kinesis.split(stream, shardId);
    on.client.script = only('ListShards', () => ({ error: 'LimitExceededException' }));
    await on.clock.advance(20_000);
    expect(end(on)).to.equal(undefined);
    on.client.script = () => undefined;
    await on.clock.advance(20_000);
    const over = end(on);
    expect(over?.type === 'shardEnd' && over.children?.map((child) => child.shardId)).to.deep.equal(children);
    expect(on.client.of('SubscribeToShard')).to.have.length(1);
    expect(outcomes(on)).to.deep.equal(['begun', 'shardEnd']);
  });

  it('subscribes at the oldest record if the one to resume after is gone, and none has come since', async () => {
    for (const startsAt of ['checkpoint', 'last record']) {
      const on = fanOut({}, (put) => {
        const [, b] = put('a', 'b');
        const position = { sequenceNumber: b!, subSequenceNumber: 0 };
        return startsAt === 'checkpoint' ? { type: 'after', position } : trimHorizon;
      });
      if (startsAt === 'checkpoint') on.client.kinesis.trim(stream, shardId, 2);
      on.consume();
      await on.clock.advance(1_000);
      if (startsAt === 'last record') {
        on.client.kinesis.trim(stream, shardId, 2);
        on.client.script = only('SubscribeToShard', () => ({ error: 'InvalidArgumentException' }));
        subscription(on).end('InternalFailureException');
        await on.clock.advance(3_000);
        on.client.script = () => undefined;
      }
      await on.clock.advance(30_000);
      expect(ways(on).at(-1), startsAt).to.equal('fan-out');
      expect(starts(on).at(-1), startsAt).to.deep.equal({ Type: 'TRIM_HORIZON' });
      on.put('c');
      await on.clock.advance(1_000);
      expect(on.keys, startsAt).to.deep.equal(startsAt === 'checkpoint' ? ['c'] : ['a', 'b', 'c']);
      on.reader.close();
    }
  });

  it('finds its consumer again that was deregistered while it was subscribed, or registers it, and polls meanwhile', async () => {
    const on = fanOut();
    on.put('a');
    on.consume();
    await on.clock.advance(10_000);
    const { consumers } = on.client.subscriptions;
    const [former] = [...consumers.keys()];
    consumers.clear();
    subscription(on).end('ResourceNotFoundException');
    await on.clock.advance(3_000);
    on.put('b');
    await on.clock.advance(60_000);
    expect([...consumers.values()].map(({ name }) => name)).to.deep.equal([consumerName]);
    expect(on.client.of('SubscribeToShard').at(-1)!.input['ConsumerARN']).to.not.equal(former);
    expect(ways(on).at(-1)).to.equal('fan-out');
    on.put('c');
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    on.reader.close();
  });

  it('makes at most one SubscribeToShard a second, even if every subscription ends at once, and polls meanwhile', async () => {
    const on = fanOut();
    on.client.subscriptions.settings.lastsMs = 50;
    on.put('a');
    on.consume();
    await on.clock.advance(60_000);
    expect(most(on.client.of('SubscribeToShard'), 1_000)).to.equal(1);
    expect(on.client.of('SubscribeToShard').length).to.be.greaterThan(20);
    expect(on.client.of('GetRecords').length).to.be.greaterThan(20);
    expect(on.keys).to.deep.equal(['a']);
    on.reader.close();
  });

  for (const error of [
    'ResourceInUseException',
    'LimitExceededException',
    'InternalFailureException',
    'AccessDeniedException',
    'InvalidArgumentException',
    'ResourceNotFoundException',
  ]) {
    it(`polls from the same position while subscriptions are refused (${error}), more and more rarely asks again, and returns`, async () => {
      const on = fanOut({ random: 0.999 });
      on.put('a');
      on.consume();
      await on.clock.advance(1_000);
      on.client.script = only('SubscribeToShard', () => ({ error }));
      subscription(on).end();
      on.put('b');
      await on.clock.advance(3_000);
      expect(on.keys).to.deep.equal(['a', 'b']);
      const put = ['a', 'b'];
      for (let at = 0; at < 600; at += 1) {
        put.push(`k${at}`);
        on.put(`k${at}`);
        await on.clock.advance(1_000);
      }
      expect(on.client.of('SubscribeToShard').length).to.be.within(25, 45);
      expect(ways(on)).to.deep.equal(['fan-out', 'refused']);
      on.client.script = () => undefined;
      await on.clock.advance(25_000);
      expect(ways(on)).to.deep.equal(['fan-out', 'refused', 'fan-out']);
      on.put('last');
      await on.clock.advance(300);
      expect(on.keys).to.deep.equal([...put, 'last']);
      on.reader.close();
    });
  }

  it('continues after the record that polling read last, not after the continuation number before it', async () => {
    const on = fanOut();
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    on.client.script = only('SubscribeToShard', () => ({ error: 'LimitExceededException' }));
    subscription(on).end();
    const [b] = on.put('b');
    await on.clock.advance(3_000);
    on.client.script = () => undefined;
    await on.clock.advance(30_000);
    expect(starts(on).at(-1)).to.deep.equal({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: b });
    expect(on.keys).to.deep.equal(['a', 'b']);
    on.reader.close();
  });

  for (const error of [
    'InternalFailureException',
    'KMSDisabledException',
    'ResourceNotFoundException',
    'SyntaxError',
  ]) {
    it(`polls for a while after an error in the stream (${error}), and loses and repeats nothing`, async () => {
      const on = fanOut();
      on.consume();
      const put: string[] = [];
      for (let at = 0; at < 120; at += 1) {
        put.push(`k${at}`);
        on.put(`k${at}`);
        if (at % 20 === 19) subscription(on)?.end(error);
        await on.clock.advance(1_000);
      }
      await on.clock.advance(10_000);
      expect(on.keys).to.deep.equal(put);
      expect(ways(on)).to.include('broken');
      expect(ways(on).at(-1)).to.equal('fan-out');
      on.reader.close();
    });
  }

  it('takes a failure that the client delivers as an event for what it is', async () => {
    const on = fanOut();
    on.put('a');
    const body = {
      EventStream: (async function* () {
        yield await Promise.resolve({ InternalFailureException: { message: 'sorry' } });
      })(),
    };
    let times = 0;
    on.client.script = only('SubscribeToShard', () => (times++ === 0 ? { body } : undefined));
    on.consume();
    await on.clock.advance(10_000);
    expect(outcomes(on)).to.deep.equal(['begun', 'broken', 'begun']);
    const why = on.notices.flatMap((notice) => (notice.type === 'retrieval' && 'why' in notice ? [notice.error] : []));
    expect((why[0] as Error).message).to.contain('InternalFailureException: sorry');
    expect(on.keys).to.deep.equal(['a']);
    on.reader.close();
  });

  it('asks more and more rarely while every subscription breaks at once, and soon again after one that has lasted', async () => {
    const on = fanOut({ random: 0.999 });
    const breaks = (): unknown => ({
      EventStream: (async function* () {
        yield await Promise.resolve({ InternalFailureException: { message: 'sorry' } });
      })(),
    });
    on.client.script = only('SubscribeToShard', () => ({ body: breaks() as object }));
    on.consume();
    await on.clock.advance(600_000);
    expect(on.client.of('SubscribeToShard').length).to.be.within(25, 45);
    on.client.script = () => undefined;
    await on.clock.advance(60_000);
    expect(on.client.subscriptions.open.size).to.equal(1);
    subscription(on).end('InternalFailureException');
    await on.clock.advance(2_000);
    expect(on.client.subscriptions.open.size, 'the series of failures has ended').to.equal(1);
    on.reader.close();
  });

  it('gives a subscription up after a minute of silence, and polls meanwhile', async () => {
    const on = fanOut();
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    subscription(on).stall();
    on.put('b');
    await on.clock.advance(58_000);
    expect(on.keys).to.deep.equal(['a']);
    await on.clock.advance(4_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(outcomes(on).slice(0, 2)).to.deep.equal(['begun', 'silent']);
    await on.clock.advance(30_000);
    expect(ways(on)).to.deep.equal(['fan-out', 'silent', 'fan-out']);
    expect(on.client.subscriptions.open.size).to.equal(1);
    on.reader.close();
  });

  it('gives a call up that is not answered, and polls meanwhile', async () => {
    const on = fanOut({ options: { streamName: stream, requestTimeoutMs: 5_000 } });
    on.put('a');
    let times = 0;
    on.client.script = only('SubscribeToShard', () => (times++ === 0 ? 'hang' : undefined));
    on.consume();
    await on.clock.advance(4_900);
    expect(on.keys).to.deep.equal([]);
    await on.clock.advance(2_000);
    expect(on.keys).to.deep.equal(['a']);
    expect(ways(on)[0]).to.equal('refused');
    await on.clock.advance(10_000);
    expect(ways(on).at(-1)).to.equal('fan-out');
    on.reader.close();
  });

  it('closes a subscription that it has no room for after 30 s, and subscribes again when there is room', async () => {
    const on = fanOut({ options: { streamName: stream, prefetch: { records: 1 } } });
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    on.reader.hold?.(true);
    on.put('b', 'c');
    await on.clock.advance(29_000);
    // An event was asked for before the pause.
    expect(on.keys).to.deep.equal(['a', 'b', 'c']);
    expect(on.client.subscriptions.open.size).to.equal(1);
    await on.clock.advance(10_000);
    expect(on.client.subscriptions.open.size).to.equal(0);
    expect(outcomes(on)).to.deep.equal(['begun', 'unused']);
    on.put('d');
    await on.clock.advance(600_000);
    expect(on.client.of('SubscribeToShard')).to.have.length(1);
    expect(on.client.of('GetRecords')).to.have.length(0);
    on.reader.hold?.(false);
    await on.clock.advance(1_000);
    expect(on.keys).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(ways(on)).to.deep.equal(['fan-out']);
    on.reader.close();
  });

  it('closes a subscription that the byte budget has no room for after 30 s, and does not subscribe before there is', async () => {
    const budget = createByteBudget(10_000);
    const other = openAccount(budget, () => {});
    const account = openAccount(budget, () => {});
    const on = fanOut({ lease: { stream: undefined, bytes: account } });
    on.client.kinesis.put(stream, { partitionKey: 'k', data: 'x'.repeat(4_000) });
    on.consume();
    await on.clock.advance(1_000);
    setShardWorkerBytes(account, 2_000, true);
    setShardWorkerBytes(other, 9_000, false);
    await on.clock.advance(120_000);
    expect(outcomes(on)).to.deep.equal(['begun', 'unused']);
    expect(on.client.of('SubscribeToShard')).to.have.length(1);
    setShardWorkerBytes(other, 0, false);
    await on.clock.advance(1_000);
    expect(outcomes(on)).to.deep.equal(['begun', 'unused', 'begun']);
    closeAccount(other);
    closeAccount(account);
    on.reader.close();
  });

  it('says of an event that may have waited in the connection how old it may be, and no more than that of a later one', async () => {
    const on = fanOut();
    const ageOfLast = (): number => {
      const last = on.results.at(-1);
      return last?.type === 'records' ? on.clock.wallNow() - (last.fetchedAt ?? NaN) : NaN;
    };
    on.put('a');
    on.consume();
    await on.clock.advance(1_000);
    on.reader.hold?.(true);
    await on.clock.advance(20_000);
    on.reader.hold?.(false);
    await on.clock.advance(50);
    expect(ageOfLast(), 'empty events have waited').to.be.within(15_000, 21_100);

    // The next event comes seconds after it was asked for, so it cannot be older than the time without a demand.
    const nextEvent = async (): Promise<void> => {
      const before = on.results.length;
      while (on.results.length === before) await on.clock.advance(100);
    };
    const unaskedMs = 1_000;
    on.reader.hold?.(true);
    await nextEvent();
    await on.clock.advance(unaskedMs);
    on.reader.hold?.(false);
    for (let events = 1; events <= 3; events += 1) {
      await nextEvent();
      expect(ageOfLast(), `event ${events}`).to.be.at.most((events === 1 ? unaskedMs : 0) + 200);
    }
    on.reader.close();
  });

  it('holds no bytes while it waits for an event', async () => {
    const account = openAccount(createByteBudget(1_000_000), () => {});
    const on = fanOut({ lease: { stream: undefined, bytes: account } });
    on.put('a');
    on.consume();
    await on.clock.advance(10_000);
    setShardWorkerBytes(account, 0, true);
    expect(account.heldBytes).to.equal(0);
    expect(subscription(on).isPulled()).to.equal(true);
    closeAccount(account);
    on.reader.close();
  });
});

describe('a subscription that another process takes over', () => {
  const other = (on: Harness): void => {
    const [consumer] = on.client.subscriptions.consumers.values();
    const position = { Type: 'LATEST' };
    on.client.subscriptions.handle(
      'SubscribeToShard',
      { ConsumerARN: consumer!.arn, ShardId: shardId, StartingPosition: position },
      undefined,
    );
  };

  it('is begun again only after a renewal, begun later, has shown the lease ours; the shard is polled meanwhile', async () => {
    let renewalBegunAt = 0;
    const on = fanOut({ lease: { stream: undefined, renewalBegunAt: () => renewalBegunAt } });
    on.put('a');
    on.consume();
    await on.clock.advance(10_000);
    other(on);
    await on.clock.advance(1_000);
    expect(ways(on)).to.deep.equal(['fan-out', 'takenOver']);
    on.put('b');
    renewalBegunAt = 10_000;
    await on.clock.advance(120_000);
    expect(on.keys).to.deep.equal(['a', 'b']);
    expect(on.client.of('SubscribeToShard')).to.have.length(1);
    renewalBegunAt = 131_000;
    await on.clock.advance(10_000);
    expect(on.client.of('SubscribeToShard').length).to.be.greaterThan(1);
    expect(ways(on).at(-1)).to.equal('fan-out');
    on.reader.close();
  });

  it('is reported once it has happened three times though the lease stayed ours, and again only after ten quiet minutes', async () => {
    const on: Harness = fanOut({ lease: { stream: undefined, renewalBegunAt: () => on.clock.now() } });
    on.consume();
    const takeOver = async (): Promise<void> => {
      await on.clock.advance(60_000);
      expect(on.client.subscriptions.open.size).to.equal(1);
      other(on);
      await on.clock.advance(30_000);
    };
    await takeOver();
    await takeOver();
    expect(on.notices.filter(isTakenOver)).to.deep.equal([]);
    await takeOver();
    expect(on.notices.filter(isTakenOver)).to.deep.equal([
      { type: 'takenOver', shardId, consumer: consumerName, times: 3 },
    ]);
    for (let times = 0; times < 5; times += 1) await takeOver();
    expect(on.notices.filter(isTakenOver)).to.have.length(1);
    await on.clock.advance(601_000);
    await takeOver();
    await takeOver();
    expect(on.notices.filter(isTakenOver)).to.have.length(1);
    await takeOver();
    expect(on.notices.filter(isTakenOver)).to.have.length(2);
    on.reader.close();
  });
});
