// The main module of a child process: one consumer, configured by one JSON argument, in the usual AWS environment. Every item is appended
// to a sink file before it is acknowledged, so the deliveries survive SIGKILL. Events and the end go to the parent as JSON lines on
// stdout. Started by fleet.ts.
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  isKinactError,
  kinesisStream,
  runUntilSignal,
  type Change,
  type ConsumerEventName,
  type InitialPosition,
  type Item,
} from '../../src/index.js';
import type { Pipe } from '../../src/api/pipe.js';
import { pipe } from '../../src/pipes/pipe.js';
import { loggerTo, type LogTarget } from './full-loggers.js';
import { leaseNamed } from './lease-witness.js';

/** The settings that the parent chooses. Everything else is kinact's default. */
export interface WorkerConfig {
  readonly application: string;
  readonly streamName: string;
  /** Further streams. All streams share one multi-stream table, unless `tables` is given. */
  readonly moreStreams?: readonly string[];
  /** One lease table for each stream, in the order of the streams. */
  readonly tables?: readonly string[] | undefined;
  /** Reads the changes of this table, and no stream. */
  readonly table?: string | undefined;
  readonly workerId: string;
  readonly sink: string;
  readonly initialPosition?: InitialPosition;
  readonly failoverMs?: number;
  readonly reducers?: number;
  readonly idleMs?: number;
  readonly retrieval?: 'polling' | 'fan-out';
  readonly stopAfterMs?: number;
  /** How many milliseconds every item takes, so that records are open when a fault occurs. */
  readonly itemMs?: number;
  /** The record with this id stays in its reducer forever, and does not get into the sink. */
  readonly holdId?: string;
  /** As long as this file exists, every record takes `slowMs`. */
  readonly slowWhile?: string;
  /** The reducer never acknowledges an item, so a drain runs into its deadline. */
  readonly wedged?: boolean;
  /** After SIGUSR2 the next item blocks the event loop until this file exists, for 30 s at most. */
  readonly blockUntil?: string | undefined;
  /** The reducer throws at this record, but only the first time. */
  readonly throwOnceId?: string;
  /** The first time, this record takes `slowMs` (default 500) instead of `itemMs`. */
  readonly slowId?: string;
  readonly slowMs?: number;
  /** A pipe in place of the reducer: it collects the records of each tenant, which is the last digit of the key. */
  readonly pipe?: boolean;
  /** The target of the application's logger. Default: the logger is silent. */
  readonly log?: LogTarget;
}

/** One line of the sink. `at`: epoch milliseconds. */
export interface Delivery {
  readonly id: string;
  readonly key: string;
  /** The name of the lease (`leaseNamed`), because several streams may have shards with the same id. */
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly fence: number;
  readonly worker: string;
  /** Only of a pipe. */
  readonly idempotencyKey?: string;
  readonly tenant?: string;
  /** When its `reduce` was called. */
  readonly began: number;
  readonly at: number;
}

/** One line of stdout. */
export type WorkerReport =
  | { readonly type: 'starting' | 'started' | 'signalled'; readonly at: number }
  | { readonly type: 'event'; readonly name: ConsumerEventName; readonly data: EventData; readonly at: number }
  | {
      readonly type: 'stopped';
      readonly drained: boolean;
      readonly counters: Readonly<Record<string, number>>;
      readonly at: number;
    }
  /** A record that the configuration names has reached its reducer. */
  | { readonly type: 'reached'; readonly id: string; readonly at: number }
  /** The log cannot be written. */
  | { readonly type: 'logFailed'; readonly message: string; readonly at: number }
  | { readonly type: 'failed'; readonly code?: string; readonly message: string; readonly at: number };

/** The members of an event that survive JSON; errors as code and message. */
export interface EventData {
  readonly source?: string;
  readonly shardId?: string;
  readonly leaseKey?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly from?: string;
  readonly to?: string;
  readonly counter?: number;
  readonly error?: { readonly code?: string; readonly message: string };
}

const told: readonly ConsumerEventName[] = [
  'leaseTaken',
  'leaseLost',
  'leaseReleased',
  'leaseHandedOver',
  'shardStarted',
  'shardEnded',
  'checkpoint',
  'warning',
  'malformedLease',
  'leaseHole',
  'noProgress',
  'leaseTableBusy',
  'trimmed',
  'retrying',
  'pipelineRestarted',
  'orphaned',
  'actorCrashed',
  'closed',
];

type Report = WorkerReport extends infer Each ? (Each extends unknown ? Omit<Each, 'at'> : never) : never;

function tell(report: Report): void {
  const line = JSON.stringify({ ...report, at: Date.now() }, (_, value: unknown) =>
    value instanceof Error
      ? { message: value.message, ...(isKinactError(value) ? { code: value.code } : {}) }
      : typeof value === 'bigint'
        ? String(value)
        : value,
  );
  process.stdout.write(`${line}\n`);
}

/** Names of leases by source and shard id, from events with a lease key. */
const leaseKeys = new Map<string, string>();

function leaseKeyOf(source: string | undefined, shardId: string): string {
  return leaseKeys.get(`${source}/${shardId}`) ?? shardId;
}

function tellEvent(name: ConsumerEventName, data: EventData, tableOf: ReadonlyMap<string | undefined, string>): void {
  const { source, shardId, leaseKey } = data;
  if (shardId !== undefined && leaseKey !== undefined)
    leaseKeys.set(`${source}/${shardId}`, leaseNamed(leaseKey, tableOf.get(source)));
  const known = shardId === undefined ? {} : { shardId: leaseKeyOf(source, shardId) };
  tell({ type: 'event', name, data: { ...data, ...known } });
}

/** The id in the bytes of a record, or of a change: the item's key and its serial number. */
function idOf(value: Buffer | Change): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  const { newImage = {} } = value;
  return `${String(newImage['id'])}/${String(newImage['serial'])}`;
}

function delivered(config: WorkerConfig, item: Item<Buffer | Change>, began: number): void {
  const { key, sequenceNumber, fence } = item;
  const shardId = leaseKeyOf(item.source, item.shardId);
  const id = idOf(item.value);
  const line: Delivery = { id, key, shardId, sequenceNumber, fence, worker: config.workerId, began, at: Date.now() };
  appendFileSync(config.sink, `${JSON.stringify(line)}\n`);
}

interface TenantRecord {
  readonly tenant: string;
  readonly line: Omit<Delivery, 'began' | 'at'>;
}

/** The records of each tenant in order, in batches. Each line of the sink has the record's idempotency key. */
function tenantPipe({ sink, workerId, itemMs = 0 }: WorkerConfig): Pipe<Buffer> {
  return (
    pipe()
      .map((value, { item }): TenantRecord => {
        const { key, sequenceNumber, fence, source, shardId, token } = item as Item<unknown>;
        const tenant = key.slice(-1);
        const { idempotencyKey } = token;
        const place = { key, shardId: leaseKeyOf(source, shardId), sequenceNumber, fence, worker: workerId };
        return { tenant, line: { id: idOf(value), ...place, idempotencyKey, tenant } };
      })
      .demux(({ tenant }) => tenant)
      // Longer than a checkpoint takes: what is collected at a kill must be behind no checkpoint.
      .aggregate({ count: 40, intervalMs: 2_000 })
      .join()
      .to(async (records) => {
        const began = Date.now();
        await delay(itemMs);
        const lines = records.map(({ line }) => `${JSON.stringify({ ...line, began, at: Date.now() })}\n`);
        appendFileSync(sink, lines.join(''));
      })
  );
}

/** Returns the delays and faults that the configuration sets for every item before its delivery. */
function mischiefOf({ holdId, throwOnceId, slowId, slowWhile, slowMs = 500, itemMs = 0, blockUntil }: WorkerConfig) {
  let blocks = false;
  if (blockUntil !== undefined) process.on('SIGUSR2', () => (blocks = true));
  const met = new Set<string>();
  const first = (id: string, named: string | undefined): boolean => {
    if (id !== named || met.has(id)) return false;
    met.add(id);
    tell({ type: 'reached', id });
    return true;
  };
  return async (id: string): Promise<void> => {
    if (id === holdId) await new Promise(() => {});
    if (first(id, throwOnceId)) throw new Error(`${id}, for the test`);
    const ms = first(id, slowId) ? slowMs : itemMs;
    if (ms > 0) await delay(ms);
    for (let left = slowMs; left > 0 && slowWhile !== undefined && existsSync(slowWhile); left -= 20) await delay(20);
    if (!blocks || blockUntil === undefined) return;
    blocks = false;
    // Blocks like a busy loop, but leaves the processor to other processes.
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    for (let left = 600; left > 0 && !existsSync(blockUntil); left -= 1) Atomics.wait(nothing, 0, 0, 50);
  };
}

async function main(config: WorkerConfig): Promise<void> {
  const { application, streamName, moreStreams = [], tables, workerId, failoverMs, wedged = false } = config;
  const streams = [streamName, ...moreStreams];
  const tableOf = new Map(tables?.map((table, place) => [streams[place], table]));
  const { initialPosition, idleMs, retrieval } = config;
  const mischief = mischiefOf(config);
  const reducer = defineReducer<number, Buffer | Change>({
    init: () => 0,
    acknowledge: wedged ? 'manual' : 'auto',
    reduce: async (count, item) => {
      const began = Date.now();
      await mischief(idOf(item.value));
      delivered(config, item, began);
      return count + 1;
    },
  });
  // The declaration of the options wants a reducer or a pipe.
  const processing = config.pipe === true ? ({ pipe: tenantPipe(config) } as never) : { reducer };
  const consumer = createConsumer({
    application,
    workerId,
    // A throw is a crash: the tests of restarts need one.
    onFailure: 'crash',
    source:
      config.table !== undefined
        ? dynamodbStream({ tableName: config.table, idleMs })
        : streams.map((each) =>
            kinesisStream({
              streamName: each,
              application: tableOf.get(each),
              idleMs,
              retrieval,
              initialPosition:
                typeof initialPosition === 'string' && /^\d/.test(initialPosition)
                  ? new Date(initialPosition)
                  : initialPosition,
            }),
          ),
    reducers: config.reducers ?? 2,
    ...processing,
    leases: { failoverMs, multiStream: tables === undefined && moreStreams.length > 0 },
    logger:
      config.log === undefined ? false : loggerTo(config.log, ({ message }) => tell({ type: 'logFailed', message })),
  });
  for (const name of told) consumer.on(name, (data) => tellEvent(name, data as EventData, tableOf));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => tell({ type: 'signalled' }));
  tell({ type: 'starting' });
  // runUntilSignal also calls `start`, and gets the same promise as the call below.
  const running = runUntilSignal(consumer, { deadlineMs: config.stopAfterMs });
  consumer.start().then(
    () => tell({ type: 'started' }),
    () => {},
  );
  const report = await running;
  tell({ type: 'stopped', drained: report.drained, counters: consumer.status().counters });
}

main(JSON.parse(process.argv[2] as string) as WorkerConfig).catch((error: unknown) => {
  const code = isKinactError(error) ? { code: error.code } : {};
  tell({ type: 'failed', ...code, message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
});
