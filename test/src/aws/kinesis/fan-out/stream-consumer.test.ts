// The consumer of enhanced fan-out is found, or registered once, and waited for; what cannot be had fails the start or is asked for again.
import { expect } from 'chai';
import { createStreamConsumer, type StreamConsumer } from '../../../../../src/aws/kinesis/fan-out/stream-consumer.js';
import { kinesisCaller } from '../../../../../src/aws/kinesis/kinesis-client.js';
import { kinesisSource, type KinesisSourceOptions } from '../../../../../src/aws/kinesis/kinesis-source.js';
import { describeStream } from '../../../../../src/aws/kinesis/stream-listing.js';
import { createRetrieval } from '../../../../../src/aws/kinesis/fan-out/retrieval.js';
import type { Subscriptions } from '../../../../../src/aws/kinesis/fan-out/subscription.js';
import type { ReaderContext } from '../../../../../src/aws/kinesis/polled-service.js';
import type { Progress } from '../../../../../src/aws/kinesis/reading-progress.js';
import type { SourceNotice, StreamSource } from '../../../../../src/api/ports.js';
import { ManualClock } from '../../../../../src/testing/manual-clock.js';
import { modelClient, type ModelClient } from '../../../../support/model-kinesis-client.js';
import { countedTimers, most, only, stream } from '../../../../support/polling-harness.js';

const consumerName = 'totals';
const never = new AbortController().signal;

interface World {
  readonly clock: ManualClock;
  readonly timers: ReturnType<typeof countedTimers>;
  readonly client: ModelClient;
  readonly consumer: StreamConsumer;
}

function world(configured: Parameters<typeof createStreamConsumer>[0]['configured'] = { consumerName }): World {
  const clock = new ManualClock();
  const timers = countedTimers(clock);
  const client = modelClient(clock);
  client.kinesis.createStream(stream);
  const deps = { clock, timers, random: { next: () => 0.5 } };
  const caller = kinesisCaller({ client, stream, requestTimeoutMs: 30_000, ...deps });
  const names = { StreamName: stream };
  const describe = (signal: AbortSignal): ReturnType<typeof describeStream> => describeStream(caller, names, signal);
  const consumer = createStreamConsumer({ ...deps, caller, configured, stream, describe });
  return { clock, timers, client, consumer };
}

const confirmed = async ({ clock, consumer }: World): Promise<unknown> => {
  const asked = consumer.confirm(never).then(
    () => 'confirmed',
    (error: unknown) => error,
  );
  await clock.advance(2_000);
  return asked;
};

/** The stream has as many consumers as it may have. */
function full({ client }: World): void {
  for (let count = 0; count < client.subscriptions.settings.consumers; count += 1)
    client.subscriptions.register(stream, `other-${count}`);
}

type RetrievalNotice = Extract<SourceNotice, { type: 'retrieval' }>;

/** What a reader of a shard says within so many seconds. */
function noticesWhilePolling({ clock, consumer }: World): (seconds: number) => Promise<readonly RetrievalNotice[]> {
  const notices: SourceNotice[] = [];
  const notice = (each: SourceNotice): void => void notices.push(each);
  const reader = { clock, random: { next: () => 0.5 }, shardId: 's-0', notice } as unknown as ReaderContext;
  const retrieval = createRetrieval(reader, { consumer } as unknown as Subscriptions);
  const progress = { end: { awaitsListing: false, proof: undefined } } as unknown as Progress;
  return async (seconds) => {
    for (let times = 0; times < seconds; times += 1) {
      retrieval.chooseRetrieval(progress);
      await clock.advance(1_000);
    }
    return notices as RetrievalNotice[];
  };
}

describe('the consumer of a stream', () => {
  it('is found if it exists, and not registered', async () => {
    const { client, clock, consumer } = world();
    const arn = client.subscriptions.register(stream, consumerName);
    expect(consumer.arn()).to.equal(undefined);
    await clock.advance(0);
    expect(consumer.arn()).to.equal(arn);
    expect(client.of('RegisterStreamConsumer')).to.deep.equal([]);
  });

  it('is registered once if it is missing, and waited for until it is ACTIVE', async () => {
    const { client, clock, timers, consumer } = world();
    client.subscriptions.settings.activeAfterMs = 10_000;
    for (let times = 0; times < 5; times += 1) expect(consumer.arn()).to.equal(undefined);
    await clock.advance(9_000);
    expect(consumer.arn()).to.equal(undefined);
    expect(consumer.trouble()).to.equal(undefined);
    await clock.advance(6_000);
    expect(consumer.arn()).to.equal([...client.subscriptions.consumers.keys()][0]);
    expect(client.of('RegisterStreamConsumer')).to.have.length(1);
    expect(most(client.of('DescribeStreamConsumer'), 1_000)).to.be.at.most(3);
    expect(timers.pending).to.equal(0);
  });

  it('is found by the worker that another one has overtaken in registering it', async () => {
    const on = world();
    let times = 0;
    on.client.script = only('DescribeStreamConsumer', () =>
      times++ === 0 ? { error: 'ResourceNotFoundException' } : undefined,
    );
    const arn = on.client.subscriptions.register(stream, consumerName);
    expect(await confirmed(on)).to.equal('confirmed');
    on.consumer.arn();
    await on.clock.advance(5_000);
    expect(on.consumer.arn()).to.equal(arn);
  });

  it('given by ARN is never registered, and fails the start if there is none', async () => {
    const consumerArn = `arn:aws:kinesis:us-east-1:123456789012:stream/${stream}/consumer/none:1`;
    const on = world({ consumerArn });
    expect(await confirmed(on)).to.include({ code: 'FAN_OUT_UNAVAILABLE', retryable: false });
    expect(on.client.of('RegisterStreamConsumer')).to.deep.equal([]);
  });

  it('fails the start if a permission is missing, with the action in the message', async () => {
    for (const operation of ['DescribeStreamConsumer', 'RegisterStreamConsumer']) {
      const on = world();
      on.client.script = only(operation, () => ({ error: 'AccessDeniedException' }));
      const error = await confirmed(on);
      expect(error).to.include({ code: 'FAN_OUT_UNAVAILABLE' });
      expect((error as Error).message)
        .to.contain(`kinesis:${operation}`)
        .and.contain(consumerName)
        .and.contain("retrieval to 'auto'");
    }
  });

  it('fails the start if the stream has no room for it, which half a minute of refusals shows, and not a few quick ones', async () => {
    const on = world();
    full(on);
    for (let times = 0; times < 5; times += 1)
      expect(await confirmed(on)).to.include({ code: 'AWS_ERROR', retryable: true });
    await on.clock.advance(30_000);
    const error = await confirmed(on);
    expect(error).to.include({ code: 'FAN_OUT_UNAVAILABLE', retryable: false });
    expect((error as Error).message).to.contain('as many consumers as it may have');
  });

  it('never fails the start while others are being created, and is registered once there is a turn for it', async () => {
    const on = world();
    on.client.subscriptions.settings.activeAfterMs = 90_000;
    for (const name of ['a', 'b', 'c', 'd', 'e']) on.client.subscriptions.register(stream, name);
    for (let times = 0; times < 40; times += 1) {
      const error = await confirmed(on);
      expect(error).to.include({ code: 'AWS_ERROR', retryable: true });
      expect((error as Error).message)
        .to.contain('five consumers')
        .and.contain('passes by itself')
        .and.not.contain('deregister');
    }
    await on.clock.advance(10_000);
    expect(await confirmed(on)).to.equal('confirmed');
    on.consumer.arn();
    await on.clock.advance(100_000);
    expect(on.consumer.arn()).to.not.equal(undefined);
  });

  it('has no room only after half a minute, also if the service does not count consumers or counts fail', async () => {
    for (const answer of [{ error: 'AccessDeniedException' }, { body: { StreamDescriptionSummary: {} } }]) {
      const on = world();
      on.client.subscriptions.settings.consumers = 0;
      // The description of the stream itself goes by its name.
      on.client.script = only('DescribeStreamSummary', ({ input }) => ('StreamARN' in input ? answer : undefined));
      for (let times = 0; times < 5; times += 1)
        expect(await confirmed(on)).to.include({ code: 'AWS_ERROR', retryable: true });
      await on.clock.advance(30_000);
      expect(await confirmed(on)).to.include({ code: 'FAN_OUT_UNAVAILABLE' });
    }
  });

  it('says while it polls why there is no consumer yet, and again once there is no room for it', async () => {
    const on = world();
    const { client, clock } = on;
    full(on);
    const [first, second, third, ...more] = await noticesWhilePolling(on)(120);
    expect(first).to.deep.equal({ type: 'retrieval', shardId: 's-0', by: 'polling', why: 'noConsumer' });
    expect(second).to.have.nested.property('error.retryable', true);
    expect(third).to.have.nested.property('error.code', 'FAN_OUT_UNAVAILABLE');
    expect((third!.error as Error).message)
      .to.contain('deregister one that nobody uses. Until then kinact polls')
      .and.not.contain("'auto'");
    expect(more).to.deep.equal([]);
    client.subscriptions.consumers.clear();
    await clock.advance(70_000);
    expect(on.consumer.arn()).to.not.equal(undefined);
  });

  it('says while it polls that others are being created, and comes as soon as there is a turn', async () => {
    const on = world();
    on.client.subscriptions.settings.activeAfterMs = 60_000;
    for (const name of ['a', 'b', 'c', 'd', 'e']) on.client.subscriptions.register(stream, name);
    const [first, second, ...more] = await noticesWhilePolling(on)(140);
    expect(first).to.deep.equal({ type: 'retrieval', shardId: 's-0', by: 'polling', why: 'noConsumer' });
    expect(second).to.have.nested.property('error.code', 'AWS_ERROR');
    expect((second!.error as Error).message)
      .to.contain('five consumers')
      .and.contain('passes by itself');
    expect(more).to.deep.equal([]);
    expect(on.consumer.arn()).to.not.equal(undefined);
    expect(most(on.client.of('RegisterStreamConsumer'), 1_000)).to.be.at.most(2);
  });

  it('does not fail the start while it is being created, or after a failure that may pass', async () => {
    const creating = world();
    creating.client.subscriptions.settings.activeAfterMs = 60_000;
    expect(await confirmed(creating)).to.equal('confirmed');
    const throttled = world();
    throttled.client.script = only('DescribeStreamConsumer', () => ({ error: 'LimitExceededException' }));
    expect(await confirmed(throttled)).to.include({ code: 'AWS_ERROR', retryable: true });
  });

  it('is asked for again, more and more rarely, until it can be had', async () => {
    const { client, clock, consumer } = world();
    client.script = only('RegisterStreamConsumer', () => ({ error: 'AccessDeniedException' }));
    consumer.arn();
    await clock.advance(3_600_000);
    expect(client.of('RegisterStreamConsumer').length).to.be.within(60, 240);
    expect(consumer.trouble()).to.have.property('code', 'FAN_OUT_UNAVAILABLE');
    expect(consumer.trouble()).to.have.nested.property('cause.code', 'ACCESS_DENIED');
    client.script = () => undefined;
    await clock.advance(70_000);
    expect(consumer.arn()).to.not.equal(undefined);
    expect(consumer.trouble()).to.equal(undefined);
  });

  it('that somebody deregisters is registered again once a subscription misses it, and one that is only in doubt stays', async () => {
    const { client, clock, consumer } = world();
    const first = client.subscriptions.register(stream, consumerName);
    consumer.arn();
    await clock.advance(0);
    client.script = only('DescribeStreamConsumer', () => ({ error: 'LimitExceededException' }));
    consumer.doubt();
    await clock.advance(5_000);
    expect(consumer.arn()).to.equal(first);
    client.script = () => undefined;
    await clock.advance(60_000);
    client.subscriptions.consumers.clear();
    consumer.doubt();
    consumer.doubt();
    await clock.advance(5_000);
    const [second] = client.subscriptions.consumers.keys();
    expect(second).to.not.equal(first);
    expect(consumer.arn()).to.equal(second);
    expect(client.of('RegisterStreamConsumer')).to.have.length(1);
  });

  it('leaves no timer when it is closed', async () => {
    const { client, clock, timers, consumer } = world();
    client.script = only('RegisterStreamConsumer', () => ({ error: 'AccessDeniedException' }));
    consumer.arn();
    await clock.advance(60_000);
    expect(timers.pending).to.equal(1);
    consumer.close();
    await clock.advance(0);
    expect(timers.pending).to.equal(0);
    expect(consumer.arn()).to.equal(undefined);
    expect(timers.pending).to.equal(0);
  });
});

describe('a source with enhanced fan-out', () => {
  const opened = (
    isRequired: boolean,
  ): { readonly source: StreamSource; readonly client: ModelClient; clock: ManualClock } => {
    const clock = new ManualClock();
    const client = modelClient(clock);
    client.kinesis.createStream(stream);
    client.script = only('RegisterStreamConsumer', () => ({ error: 'AccessDeniedException' }));
    const options: KinesisSourceOptions = {
      streamName: stream,
      client,
      fanOut: { consumer: { consumerName }, isRequired },
    };
    const source = kinesisSource(options, { clock, timers: clock, random: { next: () => 0.5 } });
    return { source, client, clock };
  };

  it('cannot be described at its start without its consumer, if it is required; later it can', async () => {
    const { source, client, clock } = opened(true);
    const error: unknown = await source.describe(never).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'FAN_OUT_UNAVAILABLE');
    client.script = () => undefined;
    await clock.advance(5_000);
    await source.describe(never);
    client.subscriptions.consumers.clear();
    client.script = only('RegisterStreamConsumer', () => ({ error: 'AccessDeniedException' }));
    await source.describe(never);
    source.close();
  });

  it('is described without its consumer, if it is not required, and its shards are polled until there is one', async () => {
    const { source, client, clock } = opened(false);
    await source.describe(never);
    client.kinesis.put(stream, { partitionKey: 'a', data: 'a' });
    const seen: unknown[] = [];
    const reader = source.open('shardId-000000000000', { type: 'trimHorizon' }, (notice) => seen.push(notice));
    const read = reader.read(never);
    await clock.advance(1_000);
    expect(await read).to.have.nested.property('records[0].partitionKey', 'a');
    expect(seen[0]).to.include({ type: 'retrieval', by: 'polling', why: 'noConsumer' });
    client.script = () => undefined;
    void reader.read(never).catch(() => undefined);
    await clock.advance(120_000);
    expect(seen.at(-2)).to.include({ type: 'retrieval', by: 'fan-out' });
    reader.close();
    source.close();
  });
});
