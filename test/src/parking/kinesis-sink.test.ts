// `kinesisSink` resolves only after the service has accepted an item, splits what is too large, and ends every call. The reader joins
// the parts again, whatever their order.
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import fc from 'fast-check';
import { isKinactError } from '../../../src/api/errors.js';
import { isNonRetryable } from '../../../src/api/failure-policy.js';
import type { ParkingSink } from '../../../src/api/parking.js';
import { kinesisSource } from '../../../src/aws/kinesis/kinesis-source.js';
import { hostEnvironment } from '../../../src/consumer/host-environment.js';
import { kinesisSink } from '../../../src/parking/kinesis-sink.js';
import { partJoiner, partsOf } from '../../../src/parking/line-parts.js';
import { lineMembers } from '../../../src/parking/parked-line.js';
import { readParkedStream } from '../../../src/parking/parked-stream.js';
import type { ParkedEntries } from '../../../src/parking/parked-entries.js';
import { localClientConfig } from '../../../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../../../src/testing/scripted-server/scripted-server.js';
import { never, parkedItem } from '../../support/parked.js';

const throttle = { type: 'error' as const, code: 'ProvisionedThroughputExceededException' };

describe('kinesisSink', function () {
  this.timeout(60_000);
  let server: ScriptedServer;
  let client: KinesisClient;
  let sink: ParkingSink;

  beforeEach(async () => {
    server = await scriptedServer();
    server.kinesis.createStream('parked', 2);
    client = new KinesisClient({ ...localClientConfig(server.url), maxAttempts: 1 });
    sink = kinesisSink({ streamName: 'parked', client });
  });
  afterEach(async () => {
    client.destroy();
    await server.stop();
  });

  const reasonOf = async (call: unknown): Promise<Error> => {
    try {
      await call;
    } catch (error) {
      return error as Error;
    }
    throw new Error('the call resolved');
  };
  const readStream = async (): Promise<ParkedEntries> => {
    const source = kinesisSource({ streamName: 'parked', client, idleMs: 200 }, hostEnvironment);
    try {
      return await readParkedStream(source, () => undefined, never);
    } finally {
      source.close();
    }
  };
  const sent = (): { PartitionKey: string; Data: string }[] =>
    server.calls('PutRecords').flatMap(({ input }) => input['Records'] as { PartitionKey: string; Data: string }[]);

  it('puts the line of an item under its key, or under its idempotency key', async () => {
    const long = 'k'.repeat(257);
    await sink(parkedItem(1), { signal: never });
    await sink(parkedItem(2, { key: undefined }), { signal: never });
    await sink(parkedItem(3, { key: long }), { signal: never });
    await sink(parkedItem(4, { key: '', idempotencyKey: long }), { signal: never });
    const [one, two, three, four] = sent();
    expect(one!.PartitionKey).to.equal('key-1');
    expect(two!.PartitionKey).to.equal(parkedItem(2).idempotencyKey);
    expect(three!.PartitionKey).to.equal(parkedItem(3).idempotencyKey);
    expect(four!.PartitionKey).to.match(/^[0-9a-f]{64}$/);
    const { entries, complaints } = await readStream();
    expect(complaints).to.deep.equal([]);
    expect(entries).to.have.length(4);
    const { error, ...item } = await entries[0]!.read();
    const { error: _, ...given } = parkedItem(1);
    expect(item).to.deep.equal(given);
    expect(error.message).to.equal('cannot save 1');
  });

  it('puts a throttled item again, until the service accepts it', async () => {
    server.respond('PutRecords', 2, throttle);
    await sink(parkedItem(1), { signal: never });
    expect(server.calls('PutRecords')).to.have.length(3);
  });

  it('gives up when its signal aborts', async () => {
    server.respond('PutRecords', Infinity, throttle);
    const ending = new AbortController();
    const call = reasonOf(sink(parkedItem(1), { signal: ending.signal }));
    await server.called('PutRecords', 1);
    ending.abort(new Error('nobody waits'));
    expect((await call).message).to.equal('nobody waits');
    const calls = server.calls('PutRecords').length;
    expect((await reasonOf(sink(parkedItem(1), { signal: ending.signal }))).message).to.equal('nobody waits');
    expect(server.calls('PutRecords')).to.have.length(calls);
  });

  it('rejects with the error of the service, and with a NonRetryableError if the item cannot be put at all', async () => {
    server.respond('PutRecords', 1, { type: 'error', code: 'AccessDeniedException' });
    const denied = await reasonOf(sink(parkedItem(1), { signal: never }));
    expect(isKinactError(denied) && denied.code).to.equal('ACCESS_DENIED');
    server.respond('PutRecords', 1, { type: 'error', code: 'ValidationException' });
    const invalid = await reasonOf(sink(parkedItem(1), { signal: never }));
    expect(isNonRetryable(invalid)).to.equal(true);
    expect(invalid.message).to.include("stream 'parked' does not take the item");
  });

  it('splits an item that is too large for the stream, and the reader joins it', async () => {
    const data = Buffer.from(Array.from({ length: 2_500_000 }, (_, at) => at % 251));
    await sink(parkedItem(1, { data }), { signal: never });
    expect(sent().length).to.be.greaterThan(3);
    expect(new Set(sent().map(({ PartitionKey }) => PartitionKey)).size).to.equal(1);
    const { entries, complaints } = await readStream();
    expect(complaints).to.deep.equal([]);
    expect(entries.map(({ idempotencyKey }) => idempotencyKey)).to.deep.equal([parkedItem(1).idempotencyKey]);
    expect((await entries[0]!.read()).data.equals(data)).to.equal(true);
  });

  it('puts a large item whole if the stream takes it, and in parts when it no longer does', async () => {
    server.kinesis.createStream('large', 1, { maxRecordKiB: 10_240 });
    const large = kinesisSink({ streamName: 'large', client });
    const item = parkedItem(1, { data: Buffer.alloc(1_500_000) });
    await large(item, { signal: never });
    expect(sent()).to.have.length(1);
    server.respond('PutRecords', 1, { type: 'error', code: 'ValidationException' });
    await large(item, { signal: never });
    expect(sent().length).to.be.greaterThan(3);
    expect(
      sent()
        .slice(2)
        .every(({ Data }) => Data.length < 1.4 * 1024 * 1024),
    ).to.equal(true);
  });

  it('reports records that are no parked items, and parts without the rest', async () => {
    await sink(parkedItem(1), { signal: never });
    const [part] = partsOf(Buffer.alloc(1_000), 'torn', 600);
    const [known] = partsOf(Buffer.alloc(1_000), parkedItem(1).idempotencyKey, 600);
    const Records = [Buffer.from('hello'), part!, known!].map((Data) => ({ Data, PartitionKey: 'x' }));
    await client.send(new PutRecordsCommand({ StreamName: 'parked', Records }));
    const { entries, complaints } = await readStream();
    expect(entries).to.have.length(1);
    expect(complaints.map(({ reason }) => reason).toSorted()).to.deep.equal([
      'it is not JSON',
      "only 1 of 4 parts of 'torn' are there",
    ]);
    expect(complaints[0]!.place).to.match(/^shardId-\d+\/\d+$/);
  });

  it('refuses wrong options', () => {
    expect(() => kinesisSink({})).to.throw('kinesisSink.streamName: expected streamName or streamArn, got undefined');
    expect(() => kinesisSink({ streamName: 'a b' })).to.throw('kinesisSink.streamName');
    const streamArn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders';
    expect(() => kinesisSink({ streamArn, region: 'us-east-1' })).to.throw("kinesisSink.region: expected 'eu-west-1'");
    expect(() => kinesisSink({ stream: 'a' } as never)).to.throw('streamName');
  });
});

describe('the parts of a line', () => {
  it('join to the line, in any order and with repeats; each part keeps to the bound', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.string({ maxLength: 20 }),
        fc.integer({ min: 380, max: 1_000 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 60 }),
        (bytes, key, maxBytes, order) => {
          const line = Buffer.from(bytes);
          const parts = partsOf(line, key, maxBytes);
          for (const part of parts) expect(part.length).to.be.at.most(maxBytes);
          const joiner = partJoiner();
          const shuffled = [...order.map((at) => at % parts.length), ...parts.keys()];
          const joined = shuffled
            .map((at) => joiner.add(lineMembers(parts[at]!) as Record<string, unknown>, 'here'))
            .filter((each) => each !== undefined);
          expect(joined).to.deep.equal([line]);
          expect(joiner.incomplete(() => false)).to.deep.equal([]);
        },
      ),
    );
  });
});
