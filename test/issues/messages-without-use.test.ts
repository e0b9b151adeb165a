// Symptom: messages were true but of no use. A remedy had a placeholder in it. If `extract` had returned nothing, the error named
// an inner function. No message mentioned a policy that kinact did not understand. Errors in JSON had no message. A source that had
// failed for good was still counted as retrying. Cause: each message came from a place that knew only half of the facts.
import { expect } from 'chai';
import { judgeFailure, type Verdict } from '../../actors/protocol/failure-policy.js';
import { streamDoubt } from '../../src/aws/kinesis/stream-doubt.js';
import { readyOfConsumer } from '../../src/consumer/inspection.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { KinactError } from '../../src/api/errors.js';
import type { LeasedRead, StreamDescription, StreamSource } from '../../src/api/ports.js';
import { defineReducer } from '../../src/api/reducer.js';
import type { ConsumerStatus } from '../../src/api/status.js';
import { streamChanged } from '../../src/api/stream-changed.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { pipelines, putNumbered, shard0 } from '../support/pipeline-probes.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

const start = pipelines();

describe('STREAM_CHANGED', () => {
  const lease = { table: 'shop', multiStream: false };
  const arn = 'arn:aws:kinesis:x:1:stream/orders';
  const said = async (
    of: Pick<LeasedRead, 'table' | 'multiStream'>,
    stream = `${arn}#1`,
    names: object = { StreamName: 'orders' },
  ): Promise<string> => {
    const description = await listedStream().describe(new AbortController().signal);
    const on = {
      names,
      shardId: shard0,
      lease: { stream, ...of },
      describe: (): Promise<StreamDescription> => Promise.resolve(description),
      signal: new AbortController().signal,
    };
    const doubt = await streamDoubt(on as Parameters<typeof streamDoubt>[0]);
    return (doubt as NonNullable<typeof doubt>).error.message;
  };

  it('names the table to reset if a reader finds it', async () => {
    expect(await said(lease)).to.include('kinact reset --application shop --stream orders --to');
  });

  it('names the ARN in the command if the stream is given by its ARN', async () => {
    const names = { StreamName: 'orders', StreamARN: arn };
    expect(await said(lease, undefined, names)).to.include(`kinact reset --application shop --stream ${arn} --to`);
  });

  it('names the ARN in the command if the stream is given by a name and a region', () => {
    const liveStream = `${arn}#2`;
    const difference = {
      stream: 'orders',
      region: 'x',
      table: 'shop',
      rowStream: `${arn}#1`,
      liveStream,
      evidence: 'e',
    };
    expect(streamChanged(difference).message).to.include(`kinact reset --application shop --stream ${arn} --to`);
    const deps = { clock: new ManualClock(), timers: new ManualClock(), random: { next: () => 0 } };
    const source = kinesisSource({ streamName: 'orders', region: 'eu-west-1' }, deps);
    source.close();
    expect(source.region).to.equal('eu-west-1');
  });

  it('advises two application names first if there are two streams, and then the command', async () => {
    const message = await said(lease, 'arn:another#1');
    expect(message).to.match(
      /These are two streams: give each its own application name\. To use the rows for this stream/,
    );
    expect(message).to.include(`kinact reset --application shop --stream ${arn} --to`);
    expect(message).to.not.include('created again');
  });

  it('advises no second application name for a multi-stream table', async () => {
    expect(await said({ ...lease, multiStream: true }, 'arn:another#1')).to.not.include('application name');
    const difference = { stream: 's', table: 't', rowStream: 'a#1', liveStream: 'b#1', evidence: 'e' };
    expect(streamChanged({ ...difference, multiStream: true }).message).to.not.include('application name');
  });

  it('can name the table because each reader under a lease gets this name', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const stream = fakeStream({ clock });
      const given: (LeasedRead | undefined)[] = [];
      const open: StreamSource['open'] = (...args) => (given.push(args[3]), stream.port.open(...args));
      const source = { ...stream.source, application: 'shop', open: () => ({ ...stream.port, open }) };
      const { consumer } = virtualConsumer(clock, { stream: { ...stream, source } });
      await inVirtualTime(clock, consumer.start());
      await clock.advance(5_000);
      expect(given[0]).to.include({ table: 'shop', multiStream: false });
      await inVirtualTime(clock, consumer.stop());
    } finally {
      clock.uninstall();
    }
  });
});

describe('the error of a failed record', () => {
  const crash = async (stage: object): Promise<string> => {
    const stream = fakeStream();
    putNumbered(stream, 1);
    const definition = defineReducer({ init: () => 0, reduce: (n: number) => n });
    const pipeline = start({ reducers: 2, stage, definition });
    const ending = pipeline.ending(pipeline.stages[0]!);
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    return ((await ending) as unknown as { readonly error: Error }).error.message;
  };

  it('says what extract must return, and what it returned', async () => {
    const cases: readonly (readonly [() => unknown, string])[] = [
      [() => undefined, 'undefined'],
      [() => null, 'null'],
      [() => ({ key: 'k', value: 1 }), 'an object'],
      [() => 7, 'a number'],
      [async function* () {}, 'an async iterable: it must be synchronous'],
      [() => [null], 'one of null'],
      [() => 'text', 'one of a string'],
    ];
    for (const [extract, got] of cases) {
      const message = await crash({ extract });
      expect(message).to.match(/^extract failed for record /);
      expect(message.endsWith(`: extract must return an iterable of { key, value }, got ${got}`), message).to.equal(
        true,
      );
    }
  });

  it('says that an item or key() made no key, and what it made instead', async () => {
    const items = ': extract must return items whose key is a string, got';
    expect(await crash({ extract: () => [{ value: 1 }] }))
      .to.match(/^extract failed for record /)
      .and.include(`${items} undefined`);
    expect(await crash({ extract: () => [{ key: null }] })).to.include(`${items} null`);
    expect(await crash({ extract: () => [{ key: 7 }] })).to.include(`${items} a number`);
    expect(await crash({ extract: () => [{}] })).to.include(`${items} undefined`);
    expect(await crash({ key: () => undefined })).to.include(': key must return a string, got undefined');
  });

  it('names the failed option: key', async () => {
    const key = (): string => {
      throw new Error('no');
    };
    expect(await crash({ key })).to.match(/^key failed for record .*: no$/);
  });

  it('says that onFailure returned no policy or threw, beside the error of the record', () => {
    const item = { source: 's', shardId: shard0, sequenceNumber: '1', at: 'reduce', items: 1 } as const;
    const verdict = (policy: () => unknown): string => {
      const failure = { cause: new Error('bad order'), failed: item, attempt: 1 };
      const { policy: taken, error } = judgeFailure(policy as never, failure) as Verdict;
      expect(taken).to.equal('crash');
      return error.message.slice(error.message.indexOf('bad order'));
    };
    const expected = "onFailure must return 'crash', 'skip', 'stopShard', retry() or park(), got";
    expect(verdict(() => 'ignore')).to.equal(`bad order (${expected} 'ignore'; treated as crash)`);
    expect(verdict(() => undefined)).to.equal(`bad order (${expected} undefined; treated as crash)`);
    expect(verdict(() => ({}))).to.equal(`bad order (${expected} an object; treated as crash)`);
    const thrower = (): never => {
      throw new Error('oops');
    };
    expect(verdict(thrower)).to.equal('bad order (onFailure threw: oops)');
    expect(verdict(() => 'crash')).to.equal('bad order');
  });
});

it('a source that has failed for good is no longer retried, or reported as failing', async () => {
  const orders = listedStream({ shards: 1 });
  const returns = listedStream({ name: 'returns', shards: 1 });
  const sources = [orders, returns].map((source) => ({ source, initialPosition: 'TRIM_HORIZON' as const }));
  const driver = driveCoordinator({ sources, multiStream: true });
  await driver.started();
  returns.faults.describe.push(...Array.from({ length: 4 }, () => new Error('throttled')));
  let longest = 0;
  while (driver.status().failing.length === 0 && (longest += 1_000) < 200_000) await driver.harness.advance(1_000);
  expect(driver.status().failing).to.have.length(1);
  returns.faults.describe.splice(0, Infinity, new KinactError('STREAM_CHANGED', 'another stream'));
  while (driver.harness.eventsOf('sourceFailed').length === 0 && (longest += 100) < 400_000)
    await driver.harness.advance(100);
  expect(driver.status().sources.map(({ state }) => state)).to.deep.equal(['running', 'failed']);
  expect(driver.status().failing).to.deep.equal([]);
});

it('ready() reports a failed source once, without its failed reads', () => {
  const failing = [{ operation: 'GetRecords', kind: 'other', attempts: 9, forMs: 60_000, error: 'no' }] as const;
  const tree = ['orders', 'returns'].map((source) => ({
    path: `shard-worker/${source}#1`,
    kind: 'shard-worker',
    phase: 'running' as const,
    state: { source, failing },
    queued: 0,
    effects: [],
    children: [],
  }));
  const sources = [{ source: 'orders', table: 't', state: 'failed', error: new Error('changed') }] as const;
  const status = {
    state: 'running',
    pausedForMs: null,
    paused: [],
    leases: [],
    sources,
    tree,
  } as unknown as ConsumerStatus;
  expect(readyOfConsumer(status).reasons).to.deep.equal([
    'the source orders has failed for good: changed',
    'GetRecords has failed for 60 s: no',
  ]);
});

describe('JSON of an error', () => {
  it('has its message, code, data and stack, and its cause', () => {
    const error = new KinactError('AWS_ERROR', 'no answer', {
      cause: new TypeError('socket'),
      data: { stream: 'orders' },
    });
    const { error: shown } = JSON.parse(JSON.stringify({ error }));
    expect(shown).to.deep.equal({
      name: 'KinactError',
      code: 'AWS_ERROR',
      message: 'no answer',
      retryable: false,
      data: { stream: 'orders' },
      stack: error.stack,
      cause: { name: 'TypeError', message: 'socket', stack: (error.cause as Error).stack },
    });
  });

  it('has the message of any error in status().sources', async () => {
    const orders = listedStream({ shards: 1 });
    orders.faults.describe.push(new Error('socket hang up'), new Error('socket hang up'));
    const driver = driveCoordinator({ sources: [{ source: orders, initialPosition: 'TRIM_HORIZON' }] });
    await driver.harness.advance(1);
    expect(JSON.stringify(driver.status().sources)).to.include('"message":"socket hang up"');
  });
});
