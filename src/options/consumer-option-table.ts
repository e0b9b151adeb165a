// The table of `createConsumer`'s options. One row holds the type, bound, default, text and example of one option.
// resolved-options.ts resolves options by this table. docs/options.md and src/api/generated are generated from it.
import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import { createDefaultLogger } from '../api/default-logger.js';
import { silentLogger, type Logger } from '../api/logger.js';
import { silentMeter, type Meter } from '../api/metrics.js';
import {
  bounded,
  callback,
  defaulting,
  group,
  integer,
  maxTimerMs,
  members,
  membersOf,
  milliseconds,
  oneOf,
  optional,
  refuse,
  required,
  shaped,
  text,
  type Kind,
} from './option-table.js';
import type { CheckpointNotice, EndedShard, NactParent, StartedShard } from '../api/options.js';
import { leaseOptionTable } from './lease-option-table.js';
import { isFailurePolicy, type OnFailure } from '../api/failure-policy.js';
import { misplaced, refuseShown, shownPolicy } from '../api/misplaced.js';
import type { MessageFormat } from '../api/message-format.js';
import type { AnyNode, Pipe } from '../api/pipe.js';
import type { UserRecord } from '../api/ports.js';
import { checkReducerShape } from '../api/reducer-check.js';
import { defineReducer, type ExtractFunction, type FoldingReducer, type ReducerDefinition } from '../api/reducer.js';
import type { AnySource } from '../api/source.js';
import { retry } from './retry-policy.js';
import { runtimeTable } from './runtime-option-table.js';
import { applicationName, tableName } from './kinesis-stream-option-table.js';

const source: Kind<readonly AnySource[], AnySource | readonly AnySource[]> = {
  expected: 'a source made by kinesisStream or dynamodbStream, or a non-empty array of them',
  type: 'AnySource | readonly AnySource[]',
  parse(value, path) {
    const several = Array.isArray(value);
    const list: readonly unknown[] = several ? value : [value];
    if (list.length === 0) refuse(path, this.expected, value);
    const isSource = shaped<AnySource>('a source made by kinesisStream or dynamodbStream', ['open', 'openLeases']);
    return Object.freeze(
      list.map((each, index) => {
        const at = several ? `${path}[${index}]` : path;
        const spec = isSource.parse(each, at);
        text('name of the source', /./).parse(spec.name, `${at}.name`);
        if (spec.application !== undefined) tableName.parse(spec.application, `${at}.application`);
        return spec;
      }),
    );
  },
};

const reducer: Kind<ReducerDefinition> = {
  expected: 'reducer made by defineReducer',
  type: 'ReducerDefinition<Value>',
  parse(value, path) {
    checkReducerShape(value, path);
    return defineReducer(membersOf(value, path) as unknown as FoldingReducer) as ReducerDefinition;
  },
};

// oxlint-disable-next-line typescript/no-explicit-any -- what a pipe takes, the declaration ties to `extract`
const pipe: Kind<Pipe<any>> = {
  expected: 'a pipe made by pipe(), with at least one node',
  type: 'Pipe<Value>',
  parse(value, path) {
    if (typeof value !== 'object' || value === null) return refuse(path, this.expected, value);
    // The builder has the methods that end a pipe.
    if (typeof (value as { readonly end?: unknown }).end === 'function')
      refuseShown(path, this.expected, 'one that has not ended: end it with to(…) or end()');
    const { nodes, format } = membersOf(value, path);
    if (!Array.isArray(nodes) || nodes.length === 0) return refuse(path, this.expected, value);
    const isNode = shaped<AnyNode>('a node made by defineNode', ['handleMessage']);
    const isFormat = shaped<MessageFormat>('a format: json, or { serialize, deserialize }', [
      'serialize',
      'deserialize',
    ]);
    return Object.freeze({
      nodes: Object.freeze(nodes.map((node: unknown, index) => isNode.parse(node, `${path}.nodes[${index}]`))),
      ...(format === undefined ? {} : { format: isFormat.parse(format, `${path}.format`) }),
    });
  },
};

export const onFailureKind: Kind<OnFailure> = {
  expected: "retry(), park(), 'crash', 'skip', 'stopShard' or a function",
  type: 'OnFailure',
  parse(value, path) {
    // A sink, or a maker of policies or sinks, is a function, too. It would be called at the first failure only.
    if (isFailurePolicy(value) || (typeof value === 'function' && misplaced(value) === undefined))
      return value as OnFailure;
    return refuseShown(path, this.expected, shownPolicy(value));
  },
};

const aLogger = shaped<Logger>('a logger with debug, info, warn and error, or false', [
  'debug',
  'info',
  'warn',
  'error',
]);

const logger: Kind<Logger, Logger | false> = {
  expected: aLogger.expected,
  type: ['Logger', 'false'],
  parse: (value, path) => (value === false ? silentLogger : aLogger.parse(value, path)),
};

const minIntervalMs = 200;

/** Below 200 ms a row would get more than five checkpoint writes a second: `checkpointRecords` is the option for that. */
const checkpointInterval = bounded(
  `0, or milliseconds, ${minIntervalMs} to ${maxTimerMs}`,
  (value) => value === 0 || (value >= minIntervalMs && value <= maxTimerMs),
);

const restartTable = {
  intensity: defaulting(
    integer(0),
    2,
    'At most this many restarts within `periodMs`; the next one ends the consumer.',
    '5',
  ),
  periodMs: defaulting(milliseconds(1), 10_000, 'The sliding period in which restarts are counted.', '60_000'),
};

const itemsPerSecond = bounded('items per second, 0.001 to 1000000', (value) => value >= 0.001 && value <= 1_000_000);

const limitTable = {
  perSecond: required(
    itemsPerSecond,
    'Items per second; may be below 1. At most the items of one second come at once, or one item. Reducers share it fairly. Other processes have limits of their own.',
    '200',
  ),
};

/** Checks the argument of `setLimit`. */
export function checkPerSecond(perSecond: unknown): number | undefined {
  return perSecond === undefined ? undefined : itemsPerSecond.parse(perSecond, 'perSecond');
}

/** Every option of `createConsumer`. docs/options.md is generated from it. */
export const consumerTable = {
  application: required(
    // `placeSources` checks more strictly if this name is the table's.
    text(applicationName.expected, /^.{1,255}$/s, '1 to 255 characters'),
    'The name that all workers of one application share. As in the KCL, it also names the lease table. If `leases.tableName` or the `application` of each source names the tables, any 1 to 255 characters are allowed.',
    "'order-totals'",
  ),
  source: required(
    source,
    'The stream to consume, or several; see `kinesisStream`.',
    "kinesisStream({ streamName: 'orders' })",
  ),
  reducer: required(
    { ...reducer, expected: 'reducer made by defineReducer, or `pipe` instead' },
    'What happens to the items, made by `defineReducer`. Or give `pipe`, or both.',
    'defineReducer({ init: () => 0, reduce: (count) => count + 1 })',
  ),
  pipe: optional(
    pipe,
    'A chain of nodes in place of a reducer, or behind each one. `park` needs a format. Alone not with `limit`.',
    { example: 'pipe().to((bytes) => console.log(bytes.length))' },
  ),
  extract: optional(
    // oxlint-disable-next-line typescript/no-explicit-any -- what an item's value is, the reducer says; the declaration ties the two.
    callback<ExtractFunction<any>>('ExtractFunction<Value>'),
    'Makes none, one or many items of a record, synchronously: `(record, ctx) => Iterable<{ key, value }>`. If it throws, `onFailure` applies.',
    { shown: 'one item: its key, its bytes', example: "({ data }) => [{ key: 'all', value: data.length }]" },
  ),
  key: optional(
    callback<(record: UserRecord) => string>('(record: UserRecord) => string'),
    'The key of a record if `extract` is not given.',
    {
      shown: 'the partition key; the sequence number where there is none',
      example: '({ partitionKey, sequenceNumber }) => partitionKey?.slice(0, 8) ?? sequenceNumber',
    },
  ),
  reducers: optional(
    integer(1),
    'How many reducers run; the hash of an item’s key picks one. Raise it if your calls spend most of their time waiting for other services.',
    {
      shown: 'available parallelism',
      fallback: availableParallelism,
      example: '16',
    },
  ),
  stages: defaulting(
    integer(1),
    1,
    'How many stages extract and route items between shards and reducers. One is enough for most applications: all stages share one thread.',
    '2',
  ),
  spread: defaulting(
    oneOf('by-shard', 'round-robin'),
    'by-shard',
    'How records reach the stages. `round-robin` spreads a shard’s records over them, so a key’s order is lost.',
    "'round-robin'",
  ),
  maxPending: defaulting(
    integer(1),
    1_024,
    'How many records of one shard may be in flight: admitted, but not settled yet. Raise it if your reducer acknowledges late, as with large batches. Lower it to replay fewer records after a crash.',
    '4_096',
  ),
  maxPendingBytes: defaulting(
    integer(1),
    32 * 1024 * 1024,
    'How many bytes of one shard may be in flight. A larger record is admitted alone. Raise it together with `maxPending` if your records are large.',
    '64 * 1024 * 1024',
  ),
  maxBytes: defaulting(
    integer(1),
    256 * 1024 * 1024,
    'How many bytes of records this process may hold, fetched ahead and in flight, for all shards and sources together. At most one answer per shard may come on top (see memory.md). Half is shared evenly, half goes to the shards that need it. Fit it to the memory of the process.',
    '512 * 1024 * 1024',
  ),
  maxPollingCalls: defaulting(
    integer(1),
    200,
    'How many polling calls this process may have under way, over all sources. Each source has an equal share, at least one call: if every call of a source hangs, it takes no more than that, and the other sources are read.',
    '50',
  ),
  checkpointIntervalMs: defaulting(
    checkpointInterval,
    0,
    'The time between two checkpoints of a shard. 0: every lease renewal carries a checkpoint, which costs no extra write. If it is shorter than the time between renewals (`failoverMs` / 3), checkpoints are extra writes while the frontier moves; see checkpoints.md. If it is as long or longer, the renewals in between carry no checkpoint.',
    '1_000',
  ),
  checkpointRecords: defaulting(
    integer(0),
    0,
    'A checkpoint is written once it covers this many more records than the last one, regardless of `checkpointIntervalMs`. Each of these is an extra write. 0: off. Set it to bound how many settled records are replayed after a crash.',
    '10_000',
  ),
  flushIntervalMs: defaulting(
    milliseconds(1),
    1_000,
    'The default of `batch.intervalMs`, and the time between two heartbeats to reducers that are a `behaviour`. Lower it to checkpoint records of a quiet stream sooner; raise it for fewer and larger flushes.',
    '250',
  ),
  watchdogMs: defaulting(
    milliseconds(1),
    600_000,
    'How long one record may block a shard, or the end of a shard may wait for a call. After that the pipeline restarts, and the error names the actor that has the record. Keep it well above the longest call that you expect.',
    '120_000',
  ),
  onDuplicate: defaulting(
    oneOf('skip', 'crash'),
    'skip',
    'What happens when the service delivers a record twice. `skip`: the record is left out and counted. `crash`: the pipeline restarts, as under `onFailure`.',
    "'crash'",
  ),
  onFailure: optional(
    onFailureKind,
    'What happens when your code fails on a record or batch. `retry()` repeats the call after a growing delay, and other keys go on. `park()` sets the failed item aside. `crash` restarts the pipeline and checkpoints nothing. `skip` settles and counts it. `stopShard` gives up its shard for a while. A function `(error, item, attempt) => policy` decides each time, and may return a promise. Failures of `extract`, of `key` and of decoding are not retried: they restart the pipeline, or follow `then` of your `retry`.',
    {
      shown: '`retry()`',
      fallback: (): OnFailure => retry(),
      example: "(error, { at }) => (at === 'extract' ? 'skip' : 'crash')",
    },
  ),
  onCheckpoint: optional(
    callback<(at: CheckpointNotice) => unknown>('(at: CheckpointNotice) => unknown'),
    'Called with `{ source, shardId, sequenceNumber, subSequenceNumber }` after a checkpoint has become durable. If it throws, the error is counted and reported.',
    { example: '({ shardId, sequenceNumber }) => console.log(shardId, sequenceNumber)' },
  ),
  onShardStarted: optional(
    callback<(shard: StartedShard) => unknown>('(shard: StartedShard) => unknown'),
    'Called with `{ source, shardId, fence, hashKeyRange, signal }` before this process reads a shard, after every restart and hand-over again. Nothing of the shard is read until it has succeeded: a promise is awaited, and a call that fails is repeated after a growing delay. See hooks.md.',
    { example: '({ shardId }) => console.log(shardId)' },
  ),
  onShardEnded: optional(
    callback<(shard: EndedShard) => unknown>('(shard: EndedShard) => unknown'),
    'Called with `{ source, shardId, fence, children, signal }` when the last item of a shard that has ended is settled. Its end becomes durable, and its children start, only when it has succeeded; a call that fails is repeated. It may be called again in another process. See hooks.md.',
    { example: '({ shardId, children }) => console.log(shardId, children)' },
  ),
  restart: group(
    restartTable,
    'How often the pipeline may restart before the consumer ends, after crashes that your code has not caused (see errors.md for those). Restarts of the lease coordinators also restart the pipeline, but count separately.',
    { example: '{ intensity: 5, periodMs: 60_000 }' },
  ),
  callDeadlineMs: defaulting(
    milliseconds(0),
    30_000,
    'How long to wait for running calls of your code when the pipeline restarts, a shard ends, or a lease is given up after failures. A stop has its own deadline: `stop({ deadlineMs })`. It is also how long a policy function, a sink of `park()`, a hook, and a call whose `timeoutMs` is over may take. With 0 no end of the pipeline or of a lease waits, so a call that hangs may run beside its repetition. A policy function, a sink, a hook and a call past its `timeoutMs` still have 30 s.',
    '10_000',
  ),
  workerId: optional(
    text('name of 1 to 256 characters', /^.{1,256}$/s),
    'The name of this process in the lease table. It must be unique per process.',
    {
      shown: 'host, process id and a UUID',
      fallback: () => `${hostname()}:${process.pid}:${randomUUID()}`,
      example: "process.env['POD_NAME']",
    },
  ),
  leases: group(leaseOptionTable, 'The lease table, and how this worker takes part in it.', {
    name: 'LeaseOptions',
    example: '{ failoverMs: 30_000, maxLeases: 8 }',
  }),
  logger: optional(
    logger,
    'Gets every event, at its level: `(fields, message)`; `pino()` and `console` fit. The default prints warnings and errors to stderr: readable lines on a terminal, JSON lines otherwise, at most 10 of one event in a minute. `false`: nothing is logged.',
    { shown: 'warnings and errors to stderr', fallback: () => createDefaultLogger(), example: 'pino()' },
  ),
  meter: optional(
    shaped<Meter>('a meter with count and gauge', ['count', 'gauge'], 'Meter'),
    'Receives the instruments that metrics.md lists: counters of incidents as they rise, the others and gauges every 10 s and at the end. Gauges of shards first come 10 s after the start.',
    {
      shown: 'silent',
      fallback: () => silentMeter,
      example: '{ count: (name, by) => console.log(name, by), gauge: (name, value) => console.log(name, value) }',
    },
  ),
  limit: optional(
    members(limitTable, 'RateLimitOptions'),
    'How many items this process hands to your code, over all reducers, retries included. `consumer.setLimit` changes it while the consumer runs.',
    { example: '{ perSecond: 200 }' },
  ),
  credit: defaulting(
    integer(1),
    1_024,
    'How many items from one stage may wait at one reducer until it folds them. Any value works, and there is seldom a reason to change it. A smaller value means smaller batches.',
    '256',
  ),
  runtime: group(
    runtimeTable,
    'The environment of the actors: clock, timers, randomness, and hooks for tests and tools.',
    {
      name: 'RuntimeSeams',
      example: '{ clock, timers: clock }',
    },
  ),
  parent: optional(
    shaped<NactParent>('a reference of nact', ['path', 'system'], 'NactParent', false),
    'The nact actor or system under which the tree of actors is spawned.',
    { shown: 'a system of its own', example: 'start()' },
  ),
};

/** The table for options with a pipe. */
export const pipeTable = { ...consumerTable, reducer: optional(reducer, consumerTable.reducer.doc) };
