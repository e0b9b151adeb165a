// Turns checked options into the parts of the tree: the tables, and how to make each actor. Opens sources and lease tables.
// Strategies and lifetimes are not decided here (tree.ts).
import { leaseCoordinator, type LeaseCoordinatorRequest } from '../../actors/lease-coordinator/lease-coordinator.js';
import { leaseKeeper, type LeaseKeeperOptions } from '../../actors/lease-keeper/lease-keeper.js';
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';
import { callKinds, type CallKind } from '../../actors/reducer/call-meter.js';
import { reducer, type ReducerOptions } from '../../actors/reducer/reducer.js';
import { createLeftItems, type LeftItems } from '../../actors/protocol/left-items.js';
import { shardWorker } from '../../actors/shard-worker/shard-worker.js';
import { shardWorkerSupervisor } from '../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import { stage, type StageOptions } from '../../actors/stage/stage.js';
import type { HeldLease } from '../../actors/protocol/lease-messages.js';
import { sendFromOutside } from '../../supervision/system.js';
import type { TreeParts } from './tree.js';
import { createByteBudget, type ByteBudget } from '../core/byte-budget.js';
import type { Intake } from '../core/intake.js';
import type { RateLimit } from '../core/rate-limit.js';
import { createHandedOut, type HandedOut } from '../core/handed-out-records.js';
import { deliveryMarginMs } from '../core/lease-failover.js';
import { createLeaseTraffic, type LeaseTraffic } from '../core/lease-traffic.js';
import { createCallTally, type CallTally } from '../core/call-tally.js';
import { createSettledTally, openEntry, type SettledTally, type TallyEntry } from '../core/settled-tally.js';
import type { LeaseStore, StreamSource } from '../api/ports.js';
import { createLeftLeases, type LeftLeases } from './left-leases.js';
import type { SourceHistory } from '../api/final-errors.js';
import { silentMeter, type Meter } from '../api/metrics.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import type { SourceSpec, Environment } from '../api/source.js';
import { throughTraffic, type TableTraffic } from './store-traffic.js';
import type { KeeperArguments, TableHistory } from '../../actors/lease-coordinator/options.js';

/** An open source. */
interface OpenSource {
  readonly spec: SourceSpec;
  readonly tableName: string;
  readonly source: StreamSource;
  /** The state of the source, which outlives its coordinators. */
  readonly history: SourceHistory;
}

/** A lease table and the sources with shards in it. */
interface Table {
  readonly store: LeaseStore;
  readonly traffic: TableTraffic;
  readonly history: TableHistory;
  readonly sources: readonly OpenSource[];
}

export interface Wiring {
  readonly tables: readonly string[];
  /** The state of each source, in the order of the options. */
  readonly histories: readonly SourceHistory[];
  readonly parts: Pick<
    TreeParts,
    'tables' | 'stages' | 'reducers' | 'coordinator' | 'stage' | 'reducer' | 'shardWorkerSupervisor'
  >;
  /** Coordinators that are running now, by table. */
  readonly coordinators: ReadonlyMap<string, Ref<LeaseCoordinatorRequest>>;
  /** The leases that keepers still held when the tree ended. */
  readonly left: Pick<LeftLeases, 'inTables'>;
  /** The budget for the bytes that all shard workers hold together. */
  readonly budget: ByteBudget;
  /** How many items reducers have settled: what failures in a row are compared with. */
  readonly progress: { readonly settled: number };
  /** What reducers have noted of items that still wait in a stop. */
  readonly leftItems: LeftItems;
  /** Counts settled records and reads for the meter. Undefined without a meter, because nothing would empty the tally. */
  readonly settled: SettledTally | undefined;
  /** The calls of reducers, by kind. Empty without a meter. */
  readonly calls: ReadonlyMap<string, CallTally>;
  /** Releases the sockets of all sources and tables. Calls `failed` for each one that cannot be closed. Idempotent. */
  close(failed: (resource: string, error: unknown) => void): void;
}

/** The behaviours of the tree. Tests replace some of them, to show what a broken one would lead to. */
export interface Actors {
  readonly leaseCoordinator: typeof leaseCoordinator;
  readonly leaseKeeper: typeof leaseKeeper;
  readonly stage: typeof stage;
  readonly reducer: typeof reducer;
  readonly shardWorkerSupervisor: typeof shardWorkerSupervisor;
  readonly shardWorker: typeof shardWorker;
}

export const actors: Actors = { leaseCoordinator, leaseKeeper, stage, reducer, shardWorkerSupervisor, shardWorker };

/** The delay before a held lease gets a new worker after its old worker ended normally. */
const nextWorkerDelayMs = 1_000;
/** The least default of `handOverMs`. Records behind a backlog may settle only after some seconds, even with a short `failoverMs`. */
const minHandOverMs = 10_000;

let lastWorker = 0;

/** The input for all actors of one consumer. */
interface WiringInput {
  readonly actors: Actors;
  readonly options: ResolvedOptions;
  readonly environment: Environment;
  /** A meter that never throws. */
  readonly meter: Meter;
  readonly processNonce: string;
  readonly intake: Intake;
  readonly limit: RateLimit;
}

/** What all shard workers of a consumer share. */
interface WorkerContext extends Pick<Wiring, 'budget' | 'settled' | 'leftItems'> {
  readonly sources: ReadonlyMap<string, OpenSource>;
}

export function openWiring(input: WiringInput): Wiring {
  const { actors, options, environment } = input;
  const sources = options.sources.map((placed): OpenSource => ({
    ...placed,
    source: placed.spec.open(environment),
    history: { worked: false, failure: undefined, atRisk: new Set() },
  }));
  const tables = openTables(options, environment, sources);
  const byName = new Map(sources.map((opened) => [opened.source.name, opened]));

  const coordinators = new Map<string, Ref<LeaseCoordinatorRequest>>();
  const remembered = { left: createLeftLeases(), handedOut: createHandedOut() };
  const opaqueOf = (source: string): unknown => byName.get(source)?.spec.opaque;
  const itemOf: StageOptions['itemOf'] = (source, record) => byName.get(source)?.source.itemOf?.(record);

  const budget = createByteBudget(options.maxBytes);
  const settled = input.meter === silentMeter ? undefined : createSettledTally();
  const calls = callTallies(input.meter);
  const progress = { settled: 0 };
  const leftItems = createLeftItems();
  const workerContext: WorkerContext = { sources: byName, budget, settled, leftItems };

  return {
    tables: [...tables.keys()],
    histories: sources.map(({ history }) => history),
    coordinators,
    left: remembered.left,
    budget,
    progress,
    leftItems,
    settled,
    calls,
    parts: {
      tables: [...tables.keys()],
      stages: options.stages,
      reducers: options.reducers,
      coordinator: (table) => {
        const tableParts = { ...(tables.get(table) as Table), isSuccessor: coordinators.has(table), ...remembered };
        return onStart(coordinatorOf(input, tableParts), (self) => {
          remembered.left.supersede(table);
          coordinators.set(table, self);
        });
      },
      stage: () => actors.stage({ ...answering(options), ...environment, opaqueOf, itemOf, left: leftItems }),
      reducer: (index, stages) => reducerOf(input, { index, stages, progress, left: leftItems, calls }),
      shardWorkerSupervisor: (stages, coordinatorRefs) =>
        actors.shardWorkerSupervisor({
          coordinators: coordinatorRefs,
          againMs: nextWorkerDelayMs,
          makeWorker: (lease) => workerOf(input, workerContext, stages, lease),
        }) as unknown as Behaviour<never, never>,
    },
    close: (failed) => closeAll(sources, tables, failed),
  };
}

/** The options of an actor that waits for answers of user code. */
function answering(options: ResolvedOptions): ResolvedOptions {
  return { ...options, callDeadlineMs: options.answerDeadlineMs };
}

function closeAll(
  sources: readonly OpenSource[],
  tables: ReadonlyMap<string, Table>,
  failed: Parameters<Wiring['close']>[0],
): void {
  for (const { source } of sources) closeOne(`source '${source.name}'`, () => source.close(), failed);
  for (const [name, { store }] of tables) closeOne(`lease table '${name}'`, () => store.close(), failed);
}

function closeOne(resource: string, close: () => void, failed: (resource: string, error: unknown) => void): void {
  try {
    close();
  } catch (error) {
    failed(resource, error);
  }
}

function openTables(
  options: ResolvedOptions,
  environment: Environment,
  sources: readonly OpenSource[],
): ReadonlyMap<string, Table> {
  const { leases } = options;
  const byTable = new Map<string, OpenSource[]>();
  for (const opened of sources) {
    byTable.set(opened.tableName, [...(byTable.get(opened.tableName) ?? []), opened]);
  }
  return new Map(
    [...byTable].map(([tableName, tableSources]): [string, Table] => {
      const [{ spec }] = tableSources as [OpenSource, ...OpenSource[]];
      const { failoverMs, billing, client } = leases;
      const store = spec.openLeases(environment, { tableName, failoverMs, billing, client });
      const queue = (): LeaseTraffic => createLeaseTraffic({ ...environment, failoverMs });
      const history: TableHistory = { longestFailoverMs: 0, failoverReported: false };
      return [tableName, { store, traffic: { writes: queue(), reads: queue() }, history, sources: tableSources }];
    }),
  );
}

function coordinatorOf(
  { actors, options, environment: { clock, random }, processNonce }: WiringInput,
  table: Table & { readonly isSuccessor: boolean; readonly left: LeftLeases; readonly handedOut: HandedOut },
): Behaviour<never, never> {
  const { leases, workerId, checkpointIntervalMs, checkpointRecords, callDeadlineMs } = options;
  const { onCheckpoint, onShardEnded, answerDeadlineMs: hookDeadlineMs } = options;
  const {
    failoverMs,
    handOverMs = Math.max(failoverMs, minHandOverMs),
    maxLeases,
    startDeadlineMs,
    multiStream,
  } = leases;
  const { store, traffic, isSuccessor } = table;

  return actors.leaseCoordinator({
    store: throughTraffic(store, traffic),
    traffic: traffic.writes,
    tableHistory: table.history,
    sources: table.sources.map(({ spec, source, history }) => ({
      source,
      initialPosition: spec.initialPosition,
      history,
    })),
    multiStream,
    isSuccessor,
    workerId,
    processNonce,
    clock,
    random,
    failoverMs,
    startDeadlineMs,
    callDeadlineMs,
    ...(maxLeases === undefined ? {} : { maxLeases }),
    makeKeeper: (args: KeeperArguments) => {
      const keeper: LeaseKeeperOptions = {
        ...args,
        // The store without a queue: a keeper asks for a permit before each write itself, and its few reads of a row have no queue.
        store,
        traffic: traffic.writes,
        clock,
        random,
        handedOut: table.handedOut,
        failoverMs,
        handOverMs,
        marginMs: deliveryMarginMs(failoverMs),
        checkpointIntervalMs,
        checkpointRecords,
        callDeadlineMs,
        ...(onCheckpoint === undefined ? {} : { onCheckpoint }),
        ...(onShardEnded === undefined ? {} : { onShardEnded, hookDeadlineMs }),
      };
      return table.left.keepStateOf(keeper, actors.leaseKeeper(keeper));
    },
  }) as unknown as Behaviour<never, never>;
}

function reducerOf(
  { actors, options, environment: { clock, random }, limit }: WiringInput,
  own: Pick<ReducerOptions, 'index' | 'stages' | 'progress' | 'left' | 'calls'>,
): Behaviour<never, never> {
  const { reducer: definition, batch } = options;
  return actors.reducer({
    ...answering(options),
    ...own,
    definition,
    batchSize: batch.size,
    batchIntervalMs: batch.intervalMs,
    limit,
    clock,
    random,
    sendFromOutside: (to, message) => sendFromOutside(to, message),
  }) as unknown as Behaviour<never, never>;
}

function workerOf(
  { actors, options, environment: { clock, random }, intake, meter }: WiringInput,
  { sources, budget, settled, leftItems: left }: WorkerContext,
  stages: Parameters<TreeParts['shardWorkerSupervisor']>[0],
  lease: HeldLease,
): Behaviour<never, never> {
  const { source, history } = sources.get(lease.source) as OpenSource;
  const { reducer: definition, batch } = options;
  const gathers = definition.process !== undefined && batch.size > 1;
  lastWorker += 1;
  return actors.shardWorker({
    ...answering(options),
    lease,
    workerNumber: lastWorker,
    source,
    history,
    budget,
    intake,
    left,
    ...(settled === undefined ? {} : { tallyEntry: tallyEntryOf(settled, meter, lease) }),
    stages,
    unpack: (record, range) => source.unpack(record, range),
    flushes: [definition.flush, definition.behaviour].some((each) => each !== undefined) || gathers,
    acksEarly: definition.acknowledge === 'manual' || definition.behaviour !== undefined,
    clock,
    random,
    sendFromOutside: (to, message) => sendFromOutside(to, message),
  }) as unknown as Behaviour<never, never>;
}

function tallyEntryOf(settled: SettledTally, meter: Meter, { source, shardId }: HeldLease): TallyEntry {
  const labels = { source, shardId };
  const isKept = meter.record !== undefined;
  return openEntry(settled, labels, isKept ? (ms) => meter.record?.('GetRecordsTime', ms, labels) : undefined);
}

function callTallies(meter: Meter): ReadonlyMap<CallKind, CallTally> {
  if (meter === silentMeter) return new Map();
  const tallyOf = (call: CallKind): CallTally =>
    createCallTally(
      meter.record === undefined ? undefined : (ms) => meter.record?.('ProcessRecordsTime', ms, { call }),
    );
  return new Map(callKinds.map((call) => [call, tallyOf(call)]));
}

function onStart(
  behaviour: Behaviour<never, never>,
  started: (self: Ref<LeaseCoordinatorRequest>) => unknown,
): Behaviour<never, never> {
  return {
    ...behaviour,
    initial: (self: Ref<LeaseCoordinatorRequest>) => {
      started(self);
      return behaviour.initial(self);
    },
  };
}
