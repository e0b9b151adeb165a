// What `start` looks at in the sinks of the policy, and streams that a consumer would read and park into at once.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { isKinactError, type KinactError } from '../../../src/api/errors.js';
import type { OnFailure } from '../../../src/api/failure-policy.js';
import type { ParkingSink } from '../../../src/api/parking.js';
import type { SourceSpec } from '../../../src/api/source.js';
import { kinesisStream } from '../../../src/aws/kinesis/kinesis-stream.js';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { checkSinks } from '../../../src/consumer/sink-checks.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { createDoubts, refuseOwnStreams } from '../../../src/options/policy-sinks.js';
import { fileSink, openFileSink } from '../../../src/parking/file-sink.js';
import { kinesisSink } from '../../../src/parking/kinesis-sink.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { localClientConfig } from '../../../src/testing/local-servers.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { scriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';
import { modelDisk } from '../../support/model-disk.js';
import { temporaryFolder } from '../../support/parked.js';

const kept: ParkingSink = async () => undefined;
const withCheck = (check: ParkingSink['check']): ParkingSink => Object.assign(async () => undefined, { check });

describe('sinks when a consumer starts', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  interface Made {
    readonly consumer: Consumer;
    readonly warnings: readonly string[];
    readonly opened: () => boolean;
  }
  const made = (onFailure: OnFailure, more: object = {}): Made => {
    const stream = fakeStream();
    const warnings: string[] = [];
    let opened = false;
    const source: SourceSpec = { ...stream.source, open: (env) => ((opened = true), stream.source.open(env)) };
    const reducer = { init: () => 0, reduce: (state: number) => state };
    const consumer = createConsumer({ application: 'orders', source, reducer, onFailure, logger: false, ...more });
    consumer.on('warning', ({ message }) => warnings.push(message));
    return { consumer, warnings, opened: () => opened };
  };
  const refused = async (consumer: Consumer): Promise<KinactError> => {
    const error: unknown = await consumer.start().then(
      () => new Error('it started'),
      (reason: unknown) => reason,
    );
    if (!isKinactError(error)) throw error;
    return error;
  };

  it('refuses a folder that cannot be one, before anything is opened, also behind retry', async () => {
    const file = join(folder.path, 'a-file');
    writeFileSync(file, 'in the way');
    for (const policy of [park(fileSink({ path: file })), retry({ then: park(fileSink({ path: join(file, 'b') })) })]) {
      const { consumer, opened } = made(policy);
      const error = await refused(consumer);
      expect(error.code).to.equal('PARKING_FAILED');
      expect(error.message).to.match(
        /^the sink of park is not ready: items cannot be kept in .*a-file.*: E(EXIST|NOTDIR)/,
      );
      // The text is there once, and not in the cause again.
      expect(error.cause)
        .to.have.property('code')
        .that.match(/^E(EXIST|NOTDIR)$/);
      expect(error.data.path).to.match(/a-file/);
      expect(opened()).to.equal(false);
      await consumer.closed.catch(() => undefined);
      expect(consumer.status().state).to.equal('closed');
    }
  });

  it('refuses a folder that it may not write to, or that is read-only', async () => {
    for (const code of ['EACCES', 'EROFS']) {
      const create = (): Promise<never> => Promise.reject(Object.assign(new Error(`${code}: no`), { code }));
      const disk = { ...modelDisk(), create };
      const sink = openFileSink({ path: '/data/parked' }, { disk, wallNow: () => 0, processId: 1 });
      const { consumer, opened } = made(park(sink));
      expect((await refused(consumer)).message).to.include(`items cannot be kept in /data/parked: ${code}`);
      expect(opened()).to.equal(false);
    }
  });

  it('creates the folder, leaves no file in it, and starts', async () => {
    const path = join(folder.path, 'new', 'parked');
    const { consumer, warnings } = made(park(fileSink({ path })));
    await consumer.start();
    expect(readdirSync(path)).to.deep.equal([]);
    expect(warnings).to.deep.equal([]);
    await consumer.stop();
  });

  it('warns of a disk or a folder that is full, and starts', async () => {
    const disk = {
      ...modelDisk(),
      create: () => Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' })),
    };
    const full = openFileSink({ path: '/data/parked' }, { disk, wallNow: () => 0, processId: 1 });
    const one = made(park(full));
    await one.consumer.start();
    expect(one.warnings).to.deep.equal(['items cannot be kept in /data/parked: no room']);
    await one.consumer.stop();

    writeFileSync(join(folder.path, 'large'), 'x'.repeat(11));
    const other = made(park(fileSink({ path: folder.path, maxBytes: 10 })));
    await other.consumer.start();
    expect(other.warnings[0]).to.include('has 11 bytes, so maxBytes (10) lets no item be parked');
    await other.consumer.stop();
  });

  it('starts with a sink that has nothing to look at, and does not know those of a function', async () => {
    for (const policy of [park(kept), () => park(withCheck(() => Promise.reject(new Error('never asked'))))]) {
      const { consumer } = made(policy);
      await consumer.start();
      await consumer.stop();
    }
  });

  it('names what a check throws, and one that does not end', async () => {
    const error = await refused(
      made(
        park(
          withCheck(() => {
            throw new Error('no bucket');
          }),
        ),
      ).consumer,
    );
    expect(error.message).to.equal('the sink of park is not ready: no bucket');
    const { consumer } = made(park(withCheck(() => new Promise(() => undefined))), { callDeadlineMs: 10 });
    expect((await refused(consumer)).message).to.include('its check has not ended within 10 ms');
  });

  it('gives a check time although `callDeadlineMs` is 0', async () => {
    // The deadline's timer is set before this one, so a deadline of 0 would come first.
    const { consumer } = made(park(withCheck(() => new Promise((resolve) => setTimeout(resolve, 1)))), {
      callDeadlineMs: 0,
    });
    await consumer.start();
    await consumer.stop();
  });

  it('names the sink and the path of a check that does not end, and of no other', async () => {
    const disk = { ...modelDisk(), makeFolder: () => new Promise<never>(() => undefined) };
    const host = { disk, wallNow: () => 0, processId: 1 };
    const hanging = openFileSink({ path: '/data/parked' }, host);
    const timers = { after: (_: number, callback: () => void) => (setImmediate(callback), () => undefined) };
    const { signal } = new AbortController();
    const textOf = (...sinks: readonly ParkingSink[]): Promise<string> =>
      checkSinks(sinks, { timers, deadlineMs: 30_000, signal, warn: () => undefined }).then(
        () => 'it was ready',
        (error: Error) => error.message,
      );
    const late = 'has not ended within 30000 ms';
    const prefix = 'the sink of park is not ready: the check of fileSink of /data/parked';
    expect(await textOf(kept, hanging)).to.equal(`${prefix} ${late}`);
    const own = withCheck(() => new Promise(() => undefined));
    expect(await textOf(own, hanging)).to.equal(
      `the sink of park is not ready: the check of a sink of yours and fileSink of /data/parked ${late}`,
    );
    const client = { send: () => new Promise(() => undefined), config: {} } as unknown as KinesisClient;
    expect(await textOf(kinesisSink({ streamName: 'orders-parked', client }))).to.equal(
      `the sink of park is not ready: the check of kinesisSink of stream 'orders-parked' ${late}`,
    );
  });

  it('stops while a check runs, and aborts its signal', async () => {
    let signal: AbortSignal | undefined;
    const { consumer, opened } = made(
      park(withCheck((context) => ((signal = context.signal), new Promise(() => undefined)))),
    );
    const starting = refused(consumer);
    await consumer.stop();
    expect((await starting).code).to.equal('STOPPED');
    expect(signal?.aborted).to.equal(true);
    expect(opened()).to.equal(false);
  });

  it('starts in virtual time, where nobody lets time pass for a disk', async () => {
    using clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const { consumer } = made(park(fileSink({ path: folder.path })), {
      source: stream.source,
      runtime: { clock, timers: clock },
    });
    await Promise.all([consumer.start(), clock.advance(5_000)]);
    await Promise.all([consumer.stop(), clock.advance(60_000)]);
  });

  it('refuses a stream that does not exist, and warns if it cannot know', async () => {
    await using server = await scriptedServer();
    server.kinesis.createStream('parked', 1);
    const client = new KinesisClient({ ...localClientConfig(server.url), maxAttempts: 1 });
    const start = (streamName: string): Made => made(park(kinesisSink({ streamName, client })));

    const error = await refused(start('missing').consumer);
    expect(error.code).to.equal('PARKING_FAILED');
    expect(error.message).to.match(/^the sink of park is not ready: .*missing/);

    for (const code of ['AccessDeniedException', 'LimitExceededException']) {
      server.respond('DescribeStreamSummary', 1, { type: 'error', code });
      const { consumer, warnings } = start('parked');
      await consumer.start();
      expect(warnings[0]).to.include(`stream 'parked' for parked items could not be looked at`).and.to.include(code);
      await consumer.stop();
    }
    const { consumer, warnings } = start('parked');
    await consumer.start();
    expect(warnings).to.deep.equal([]);
    await consumer.stop();
    client.destroy();
  });
});

describe('a sink with a stream that the consumer reads', () => {
  const arn = (region: string, account = '123456789012', name = 'orders'): string =>
    `arn:aws:kinesis:${region}:${account}:stream/${name}`;
  const clients = [1, 2].map(() => new KinesisClient({ region: 'eu-west-1' }));
  after(() => clients.forEach((client) => client.destroy()));
  const [client, other] = clients as [KinesisClient, KinesisClient];
  type Place = { streamName?: string; streamArn?: string; region?: string; client?: KinesisClient };

  const relationOf = (source: Place, sink: Place): string => {
    const sources = [kinesisStream({ streamName: 'first' }), kinesisStream(source)];
    const made = kinesisSink(sink);
    for (const policy of [park(made), retry({ then: park(made) })])
      try {
        refuseOwnStreams(policy, sources);
      } catch (error) {
        expect((error as Error).message).to.match(/^onFailure(\.then)?: expected .*, got '.*orders'/);
        return 'refused';
      }
    const doubtOf = createDoubts(sources);
    const doubt = doubtOf(made);
    expect(doubtOf(made)).to.equal(undefined);
    return doubt === undefined ? 'accepted' : 'warned';
  };

  const cases: readonly (readonly [string, Place, Place])[] = [
    ['refused', { streamName: 'orders' }, { streamName: 'orders' }],
    ['refused', { streamName: 'orders', region: 'eu-west-1' }, { streamName: 'orders', region: 'eu-west-1' }],
    ['refused', { streamArn: arn('eu-west-1') }, { streamArn: arn('eu-west-1') }],
    ['refused', { streamName: 'orders', client }, { streamName: 'orders', client }],
    ['warned', { streamName: 'orders', client }, { streamName: 'orders', client: other }],
    ['warned', { streamName: 'orders', client }, { streamName: 'orders' }],
    ['warned', { streamName: 'orders' }, { streamName: 'orders', region: 'eu-west-1' }],
    ['warned', { streamArn: arn('eu-west-1') }, { streamName: 'orders' }],
    ['warned', { streamName: 'orders', region: 'eu-west-1' }, { streamArn: arn('eu-west-1') }],
    ['warned', { streamArn: arn('eu-west-1') }, { streamName: 'orders', region: 'us-east-1', client }],
    ['accepted', { streamArn: arn('eu-west-1') }, { streamArn: arn('eu-west-1', '999999999999') }],
    ['accepted', { streamArn: arn('eu-west-1') }, { streamName: 'orders', region: 'us-east-1' }],
    ['accepted', { streamName: 'orders', region: 'eu-west-1' }, { streamName: 'orders', region: 'us-east-1' }],
    ['accepted', { streamName: 'orders' }, { streamName: 'orders-parked' }],
  ];
  for (const [expected, source, sink] of cases) {
    const text = (place: Place): string =>
      [place.streamArn ?? place.streamName, place.region, place.client && 'client'].filter(Boolean).join(' ');
    it(`${text(source)} and ${text(sink)}: ${expected}`, () => expect(relationOf(source, sink)).to.equal(expected));
  }

  it('is refused by createConsumer, for each of several sources', () => {
    const make = (): unknown =>
      createConsumer({
        application: 'orders',
        source: ['carts', 'orders'].map((streamName) => kinesisStream({ streamName })),
        leases: { multiStream: true },
        reducer: { init: () => 0, reduce: (state: number) => state },
        onFailure: retry({ then: park(kinesisSink({ streamName: 'orders' })) }),
      });
    expect(make).to.throw(
      /INVALID_OPTION|^onFailure\.then: expected a sink with a stream that the consumer does not read, got 'orders'/,
    );
  });

  it('warns once when a function picks it', async () => {
    using clock = new ManualClock();
    clock.install();
    const fake = fakeStream({ clock });
    const sink: ParkingSink = Object.assign(async () => undefined, { stream: { streamName: 'orders' } });
    const warnings: string[] = [];
    const consumer = createConsumer({
      application: 'orders',
      source: { ...fake.source, stream: { streamName: 'orders' } },
      reducer: {
        init: () => 0,
        reduce: () => {
          throw new Error('bad order');
        },
      },
      onFailure: () => park(sink),
      runtime: { clock, timers: clock },
      logger: false,
    });
    consumer.on('warning', ({ message }) => warnings.push(message));
    await Promise.all([consumer.start(), clock.advance(5_000)]);
    expect(warnings).to.deep.equal([]);
    fake.put(...['a', 'b', 'c'].map((key) => ({ partitionKey: key, data: key })));
    await clock.advance(10_000);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/^the stream 'orders' for parked items is '.*', which this consumer reads/);
    await Promise.all([consumer.stop(), clock.advance(60_000)]);
  });
});
