// Options have the documented defaults, and a wrong one is refused with its path, what was expected and what was given.
import { expect } from 'chai';
import { start, stop } from 'nact';
import { pino } from 'pino';
import { consumerTable } from '../../../src/options/consumer-option-table.js';
import { isKinactError, KinactError } from '../../../src/api/errors.js';
import { park } from '../../../src/options/park-policy.js';
import { checkLimit, resolveOptions } from '../../../src/options/resolved-options.js';
import { retry } from '../../../src/options/retry-policy.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import type { ConsumerOptions } from '../../../src/api/options.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { dynamodbStream, kinesisStream } from '../../../src/index.js';
import type { SourceSpec } from '../../../src/api/source.js';
import { silentLogger } from '../../../src/api/logger.js';

const sourceOf = (name: string, application?: string): SourceSpec => ({
  name,
  application,
  initialPosition: 'TRIM_HORIZON',
  open: () => expect.fail('nothing is opened'),
  openLeases: () => expect.fail('nothing is opened'),
});
const reducer = defineReducer({ init: () => 0, reduce: (state) => state + 1 });
const least: ConsumerOptions = { application: 'totals', source: sourceOf('orders'), reducer };

/** The error that refuses these options. */
function refusal(options: unknown): KinactError {
  try {
    resolveOptions(options);
  } catch (error) {
    if (isKinactError(error)) return error;
    throw error;
  }
  return expect.fail('nothing was refused');
}

/** Each option with wrong values, and with the expectation that the message names. */
const wrong: readonly (readonly [path: string, values: readonly unknown[], expected: string])[] = [
  [
    'application',
    ['', 7, null, 'ab', 'order totals', 'x'.repeat(256)],
    'name of 3 to 255 letters, digits, `_`, `-` and `.`, because it names the lease table in DynamoDB',
  ],
  ['source', [[], 'orders', null, {}, [{}]], 'a source made by kinesisStream'],
  ['reducer', [0, null, () => 1], 'a plain object'],
  ['pipe', [0, {}, { nodes: [] }], 'a pipe made by pipe(), with at least one node'],
  ['extract', ['text', {}], 'function'],
  ['key', [1], 'function'],
  ['reducers', [0, -1, 1.5, '4', Number.NaN, Infinity], 'integer >= 1'],
  ['stages', [0], 'integer >= 1'],
  ['spread', ['random', '', true], "'by-shard', 'round-robin'"],
  ['maxPending', [0, 1.5, -1], 'integer >= 1'],
  ['maxPendingBytes', [0], 'integer >= 1'],
  ['maxBytes', [0, '256 MiB', Infinity], 'integer >= 1'],
  ['maxPollingCalls', [0, 1.5, '200'], 'integer >= 1'],
  ['checkpointIntervalMs', [-1, 1, 199, 199.9, Infinity, '0'], '0, or milliseconds, 200 to 2147483647'],
  ['checkpointRecords', [-1, 0.5, '100', Infinity], 'integer >= 0'],
  ['flushIntervalMs', [0, 2 ** 31], 'milliseconds, 1 to 2147483647'],
  ['watchdogMs', [0, Number.NaN], 'milliseconds, 1 to 2147483647'],
  ['limit', [5, null], 'object'],
  ['limit.perSecond', [0, -1, Number.NaN, '5', 2_000_000], 'items per second, 0.001 to 1000000'],
  ['onDuplicate', ['exit'], "'skip', 'crash'"],
  ['onFailure', ['ignore', 3, {}, { type: 'retry' }], "retry(), park(), 'crash', 'skip', 'stopShard' or a function"],
  ['onCheckpoint', [true], 'function'],
  ['onShardStarted', [true], 'function'],
  ['onShardEnded', ['x'], 'function'],
  ['restart', [2, null, []], 'object'],
  ['restart.intensity', [-1, 0.5], 'integer >= 0'],
  ['restart.periodMs', [0], 'milliseconds, 1 to 2147483647'],
  ['callDeadlineMs', [-1], 'milliseconds, 0 to 2147483647'],
  ['workerId', ['', 5], 'name of 1 to 256 characters'],
  ['leases', ['table'], 'object'],
  ['leases.tableName', ['a', 'no spaces', 'x'.repeat(256)], 'table name'],
  ['leases.failoverMs', [0, 99, 600_001], 'milliseconds, 100 to 600000'],
  ['leases.maxLeases', [0], 'integer >= 1'],
  ['leases.billing', ['PROVISIONED', null, 5], "'PAY_PER_REQUEST'"],
  ['leases.startDeadlineMs', [-1], 'milliseconds, 0 to 2147483647'],
  ['leases.multiStream', ['yes', 1, 0], 'true or false'],
  ['leases.client', [{}, 'client'], 'a DynamoDB client with a `send` method'],
  ['logger', [{ info: () => {} }, 'console'], 'a logger with debug, info, warn and error, or false'],
  ['meter', [{}], 'a meter with count and gauge'],
  ['parent', [{}, 'system'], 'a reference of nact'],
  ['credit', [0, 1.5], 'integer >= 1'],
  ['runtime', [1, null], 'object'],
  ['runtime.clock', [{ now: () => 0 }], 'a clock with now and wallNow'],
  ['runtime.timers', [{}], 'timers with after'],
  ['runtime.random', [Math.random], 'randomness with next'],
  ['runtime.trace', ['stdout'], 'function'],
];

const withValue = (path: string, value: unknown): object => {
  const [outer = '', inner] = path.split('.');
  return { ...least, [outer]: inner === undefined ? value : { [inner]: value } };
};

describe('the options of createConsumer', () => {
  it('have the documented defaults', () => {
    const resolved = resolveOptions(least);
    const { workerId, logger: _logger, meter: _meter, ...rest } = resolved;
    expect(workerId).to.match(/^.+:\d+:[\da-f-]{36}$/);
    expect(resolveOptions(least).workerId).to.not.equal(workerId);
    expect(rest).to.deep.include({
      application: 'totals',
      stages: 1,
      spread: 'by-shard',
      maxPending: 1024,
      maxPendingBytes: 33_554_432,
      maxBytes: 268_435_456,
      maxPollingCalls: 200,
      checkpointIntervalMs: 0,
      checkpointRecords: 0,
      flushIntervalMs: 1000,
      watchdogMs: 600_000,
      onDuplicate: 'skip',
      onFailure: { type: 'retry', attempts: Infinity, minMs: 100, maxMs: 30_000, then: 'crash' },
      restart: { intensity: 2, periodMs: 10_000 },
      callDeadlineMs: 30_000,
    });
    expect(rest.processing).to.deep.include({ kind: 'reducer', batch: { size: 500, intervalMs: 1000 } });
    expect(rest.leases).to.deep.equal({
      tableName: undefined,
      failoverMs: 10_000,
      handOverMs: undefined,
      maxLeases: Infinity,
      billing: 'PAY_PER_REQUEST',
      startDeadlineMs: 60_000,
      multiStream: false,
      client: undefined,
    });
    expect(rest.reducers).to.be.at.least(1);
    expect(rest.sources.map(({ tableName }) => tableName)).to.deep.equal(['totals']);
  });

  it('become one frozen object with frozen parts', () => {
    const resolved = resolveOptions(least);
    for (const each of [resolved, resolved.leases, resolved.restart, resolved.processing, resolved.sources]) {
      expect(Object.isFrozen(each)).to.equal(true);
    }
  });

  it('treat undefined as the default, at every level', () => {
    const names = Object.keys(consumerTable).filter((name) => !['application', 'source', 'reducer'].includes(name));
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
    const given = { ...nothing, ...least, leases: { failoverMs: undefined } };
    // Every consumer has a worker id, a default logger, and a memory of its sinks of its own.
    const { workerId: _, logger, doubtOf: _1, ...resolved } = resolveOptions(given);
    const { workerId: __, logger: ___, doubtOf: _2, ...expected } = resolveOptions(least);
    expect(resolved).to.deep.equal(expected);
    expect(logger).to.not.equal(silentLogger);
  });

  it('accept 0 and false as values instead of the default', () => {
    const resolved = resolveOptions({
      ...least,
      checkpointIntervalMs: 0,
      checkpointRecords: 0,
      callDeadlineMs: 0,
      restart: { intensity: 0 },
      leases: { multiStream: false, startDeadlineMs: 0 },
    });
    expect(resolved.callDeadlineMs).to.equal(0);
    expect(resolved.restart).to.deep.equal({ intensity: 0, periodMs: 10_000 });
    expect(resolved.leases.startDeadlineMs).to.equal(0);
  });

  for (const [path, values, expected] of wrong) {
    it(`refuse a wrong ${path} with path, expected and got`, () => {
      for (const value of values) {
        const error = refusal(withValue(path, value));
        expect(error.code).to.equal('INVALID_OPTION');
        expect(error.data.option).to.match(new RegExp(`^${path}`));
        expect(error.message).to.include(`${error.data.option}: expected ${expected}`);
        expect(error.message).to.match(/, got .+$/);
        expect(error.retryable).to.equal(false);
      }
    });
  }

  it('all have wrong values in this test', () => {
    const tried = new Set(wrong.map(([path]) => path.split('.')[0]));
    expect([...Object.keys(consumerTable)].filter((name) => !tried.has(name))).to.deep.equal([]);
  });

  it('refuse unknown names, even those that every object has', () => {
    expect(refusal({ ...least, maxpending: 5 }).message).to.equal(
      'maxpending: no such option; did you mean maxPending?',
    );
    expect(refusal({ ...least, colour: 5 }).message).to.match(/^colour: no such option; known: application, /);
    expect(refusal({ ...least, leases: { table: 'x' } }).data.option).to.equal('leases.table');
    expect(refusal({ ...least, constructor: 1 }).data.option).to.equal('constructor');
    expect(refusal({ source: least.source, reducer }).message).to.equal(
      'application: expected name of 3 to 255 letters, digits, `_`, `-` and `.`, because it names the lease table in DynamoDB unless `leases.tableName` is given, got undefined',
    );
    for (const options of [undefined, null, 5, 'x', [], () => {}]) {
      expect(refusal(options).message).to.match(/^options: expected object/);
    }
  });

  describe('with a pipe', () => {
    const { reducer: _, ...without } = least;
    const node = { handleMessage: () => ({}) };
    const withPipe = { ...without, pipe: { nodes: [node] } };

    it('need no reducer, and freeze a copy of the nodes', () => {
      const { processing } = resolveOptions(withPipe);
      if (processing.kind !== 'pipe') throw new Error('a pipe');
      expect(processing.pipe.nodes).to.deep.equal([node]);
      expect([processing, processing.pipe, processing.pipe.nodes].every(Object.isFrozen)).to.equal(true);
    });

    it('may have a reducer, too: then the pipe stands behind it, and limit is allowed', () => {
      const { processing } = resolveOptions({ ...withPipe, reducer, limit: { perSecond: 5 } });
      if (processing.kind !== 'reducer') throw new Error('a reducer');
      expect(processing.pipe?.nodes).to.deep.equal([node]);
      expect(processing.batch).to.deep.include({ size: 500 });
      const onFailure = park(() => Promise.resolve());
      expect(refusal({ ...withPipe, reducer, onFailure }).data.option).to.equal('onFailure');
    });

    it('refuse no node, something else than a node, and a builder that has not ended', () => {
      expect(refusal({ ...without }).data.option).to.equal('reducer');
      for (const pipe of [{ nodes: [] }, {}, { nodes: node }, []])
        expect(refusal({ ...without, pipe }).data.option).to.equal('pipe');
      expect(refusal({ ...without, pipe: null }).data.option).to.equal('pipe');
      expect(refusal({ ...without, pipe: { nodes: [node, {}] } }).data.option).to.equal('pipe.nodes[1]');
      expect(refusal({ ...without, pipe: pipe().map(String) }).message).to.include('end it with to(…) or end()');
    });

    it('refuse park without a format, also behind retry, and a rate limit, which a pipe does not have', () => {
      const sink = park(() => Promise.resolve());
      const option = (more: object): unknown => refusal({ ...withPipe, ...more }).data.option;
      expect(option({ onFailure: sink })).to.equal('onFailure');
      expect(option({ onFailure: retry({ attempts: 2, then: sink }) })).to.equal('onFailure.then');
      expect(refusal({ ...withPipe, onFailure: sink }).message).to.include('write pipe({ format: json })');
      const written = { ...withPipe, pipe: { ...withPipe.pipe, format: json } };
      for (const onFailure of [sink, retry({ then: sink })]) {
        const { processing } = resolveOptions({ ...written, onFailure });
        expect(processing).to.have.nested.property('pipe.format.serialize', json.serialize);
      }
      for (const format of [null, {}, { serialize: json.serialize }, 'json'])
        expect(refusal({ ...withPipe, pipe: { ...withPipe.pipe, format } }).data.option).to.match(/^pipe\.format/);
      expect(option({ limit: { perSecond: 5 } })).to.equal('limit');
      const resolved = resolveOptions(withPipe);
      expect(() => checkLimit(resolved, 5)).to.throw(KinactError, 'perSecond');
      expect(checkLimit(resolved, undefined)).to.equal(undefined);
      expect(checkLimit(resolveOptions(least), 5)).to.equal(5);
    });

    it('take a flushIntervalMs above watchdogMs, which no pipe has, but no node that keeps a message for so long', () => {
      expect(resolveOptions({ ...withPipe, watchdogMs: 1_000 }).processing.kind).to.equal('pipe');
      const keeping = [
        pipe().aggregate({ intervalMs: 5_000 }).end(),
        pipe().to(batchSink({ size: 5, intervalMs: 5_000 }, () => {})),
        pipe()
          .assembleChunks({ maxAgeMs: 5_000, chunk: () => ({ id: 'a', index: 0, count: 1 }), concat: () => 1 } as never)
          .end(),
      ];
      for (const each of keeping) {
        const options = { ...withPipe, pipe: each as never };
        expect(refusal({ ...options, watchdogMs: 5_000 }).data.option).to.equal('pipe.nodes[0].keepsForMs');
        expect(resolveOptions({ ...options, watchdogMs: 5_001 }).processing.kind).to.equal('pipe');
      }
    });
  });

  it('refuse a batch or flush interval that is not below watchdogMs', () => {
    expect(refusal({ ...least, watchdogMs: 1000 }).data.option).to.equal('flushIntervalMs');
    const slow = defineReducer({ init: () => 0, reduce: (state) => state, batch: { intervalMs: 5000 } });
    expect(refusal({ ...least, reducer: slow, watchdogMs: 5000 }).data.option).to.equal('reducer.batch.intervalMs');
    const { processing } = resolveOptions({ ...least, reducer: slow, watchdogMs: 5001 });
    expect(processing).to.deep.include({ kind: 'reducer', batch: { size: 500, intervalMs: 5000 } });
  });

  it('refuse key beside extract', () => {
    expect(refusal({ ...least, extract: () => [], key: () => '' }).data.option).to.equal('key');
  });

  it('refuse two sources in one lease table, unless leases.multiStream is set', () => {
    const two = [sourceOf('orders'), sourceOf('refunds')];
    const error = refusal({ ...least, source: two });
    expect(error.data).to.deep.equal({ option: 'source[1].application', table: 'totals' });
    expect(error.message).to.include("which is that of 'orders' already").and.include('leases.multiStream');
    expect(refusal({ ...least, source: [sourceOf('a', 'one'), sourceOf('b', 'one')] }).data.table).to.equal('one');

    const tables = (source: ConsumerOptions['source'], multiStream = false): string[] =>
      resolveOptions({ ...least, source, leases: { multiStream } }).sources.map(({ tableName }) => tableName);
    expect(tables([sourceOf('orders'), sourceOf('refunds', 'refund-totals')])).to.deep.equal([
      'totals',
      'refund-totals',
    ]);
    expect(tables(two, true)).to.deep.equal(['totals', 'totals']);
  });

  it('refuse one lease table in two places, and a place that is given twice', () => {
    const client = { send: () => Promise.reject(new Error('not called')) };
    const other = { ...client };
    const at = (leases: object): SourceSpec => ({ ...sourceOf('refunds'), leases });
    const first = { ...sourceOf('orders'), leases: { region: 'eu-west-1' } };
    const shared = { ...least, leases: { multiStream: true } };
    const refused = (source: readonly SourceSpec[]): unknown => refusal({ ...shared, source }).data.option;
    expect(refused([first, at({ region: 'us-east-1' })])).to.equal('source[1].leases.region');
    expect(refused([at({ client }), { ...first, leases: { client: other } }])).to.equal('source[1].leases.client');
    const [between, third] = [sourceOf('returns'), at({ region: 'us-east-1' })];
    expect(refused([first, between, third]), 'one that names no region is between them').to.equal(
      'source[2].leases.region',
    );
    for (const leases of [{ region: 'eu-west-1' }, {}])
      expect(resolveOptions({ ...shared, source: [first, at(leases)] }).sources).to.have.length(2);
    const apart = [first, { ...at({ region: 'us-east-1' }), application: 'refund-totals' }];
    expect(resolveOptions({ ...shared, source: apart }).sources).to.have.length(2);

    const twice = { leases: { region: 'eu-west-1', client } };
    const makers = [
      () => kinesisStream({ streamName: 'orders', ...twice }),
      () => dynamodbStream({ tableName: 'orders', ...twice }),
    ];
    for (const make of makers) expect(make).to.throw('region or client, not both');
  });

  it('place the lease table of a source where its `leases` say, else in the region of the stream', () => {
    const client = { send: () => Promise.reject(new Error('not called')) };
    const region = 'eu-west-1';
    for (const make of [
      (more: object) => kinesisStream({ streamName: 'orders', region, ...more }),
      (more: object) => dynamodbStream({ tableName: 'orders', region, ...more }),
    ]) {
      expect(make({}).leases).to.deep.equal({ region, client: undefined });
      expect(make({ leases: { region: 'us-east-1' } }).leases).to.deep.equal({
        region: 'us-east-1',
        client: undefined,
      });
      expect(make({ leases: { client } }).leases).to.deep.equal({ region: undefined, client });
    }
  });

  it('refuse the same stream twice', () => {
    const error = refusal({ ...least, source: [sourceOf('orders'), sourceOf('orders', 'other')] });
    expect(error.message).to.equal("source[1]: expected sources of different streams, got 'orders'");
  });

  it('refuse a table and a Kinesis stream of one name, and take the stream by its ARN', () => {
    const table = dynamodbStream({ tableName: 'orders', application: 'of-table' });
    for (const source of [
      [table, kinesisStream({ streamName: 'orders' })],
      [kinesisStream({ streamName: 'orders' }), table],
    ])
      expect(refusal({ ...least, source }).message).to.include('give kinesisStream its streamArn instead');
    const streamArn = 'arn:aws:kinesis:us-east-1:123456789012:stream/orders';
    const { sources } = resolveOptions({ ...least, source: [table, kinesisStream({ streamArn })] });
    expect(sources.map(({ spec }) => spec.name)).to.deep.equal(['orders', streamArn]);
  });

  it('refuse an application that cannot name a table, unless leases.tableName is given', () => {
    expect(refusal({ ...least, application: 'my app' }).message).to.include('application: expected name of 3 to 255');
    const named = resolveOptions({ ...least, application: 'my app', leases: { tableName: 'my-app' } });
    expect(named.sources[0]?.tableName).to.equal('my-app');
  });

  it('keep pino, console and a nact system as given', () => {
    const system = start();
    const logger = pino({ level: 'silent' });
    try {
      const resolved = resolveOptions({ ...least, logger, parent: system } satisfies ConsumerOptions);
      expect(resolved.logger).to.equal(logger);
      expect(resolved.parent).to.equal(system);
      expect(resolveOptions({ ...least, logger: console }).logger).to.equal(console);
      expect(resolveOptions({ ...least, logger: false }).logger).to.equal(silentLogger);
      expect(resolveOptions(least).logger).to.not.equal(silentLogger);
    } finally {
      stop(system);
    }
  });

  it('show only the kind or a short excerpt of a wrong value', () => {
    expect(refusal({ ...least, spread: 'x'.repeat(1000) }).message.length).to.be.below(120);
    expect(refusal({ ...least, onCheckpoint: { secret: 'hunter2' } }).message).to.not.include('hunter2');
  });
});
