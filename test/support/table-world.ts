// Whole consumers over the scripted tables, in virtual time and without HTTP: the real source behind clients with the shape of the SDK's,
// and lease rows in a DynamoDB in memory. The tests of test/integration/dynamodb-streams*.test.ts use it.
import '@aws-sdk/client-dynamodb-streams'; // Loaded now, because a load takes the host's time.
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  type Change,
  type ConsumerOptions,
  type Item,
} from '../../src/index.js';
import type { DynamodbStreamOptions, TableOrStreamArn } from '../../src/api/options.js';
import type { ScriptedTablesOptions } from '../../src/testing/index.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { AwsAnswerError } from '../../src/testing/scripted-server/answer-errors.js';
import { ScriptedTables } from '../../src/testing/scripted-server/scripted-tables.js';
import { answered } from '../sim/sdk-answers.js';
import { watched, type Watched } from './consumer-harness.js';
import { awsError } from './aws-error.js';
import type { ModelCall } from './model-kinesis-client.js';
import { seeded } from './virtual-consumer.js';
import { inVirtualTime } from './virtual.js';
import { virtualTables, type VirtualTables } from './virtual-tables.js';

export interface Order {
  readonly id: string;
  readonly serial: number;
}

type OrderChange = Change<Order>;

export interface TableWorker extends Omit<Watched, 'seen'> {
  readonly seen: readonly Item<OrderChange>[];
  /** What it delivered: `id/serial`. */
  ids(): readonly string[];
}

export interface TableWorld {
  readonly clock: ManualClock;
  readonly tables: ScriptedTables;
  readonly leases: VirtualTables;
  /** Calls of DynamoDB Streams. */
  readonly calls: readonly ModelCall[];
  /** Ids of all changes that were written: `id/serial`. */
  readonly written: readonly string[];
  /** The error of a call; undefined to carry it out. */
  script: (call: ModelCall) => string | undefined;
  of(operation: string): readonly ModelCall[];
  /** Writes the next change of each of these items. */
  write(ids: readonly string[], table?: string): void;
  worker(workerId: string, more?: WorkerOptions): TableWorker;
  start(worker: TableWorker): Promise<void>;
  stop(...workers: readonly TableWorker[]): Promise<void>;
  /** Leases that have not ended, by their key. */
  rows(table?: string): ReadonlyMap<string, { readonly checkpoint: string; readonly owner: string | undefined }>;
}

export interface WorkerOptions {
  readonly source?: Partial<DynamodbStreamOptions>;
  /** Further tables that it reads, with lease tables of their own. */
  readonly also?: readonly string[];
  readonly options?: Partial<ConsumerOptions>;
}

/** A table `orders` with one shard, unless `shards` says otherwise. */
export function tableWorld(clock: ManualClock, options: ScriptedTablesOptions = {}, shards = 1): TableWorld {
  const tables = new ScriptedTables({ now: () => clock.wallNow(), ...options });
  tables.createTable('orders', { shards });
  const leases = virtualTables(clock);
  const calls: ModelCall[] = [];
  const written: string[] = [];
  const serials = new Map<string, number>();

  const send = async (command: { readonly input: Record<string, any> }): Promise<object> => {
    const operation = command.constructor.name.replace(/Command$/, '');
    const call = { operation, input: command.input, at: clock.now() };
    calls.push(call);
    const failure = world.script(call);
    if (failure !== undefined) throw awsError(failure, 'scripted');
    try {
      return await answered(command as never, asSdk(tables.handle(operation, command.input)), clock.wallNow());
    } catch (error) {
      throw error instanceof AwsAnswerError ? awsError(error.code, error.message, error.status) : error;
    }
  };
  const client = { send, config: { region: 'us-east-1' } } as never;

  const world: TableWorld = {
    clock,
    tables,
    leases,
    calls,
    written,
    script: () => undefined,
    of: (operation) => calls.filter((call) => call.operation === operation),
    write(ids, table = 'orders') {
      for (const id of ids) {
        const serial = (serials.get(`${table} ${id}`) ?? -1) + 1;
        serials.set(`${table} ${id}`, serial);
        tables.put(table, { id: { S: id }, serial: { N: String(serial) } });
        written.push(`${id}/${serial}`);
      }
    },
    worker(workerId, { source = {}, also = [], options: more = {} } = {}) {
      const changes = (tableName: string) =>
        dynamodbStream<Order>({
          tableName,
          client,
          tableClient: client,
          ...(also.length === 0 ? {} : { application: `app-${tableName}` }),
          ...source,
        } as DynamodbStreamOptions & TableOrStreamArn);
      const made = watched((seen) =>
        createConsumer({
          logger: false,
          application: 'app',
          workerId,
          source: ['orders', ...also].map(changes),
          reducers: 4,
          reducer: defineReducer({
            init: () => 0,
            reduce: (count: number, item: Item<OrderChange>) => {
              seen.push(item as never);
              return count + 1;
            },
          }),
          leases: { client: leases.client },
          runtime: { clock, timers: clock, random: seeded(workerId.length + workerId.charCodeAt(0)) },
          ...more,
        } as never),
      );
      const seen = made.seen as unknown as Item<OrderChange>[];
      return { ...made, seen, ids: () => seen.map(({ value }) => idOf(value)) };
    },
    start: (worker) => inVirtualTime(clock, worker.consumer.start()),
    async stop(...workers) {
      const stopped = Promise.all(workers.map(({ consumer }) => consumer.stop()));
      await inVirtualTime(clock, stopped, 120_000);
    },
    rows: (table = 'app') =>
      new Map(
        [...leases.items(table)].map(([key, row]) => [
          key,
          { checkpoint: String(row['checkpoint']?.S), owner: row['leaseOwner']?.S },
        ]),
      ),
  };
  return world;
}

const idOf = ({ newImage, keys }: OrderChange): string => `${newImage?.id ?? keys.id}/${newImage?.serial}`;

/** An answer as the SDK's client gives it: dates and bytes instead of numbers and base64. */
function asSdk(value: unknown, name = ''): any {
  if (name === 'ApproximateCreationDateTime') return new Date(Number(value) * 1_000);
  if (Array.isArray(value)) return value.map((each) => asSdk(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([member, each]) => [member, asSdk(each, member)]));
}

/** Changes of one item that come after a later one. A repeat is no fault. */
export function outOfOrder(ids: readonly string[]): readonly string[] {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  const faults: string[] = [];
  for (const each of ids) {
    if (seen.has(each)) continue;
    seen.add(each);
    const [id = '', serial = ''] = each.split('/');
    if (Number(serial) < (last.get(id) ?? -1)) faults.push(`${each} after ${last.get(id)}`);
    last.set(id, Math.max(last.get(id) ?? -1, Number(serial)));
  }
  return faults;
}
