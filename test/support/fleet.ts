// A fleet of real worker processes over real local servers. It starts workers, writes numbered records, kills by pid, and waits for
// conditions. Each wait has a deadline, with an error that shows the table and the processes.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { localClientConfig, startLocalServers } from '../../src/testing/local-servers.js';
import { fullDevice } from './full-loggers.js';
import { leaseNamed } from './lease-witness.js';
import { snapshotTable, type TableSnapshot } from './strict-lease-reader.js';
import type { Delivery, WorkerConfig, WorkerReport } from './worker-process.js';

/** The limit of a wait that would never end. Tests in virtual time measure speed, because no machine is slow there. */
const patienceMs = 90_000;

/** The producer waits if this many records are written but not delivered. A record that was delivered twice counts twice. */
const mostBehind = 600;

const mainModule = fileURLToPath(new URL('./worker-process.js', import.meta.url));

export interface WorkerProcess {
  readonly name: string;
  readonly pid: number;
  readonly reports: readonly WorkerReport[];
  /** Events of one name, oldest first. */
  events(name: string): readonly Extract<WorkerReport, { type: 'event' }>[];
  /** When the signal was sent, epoch milliseconds. */
  kill(signal: NodeJS.Signals): number;
  /** The exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly alive: boolean;
  readonly stderr: string;
}

export interface FleetOptions {
  readonly shards: number;
  readonly application?: string;
  readonly streamName?: string;
  /** Further streams with as many shards each. All workers read all streams. All records of a key are in one stream. */
  readonly moreStreams?: readonly string[];
  /** Whether each stream has its own lease table. Default: all streams share one. */
  readonly severalTables?: boolean;
  /** Keys in rotation: each record of a key carries that key's next serial number. Default 24. */
  readonly keys?: number;
  /** Endpoints of servers that the test started. Default: the fleet starts its own kinesalite and dynalite. */
  readonly endpoints?: Endpoints;
  /** The workers read the changes of this table, and no stream. `endpoints` must be given. */
  readonly table?: {
    readonly name: string;
    /** Writes the next change of these items. */
    readonly put: (key: string, serial: number) => void;
  };
}

interface Endpoints {
  readonly kinesis: string;
  readonly dynamodb: string;
  /** Of DynamoDB Streams. */
  readonly streams?: string;
}

export interface Fleet {
  readonly application: string;
  /** The lease tables: one for the application, or one for each stream. */
  readonly tables: readonly string[];
  readonly streamName: string;
  readonly kinesis: KinesisClient;
  readonly dynamodb: DynamoDBClient;
  readonly endpoints: Endpoints;
  readonly workers: readonly WorkerProcess[];
  /** Ids of the records that the service has accepted: `key/serial`. */
  readonly written: readonly string[];
  /** Starts a worker. `at` replaces the fleet's endpoints. */
  start(name: string, config?: Partial<WorkerConfig>, at?: Fleet['endpoints']): WorkerProcess;
  put(count: number): Promise<void>;
  /**
   * Writes `count` records every `everyMs` until the returned function is called, which resolves when the last record is written. The
   * producer waits while workers are far behind, because a test must not fail only because a busy machine cannot keep up.
   */
  keepWriting(count: number, everyMs: number): () => Promise<void>;
  /** The rows of all tables, by the name of the lease (`leaseNamed`). `read` replaces the function that reads one table. */
  rows(read?: (table: string) => Promise<TableSnapshot>): Promise<TableSnapshot>;
  /** The deliveries in the sinks of all processes, in the order of time. */
  deliveries(): readonly Delivery[];
  until<T>(
    what: string,
    condition: () => T | undefined | false | Promise<T | undefined | false>,
    deadlineMs?: number,
  ): Promise<T>;
  /** Waits until exactly these workers share the leases, and their counts differ by at most one. Resolves with the milliseconds. */
  balanced(among: readonly WorkerProcess[], deadlineMs?: number): Promise<number>;
  /** Ends every process and server. */
  stop(): Promise<void>;
}

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { shards, application = 'orders-app', streamName = 'orders', moreStreams = [], keys = 24 } = options;
  const { severalTables = false, table } = options;
  const streams = [streamName, ...moreStreams];
  const tables = severalTables ? streams.map((each) => `${application}-${each}`) : [application];
  const servers = options.endpoints === undefined ? await startLocalServers() : undefined;
  const endpoints = options.endpoints ?? (servers as NonNullable<typeof servers>);

  const kinesis = new KinesisClient(localClientConfig(endpoints.kinesis));
  const dynamodb = new DynamoDBClient(localClientConfig(endpoints.dynamodb));
  const directory = mkdtempSync(join(tmpdir(), 'kinact-fleet-'));
  const workers: (WorkerProcess & { readonly child: ChildProcess })[] = [];
  const written: string[] = [];
  const sinks: string[] = [];
  const readSinks = sinkReader();
  let puts = 0;
  // One put at a time: a small one could overtake a large one, and its records would come before earlier ones of their keys.
  let lastPut = Promise.resolve();

  const until: Fleet['until'] = async (what, condition, deadlineMs = patienceMs) => {
    const deadline = Date.now() + deadlineMs;
    for (;;) {
      const met = await condition();
      if (met !== undefined && met !== false) return met;
      if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}\n${await picture(fleet)}`);
      await delay(100);
    }
  };

  const putNow = async (count: number): Promise<void> => {
    const batch = Array.from({ length: count }, () => {
      const number = puts % keys;
      const key = `k${number}`;
      const id = `${key}/${Math.floor(puts / keys)}`;
      puts += 1;
      const serial = Math.floor((puts - 1) / keys);
      return { id, key, serial, stream: streams[number % streams.length] };
    });
    for (const { key, serial } of table === undefined ? [] : batch) table?.put(key, serial);
    for (const StreamName of table === undefined ? streams : []) {
      const own = batch.filter(({ stream }) => stream === StreamName);
      if (own.length === 0) continue;
      const Records = own.map(({ id, key }) => ({ PartitionKey: key, Data: Buffer.from(id) }));
      const { FailedRecordCount } = await kinesis.send(new PutRecordsCommand({ StreamName, Records }));
      if (FailedRecordCount !== 0) throw new Error(`${FailedRecordCount} records were refused`);
    }
    written.push(...batch.map(({ id }) => id));
  };

  const fleet: Fleet = {
    application,
    tables,
    streamName,
    kinesis,
    dynamodb,
    endpoints,
    workers,
    written,
    start: (name, config = {}, at = endpoints) => {
      const sink = join(directory, `${sinks.length}.jsonl`);
      sinks.push(sink);
      const ofTables = { tables: severalTables ? tables : undefined, table: table?.name };
      const own = { application, streamName, moreStreams, ...ofTables };
      const worker = startWorker(name, at, { ...own, workerId: name, sink, ...config });
      workers.push(worker);
      return worker;
    },
    put: async (count) => {
      const mine = lastPut.then(() => putNow(count));
      lastPut = mine.catch(() => {});
      await mine;
    },
    keepWriting: (count, everyMs) => {
      const controller = new AbortController();
      let waits = 0;
      const done = (async () => {
        while (!controller.signal.aborted) {
          if (written.length - readSinks(sinks).length < mostBehind) await fleet.put(count);
          else waits += 1;
          await delay(everyMs, undefined, { signal: controller.signal }).catch(() => {});
        }
      })();
      return async () => {
        controller.abort();
        await done;
        if (waits > 0) console.log(`        the producer has left out ${waits} puts, for the workers were far behind`);
      };
    },
    rows: async (read = (table) => snapshotTable(dynamodb, table)) => {
      const ofTables = await Promise.all(tables.map(async (table) => ({ table, rows: await read(table) })));
      const named = ofTables.flatMap(({ table, rows }) =>
        [...rows].map(([key, row]) => [leaseNamed(key, severalTables ? table : undefined), row] as const),
      );
      return new Map(named);
    },
    deliveries: () => readSinks(sinks).toSorted((a, b) => a.at - b.at),
    until,
    // On a busy machine a holder sometimes lapses and refuses. After each refusal, the asker leaves the lease alone for longer.
    balanced: async (among, deadlineMs = 2 * patienceMs) => {
      const from = Date.now();
      const names = among.map(({ name }) => name).toSorted();
      const started = (): boolean => among.every(({ reports }) => reports.some(({ type }) => type === 'started'));
      await until(`${names.join(', ')} started`, started, deadlineMs);
      await until(
        `leases shared evenly among ${names.join(', ')}`,
        async () => {
          const counts = ownersOf(await fleet.rows());
          const held = names.map((name) => counts.get(name) ?? 0);
          const owners = [...counts.keys()];
          return (
            owners.length > 0 &&
            owners.every((owner) => names.includes(owner)) &&
            Math.max(...held) - Math.min(...held) <= 1
          );
        },
        deadlineMs,
      );
      return Date.now() - from;
    },
    stop: async () => {
      for (const worker of workers) if (worker.alive) worker.kill('SIGKILL');
      await Promise.all(workers.map(({ exited }) => exited));
      kinesis.destroy();
      dynamodb.destroy();
      await servers?.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  if (table !== undefined) return fleet;
  for (const StreamName of streams) await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: shards }));
  for (const each of streams) await until(`stream ${each} ACTIVE`, () => isActive(kinesis, each));
  return fleet;
}

/** Whether the stream can be written to, or resharded again. */
export async function isActive(kinesis: KinesisClient, streamName: string): Promise<boolean> {
  const { StreamDescriptionSummary } = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName: streamName }));
  return StreamDescriptionSummary?.StreamStatus === 'ACTIVE';
}

/** The number of leases not at SHARD_END, by owner; a free lease counts for `(nobody)`. */
export function ownersOf(rows: TableSnapshot): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows.values()) {
    if (row['checkpoint']?.S === 'SHARD_END') continue;
    const owner = row['leaseOwner']?.S ?? '(nobody)';
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return counts;
}

/** Keys of the leases a worker holds. */
export function heldBy(rows: TableSnapshot, worker: WorkerProcess): readonly string[] {
  // The row of an ended shard keeps its last owner.
  return [...rows]
    .filter(([, row]) => row['leaseOwner']?.S === worker.name && row['checkpoint']?.S !== 'SHARD_END')
    .map(([key]) => key);
}

/** Reads files of deliveries that only grow. Each call reads only what is new, because waits ask for all deliveries many times. */
function sinkReader(): (paths: readonly string[]) => Delivery[] {
  const known = new Map<string, { bytes: number; readonly deliveries: Delivery[] }>();
  return (paths) =>
    paths.flatMap((path) => {
      const of = known.get(path) ?? { bytes: 0, deliveries: [] };
      known.set(path, of);
      const news = existsSync(path) ? readFrom(path, of.bytes) : Buffer.alloc(0);
      // A line that SIGKILL cut short is no delivery, because its item was not acknowledged.
      const complete = news.subarray(0, news.lastIndexOf('\n') + 1);
      of.bytes += complete.length;
      for (const line of complete.toString().split('\n').slice(0, -1)) of.deliveries.push(JSON.parse(line) as Delivery);
      return of.deliveries;
    });
}

function readFrom(path: string, start: number): Buffer {
  const news = Buffer.alloc(statSync(path).size - start);
  if (news.length === 0) return news;
  const file = openSync(path, 'r');
  try {
    return news.subarray(0, readSync(file, news, 0, news.length, start));
  } finally {
    closeSync(file);
  }
}

function startWorker(
  name: string,
  endpoints: Endpoints,
  config: WorkerConfig,
): WorkerProcess & { readonly child: ChildProcess } {
  const full = config.log?.startsWith('stderr') ? openSync(fullDevice, 'w') : undefined;
  const child = spawn(process.execPath, [mainModule, JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', full ?? 'pipe'],
    env: {
      PATH: process.env['PATH'],
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_KINESIS: endpoints.kinesis,
      AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
      AWS_ENDPOINT_URL_DYNAMODB_STREAMS: endpoints.streams,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  });
  if (full !== undefined) closeSync(full);
  const reports: WorkerReport[] = [];
  let stderr = '';
  let alive = true;
  createInterface({ input: child.stdout as Readable }).on('line', (line) =>
    reports.push(JSON.parse(line) as WorkerReport),
  );
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      alive = false;
      resolve(code ?? signal ?? -1);
    });
  });
  return {
    name,
    pid: child.pid ?? -1,
    child,
    reports,
    events: (event) => reports.filter((report) => report.type === 'event').filter((report) => report.name === event),
    kill: (signal) => {
      const at = Date.now();
      process.kill(child.pid as number, signal);
      return at;
    },
    exited,
    get alive() {
      return alive;
    },
    get stderr() {
      return stderr;
    },
  };
}

/** The text that a failed wait shows: the table, and the last reports of every process. */
async function picture(fleet: Fleet): Promise<string> {
  const rows = await fleet.rows().catch((error: unknown) => String(error));
  const table =
    typeof rows === 'string'
      ? [rows]
      : [...rows].map(
          ([key, row]) => `${key} ${row['leaseOwner']?.S ?? '-'} #${row['leaseCounter']?.N} ${row['checkpoint']?.S}`,
        );
  const words = fleet.workers.map(({ name, alive, reports, stderr }) => {
    const last = reports.slice(-6).map((report) => JSON.stringify(report));
    return `${name} ${alive ? 'alive' : 'ended'}\n    ${last.join('\n    ')}${stderr === '' ? '' : `\n    stderr: ${stderr}`}`;
  });
  return ['the table:', ...table, 'the processes:', ...words].join('\n  ');
}
