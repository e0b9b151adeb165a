// Turns checked options into the parts of the tree: how to make each actor, over the open sources and lease tables.
// Strategies and lifetimes are not decided here (tree.ts).
import { leaseCoordinator, type LeaseCoordinatorRequest } from '../../actors/lease-coordinator/lease-coordinator.js';
import { leaseKeeper, type LeaseKeeperOptions } from '../../actors/lease-keeper/lease-keeper.js';
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';
import { pipe } from '../../actors/pipe/pipe.js';
import { pipeNode } from '../../actors/pipe-node/pipe-node.js';
import type { NodeRequest } from '../../actors/protocol/pipe-messages.js';
import { callKinds, type CallKind } from '../../actors/reducer/calls/call-meter.js';
import { reducer, type ReducerOptions } from '../../actors/reducer/reducer.js';
import { createLeftItems, type LeftItems } from '../../actors/protocol/left-items.js';
import { shardWorker } from '../../actors/shard-worker/shard-worker.js';
import type { ShardWorkerOptions } from '../../actors/shard-worker/options.js';
import {
  shardWorkerSupervisor,
  type ShardWorkerSupervisorMessage,
} from '../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import { stage, type StageOptions } from '../../actors/stage/stage.js';
import type { HeldLease } from '../../actors/protocol/lease-messages.js';
import { sendFromOutside } from '../../supervision/system.js';
import { onStart } from './start-notice.js';
import type { TreeParts } from './tree.js';
import { createByteBudget, type ByteBudget } from '../core/byte-budget.js';
import { intakeOfShard, type Intake } from '../core/intake.js';
import type { RateLimit } from '../core/rate-limit.js';
import { createHandedOut, type HandedOut } from '../core/handed-out-records.js';
import { deliveryMarginMs } from '../core/lease-failover.js';
import { createCallTally, type CallTally } from '../core/call-tally.js';
import { createSettledTally, openEntry, type SettledTally, type TallyEntry } from '../core/settled-tally.js';
import { createLeftLeases, type LeftLeases } from './left-leases.js';
import { silentMeter, type Meter } from '../api/metrics.js';
import type { Processing, ReducerProcessing, ResolvedOptions } from '../options/resolved-options.js';
import type { Environment } from '../api/source.js';
import {
  forCoordinator,
  openSources,
  type CloseFailed,
  type OpenSource,
  type OpenSources,
  type Table,
} from './open-sources.js';
import { throughTraffic } from './store-traffic.js';
import type { KeeperArguments } from '../../actors/lease-coordinator/options.js';

export interface Wiring {
  readonly sources: OpenSources;
  readonly parts: Pick<
    TreeParts,
    | 'tables'
    | 'stages'
    | 'reducers'
    | 'runners'
    | 'coordinator'
    | 'stage'
    | 'pipe'
    | 'reducer'
    | 'shardWorkerSupervisor'
  >;
  /** Coordinators that are running now, by table. */
  readonly coordinators: Map<string, Ref<LeaseCoordinatorRequest>>;
  /** The actor that runs the shard workers now; undefined before the pipeline has started. */
  readonly shardWorkers: () => Ref<ShardWorkerSupervisorMessage> | undefined;
  /** The leases that keepers still held when the tree ended. */
  readonly leftLeases: Pick<LeftLeases, 'inTables' | 'forget'>;
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
  close(failed: CloseFailed): void;
}

/** The behaviours of the tree. Tests replace some of them, to show what a broken one would lead to. */
export interface Actors {
  readonly leaseCoordinator: typeof leaseCoordinator;
  readonly leaseKeeper: typeof leaseKeeper;
  readonly stage: typeof stage;
  readonly reducer: typeof reducer;
  readonly pipe: typeof pipe;
  readonly pipeNode: typeof pipeNode;
  readonly shardWorkerSupervisor: typeof shardWorkerSupervisor;
  readonly shardWorker: typeof shardWorker;
}

export const actors: Actors = {
  leaseCoordinator,
  leaseKeeper,
  stage,
  reducer,
  pipe,
  pipeNode,
  shardWorkerSupervisor,
  shardWorker,
};

/** The delay before a held lease gets a new shard worker after its old shard worker ended normally. */
const nextShardWorkerDelayMs = 1_000;
/** The least default of `handOverMs`. Records behind a backlog may settle only after some seconds, even with a short `failoverMs`. */
const minHandOverMs = 10_000;

/** Worker numbers are unique in the process. */
let lastShardWorker = 0;

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
type ShardWorkerContext = Pick<Wiring, 'budget' | 'settled' | 'leftItems'>;

/** What a shard worker gets besides its lease. */
interface ShardWorkerParts extends ShardWorkerContext {
  readonly stages: Parameters<TreeParts['shardWorkerSupervisor']>[0];
  readonly opened: OpenSource;
  readonly shardWorkerNumber: number;
}

export function openWiring(input: WiringInput): Wiring {
  const { actors, options, environment } = input;
  const sources = openSources(options, environment);
  const { byName, tables } = sources;

  const coordinators = new Map<string, Ref<LeaseCoordinatorRequest>>();
  const remembered = { leftLeases: createLeftLeases(), handedOut: createHandedOut() };
  const opaqueOf = (source: string): unknown => byName.get(source)?.spec.opaque;
  const itemOf: StageOptions['itemOf'] = (source, record) => byName.get(source)?.source.itemOf?.(record);

  const budget = createByteBudget(options.maxBytes);
  const settled = input.meter === silentMeter ? undefined : createSettledTally();
  const calls = callTallies(input.meter);
  const progress = { settled: 0 };
  const leftItems = createLeftItems();
  const shared: ShardWorkerContext = { budget, settled, leftItems };

  let shardWorkers: Ref<ShardWorkerSupervisorMessage> | undefined;

  return {
    sources,
    coordinators,
    shardWorkers: () => shardWorkers,
    leftLeases: remembered.leftLeases,
    budget,
    progress,
    leftItems,
    settled,
    calls,
    parts: {
      tables: () => [...tables.keys()],
      stages: options.stages,
      reducers: options.reducers,
      runners: runnersOf(options.processing),
      coordinator: (table) => {
        const opened = tables.get(table);
        // Its last source was removed while its supervisor started: it is terminated as soon as it runs.
        if (opened === undefined) return idle;
        const tableParts = { ...opened, isSuccessor: coordinators.has(table), ...remembered };
        return onStart(coordinatorOf(input, tableParts), (self: Ref<LeaseCoordinatorRequest>) => {
          remembered.leftLeases.supersede(table);
          coordinators.set(table, self);
        });
      },
      stage: () => actors.stage({ ...options, ...environment, opaqueOf, itemOf, leftItems }),
      pipe: (index, stages) => pipeOf(input, { index, stages, progress, leftItems }),
      reducer: (index, stages, pipe) => reducerOf(input, { index, stages, progress, leftItems, calls }, pipe),
      shardWorkerSupervisor: (stages, coordinatorRefs) => {
        const behaviour = actors.shardWorkerSupervisor({
          coordinators: coordinatorRefs,
          againMs: nextShardWorkerDelayMs,
          makeShardWorker: (lease) => {
            const opened = byName.get(lease.source);
            if (opened === undefined) return undefined;
            lastShardWorker += 1;
            return makeShardWorker(input, { ...shared, stages, opened, shardWorkerNumber: lastShardWorker }, lease);
          },
        }) as unknown as Behaviour<never, never>;
        return onStart(behaviour, (self: Ref<ShardWorkerSupervisorMessage>) => (shardWorkers = self));
      },
    },
    close: (failed) => sources.closeAll(failed),
  };
}

const idle: Behaviour<never, never> = {
  kind: 'lease-coordinator',
  initial: () => [undefined as never, []],
  receive: (state) => [state, []],
};

function coordinatorOf(
  { actors, options, environment: { clock, random }, processNonce }: WiringInput,
  table: Table & { readonly isSuccessor: boolean; readonly leftLeases: LeftLeases; readonly handedOut: HandedOut },
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
    // A source that is being removed is not handed to a new coordinator: nobody would tell that one to forget it.
    sources: table.sources.filter(({ history }) => history.removed !== true).map(forCoordinator),
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
      return table.leftLeases.keepStateOf(keeper, actors.leaseKeeper(keeper));
    },
  }) as unknown as Behaviour<never, never>;
}

/** A pipe in the place of a reducer, or behind it: then it starts first. */
function runnersOf(processing: Processing): TreeParts['runners'] {
  if (processing.kind === 'pipe') return ['pipe'];
  return processing.pipe === undefined ? ['reducer'] : ['pipe', 'reducer'];
}

/** What the wiring gives to each reducer, and pipe. */
type RunnerParts = Pick<ReducerOptions, 'index' | 'stages' | 'progress' | 'leftItems'>;

function pipeOf(
  { actors, options, environment: { clock, random } }: WiringInput,
  { stages, ...own }: RunnerParts,
): Behaviour<never, never> {
  const { processing } = options;
  const isBehindReducer = processing.kind === 'reducer';
  const { application, onFailure, answerDeadlineMs, doubtOf, credit, callDeadlineMs } = options;
  return actors.pipe({
    ...{ application, onFailure, answerDeadlineMs, doubtOf, credit, callDeadlineMs },
    ...own,
    // A pipe behind a reducer does not speak with the stages.
    stages: isBehindReducer ? [] : stages,
    isBehindReducer,
    definitions: processing.pipe?.nodes ?? [],
    format: processing.pipe?.format,
    clock,
    random,
    makeNode: (node) => actors.pipeNode(node) as unknown as Behaviour<never, NodeRequest>,
  }) as unknown as Behaviour<never, never>;
}

function reducerOf(
  { actors, options, environment: { clock, random }, limit }: WiringInput,
  own: RunnerParts & Pick<ReducerOptions, 'calls'>,
  pipe: ReducerOptions['pipe'],
): Behaviour<never, never> {
  const { reducer: definition, batch } = options.processing as ReducerProcessing;
  return actors.reducer({
    ...options,
    ...own,
    ...(pipe === undefined ? {} : { pipe }),
    definition,
    batchSize: batch.size,
    batchIntervalMs: batch.intervalMs,
    limit,
    clock,
    random,
    sendFromOutside: (to, message) => sendFromOutside(to, message),
  }) as unknown as Behaviour<never, never>;
}

function makeShardWorker(
  { actors, options, environment: { clock, random }, intake, meter }: WiringInput,
  { budget, settled, leftItems, stages, opened, shardWorkerNumber }: ShardWorkerParts,
  lease: HeldLease,
): Behaviour<never, never> {
  const { source, history } = opened;
  return actors.shardWorker({
    ...options,
    ...acknowledgementOf(options.processing),
    lease,
    shardWorkerNumber,
    source,
    history,
    budget,
    intake: intakeOfShard(intake, lease),
    leftItems,
    ...(settled === undefined ? {} : { tallyEntry: tallyEntryOf(settled, meter, lease) }),
    stages,
    unpack: (record, range) => source.unpack(record, range),
    clock,
    random,
    sendFromOutside: (to, message) => sendFromOutside(to, message),
  }) as unknown as Behaviour<never, never>;
}

/** How the application's code settles items: see the options of a shard worker. */
function acknowledgementOf(processing: Processing): Pick<ShardWorkerOptions, 'flushes' | 'acksEarly'> {
  // A node may hold messages until it is flushed, and what it emits may be settled while a call of another node runs.
  if (processing.kind === 'pipe' || processing.pipe !== undefined) return { flushes: true, acksEarly: true };
  const { reducer: definition, batch } = processing;
  const gathers = definition.process !== undefined && batch.size > 1;
  return {
    flushes: [definition.flush, definition.behaviour].some((each) => each !== undefined) || gathers,
    acksEarly: definition.acknowledge === 'manual' || definition.behaviour !== undefined,
  };
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
