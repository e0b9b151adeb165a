// A whole cluster in one process and virtual time: one or two streams and their lease tables, several machines with one consumer
// each, and an oracle that sees every write and every delivery. One seed decides everything.
import type { OutOfRangePolicy } from '../../src/core/record-placement.js';
import type { SourceSpec } from '../../src/api/source.js';
import { consumerOf, type Consumer } from '../../src/consumer/consumer.js';
import type { Actors } from '../../src/consumer/wiring.js';
import type { InitialPosition } from '../../src/core/position.js';
import type { PlainPolicy } from '../../src/api/failure-policy.js';
import type { Delivery, TraceEntry } from '../../supervision/intercept.js';
import type { ConsumerEventName } from '../../src/api/events.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import { application } from './application.js';
import { calmLimitMs, drawCadence, limitMs } from './cadence.js';
import { createCalls, waitOf, type Calls } from './calls.js';
import { createCallRates, type CallRates } from './call-rates.js';
import { callDeadlineMs, watchdogMs } from './cluster.js';
import { createCredits, type Credits } from './credits.js';
import { createDice, type Dice } from './dice.js';
import { createMemoryDynamoDb, type MemoryDynamoDb } from './dynamodb/memory-dynamodb.js';
import { createFailovers, type Failovers } from './failovers.js';
import { drawFanOut, fanOutOf, readerBegins, type FanOut } from './fan-out.js';
import { codesOf, conditionOf, earlyRenewals, knowsNoRows, troublesOf, wayMsOf } from './conditions.js';
import { createIncarnations } from './incarnations.js';
import { drawJavaFleet, type JavaFleet } from './java-fleet.js';
import { createMachine, type Machine } from './machine.js';
import { createIntakeLaw, type IntakeLaw } from './intake.js';
import { createLags, type Lags } from './lags.js';
import { createLayout, type Kind, type Layout } from './layout.js';
import { createLimits, type Limits } from './limits.js';
import { listen } from './listening.js';
import { neverBlocks, type Blocking } from './blocking.js';
import { drawPipes, type DrawnPipes } from './pipes/drawn-pipes.js';
import { leaseView, type LeaseView } from './lease-view.js';
import { createOracle, type Oracle } from './oracle.js';
import { createRefusals, type Refusals } from './refusals.js';
import { createServiceFaults, type ServiceFaults } from './service-faults.js';
import { dynamoDbClient, sourcesOf } from './services.js';
import { createSourceLaw, type SourceLaw } from './source-law.js';
import type { Link } from './subscribing.js';
import { createTenures, type Fences, type FrontierReport, type Seen } from './tenures.js';
import { createParkingKeys, type ParkingKeys } from './parked-once.js';
import { drawThrottling, pauseIntake, type Throttling } from './throttling.js';
import { createUndecodable, type Undecodable } from './undecodable.js';
import { calm, createWire, type Weather, type Wire } from './wire.js';
import { note, remember } from './trace-log.js';
import { droppedOf, type Workplace } from './workload.js';

/** A process that stands still gets the changes of its limit all at once. */
const changesOfLimit = 10;

export interface Process {
  readonly machine: Machine;
  readonly consumer: Consumer;
  /** The wires to the stream and to the table. */
  readonly wires: readonly [Wire, Wire];
  /** Set when the process ended by itself. */
  ended: Error | undefined;
  /** `start()` has resolved. */
  started: boolean;
  stopped: boolean;
  /** It has stood still for a while since it was told to stop. */
  disturbed: boolean;
  /** How many failures have been injected into it. After the first one, it may end by itself. */
  hurt: number;
  readonly sources: SourceLaw;
  readonly specs: readonly SourceSpec[];
  readonly intake: IntakeLaw;
  readonly limits: Limits;
  /** A call of the application in it will never end: only the watchdog can restart the shard. */
  hasHung: boolean;
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  readonly maxBytes: number;
  /** The most bytes of records in one answer to it. */
  largestAnswerBytes: number;
  readonly credits: Credits;
  readonly lags: Lags;
}

/** An event of a consumer. */
export interface Said {
  /** World time. */
  readonly at: number;
  readonly process: string;
  readonly name: ConsumerEventName;
  readonly shardId: string | undefined;
  readonly data: object;
}

export interface World {
  readonly dice: Dice;
  readonly clock: ManualClock;
  readonly kinesis: ScriptedKinesis;
  readonly layout: Layout;
  readonly dynamoDb: MemoryDynamoDb;
  readonly leases: LeaseView;
  readonly garbled: Map<string, number>;
  readonly oracle: Oracle;
  readonly processes: Process[];
  /** Java workers that share the table, and know no wishes. */
  java: JavaFleet | undefined;
  readonly initialPosition: InitialPosition;
  /** The longest of any process. In a fifth of the worlds each process has its own, as while a deploy changes it. */
  readonly failoverMs: number;
  readonly failovers: Failovers;
  /** `any`: a random policy at each failure. */
  readonly onFailure: PlainPolicy | 'retry' | 'park' | 'any';
  readonly outOfRange: OutOfRangePolicy;
  readonly keyless: boolean;
  readonly dropped: NonNullable<Workplace['dropped']>;
  /** The streams that can be written to now. */
  readonly streams: () => readonly string[];
  readonly nameOf: Layout['nameOf'];
  /** Streams that were deleted, and whose rows have not been mended yet. */
  readonly lostStreams: Set<string>;
  /** An operator mends a table and has stopped every worker: no worker may start. */
  isShutDown: boolean;
  readonly creatingUntil: Map<string, number>;
  readonly isCreating: (stream: string) => boolean;
  readonly serviceFaults: ServiceFaults;
  readonly callRates: CallRates;
  readonly refusals: Refusals;
  readonly calls: Calls;
  readonly throttling: Throttling;
  readonly pipes: DrawnPipes;
  readonly fanOut: FanOut;
  /** Also draws faults that production code is known not to survive yet. */
  readonly provisional: boolean;
  /** All events except checkpoints. */
  readonly events: Said[];
  /** Probabilities that a service throttles a call, and that an eventually consistent read shows an older item. */
  throttled: number;
  staleReads: number;
  /** Probability that a read returns records again. */
  repeats: number;
  weather: Weather;
  /** Probabilities that a call of the application's code throws, and that a slow call never ends. */
  poison: number;
  hangs: number;
  /** Probability that a call takes longer than its `timeoutMs`. */
  overdue: number;
  /** Probability that a sink of `park` refuses an item. */
  sinkRefuses: number;
  /** A sink of this process keeps something now, and has not said so yet. */
  ambush: (process: string) => boolean;
  /** The items that fail wherever they are called, for a while. */
  readonly badItems: Set<string>;
  readonly undecodable: Undecodable;
  readonly parkingKeys: ParkingKeys;
  hasHung: boolean;
  /** Probability that a call of the application's code takes seconds. */
  lingering: number;
  /** How likely a call of the application's code is to block the process by computing, and for how long. */
  blocking: Blocking;
  /** User records and items written so far, and the items of a raw record by its sequence number. */
  written: number;
  items: number;
  readonly raw: Map<string, readonly string[]>;
  readonly trimmed: Set<string>;
  readonly fences: Fences;
  readonly log: string[];
  readonly trace: { hash: number; readonly last: string[]; atViolation: readonly string[] };
  say(text: string): void;
  start(): Process;
}

/** Makes the actors of a process: those of production, or of a mutant. `link`: a mutant of the reader. */
export type MakeActors = (process: { readonly machine: Machine }) => Actors & { readonly link?: Link };

export function createWorld(seed: number, shards: number, makeActors: MakeActors, provisional: boolean): World {
  const dice = createDice(seed);
  const clock = new ManualClock({ restlessAfter: 5_000_000 });
  const fanOut = drawFanOut(seed);
  const pipes = drawPipes(seed);
  const kinesis = new ScriptedKinesis({
    ...fanOut.settings,
    now: () => clock.wallNow(),
    enforceReadLimits: true,
    missingRecord: dice.pick(['nextRecord', 'invalidArgument', 'resourceNotFound']),
    childShards: dice.chance(0.8),
  });
  const keyless = dice.chance(0.1);
  const kind = dice.pick<Kind>(['one', 'one', 'one', 'several', 'multi']);
  const layout = createLayout(kinesis, kind, keyless ? { mode: 'ON_DEMAND', distribution: 'AUTO' } : {});
  for (const stream of layout.streams) layout.create(stream, Math.ceil(shards / layout.streams.length));
  const outOfRange = keyless ? 'emit' : dice.pick<OutOfRangePolicy>(['emit', 'emit', 'dropRecord', 'dropAggregate']);
  const failovers = createFailovers(seed, dice.pick([10_000, 10_000, 10_000, 3_000, 20_000]));
  const dynamoDb = createMemoryDynamoDb({
    now: () => clock.now(),
    pageItems: dice.pick([3, 1_000]),
    changeMs: 300,
    returnsOld: dice.chance(0.7),
  });
  const trace: World['trace'] = { hash: 0, last: [], atViolation: [] };
  const leases = leaseView(dynamoDb, layout, (leaseKey, reason) =>
    oracle.violate('I29', `${leaseKey} was written and cannot be read: ${reason}`),
  );
  const troubles = (name: string): string => troublesOf(world.processes.find(({ machine }) => machine.name === name));
  const wayMs = (name: string): number => wayMsOf(world.processes.find(({ machine }) => machine.name === name));
  const oracle = createOracle({
    now: () => clock.now(),
    failoverMsOf: failovers.of,
    longestFailoverMs: failovers.longestMs,
    parentsOf: (name) => layout.parentsOf(name),
    childrenOf: (name) => (world.serviceFaults.haveLied('ListShards') ? [] : layout.childrenOf(name)),
    rowOf: (name) => leases.row(name),
    onViolation: () => (trace.atViolation = [...trace.last]),
    troublesOf: troubles,
    knowsNoRows: (name, leaseKey) => knowsNoRows(world, name, leaseKey),
    wayMsOf: wayMs,
    hands: {
      tableOf: (name) => layout.tableOfShard(name),
      conditionOf: (name) => conditionOf(world, name),
      worldCondition: () => ({
        troubles: `${world.garbled.size} ${world.lostStreams.size}`,
        isTroubled: world.garbled.size > 0 || world.lostStreams.size > 0,
        hasHung: false,
      }),
    },
  });
  const world: World = {
    dice,
    clock,
    kinesis,
    layout,
    dynamoDb,
    leases,
    garbled: new Map(),
    oracle,
    processes: [],
    java: undefined,
    initialPosition: dice.pick(['TRIM_HORIZON', 'TRIM_HORIZON', 'LATEST', new Date(clock.wallNow() + 7_000)]),
    failoverMs: failovers.longestMs,
    failovers,
    onFailure: dice.pick(['crash', 'skip', 'stopShard', 'any', 'any', 'retry', 'retry', 'park', 'park']),
    outOfRange,
    keyless,
    dropped: (stream, shardId, keys) => droppedOf(kinesis.stream(stream).shards.get(shardId), outOfRange, keys),
    streams: () => layout.streams.filter((stream) => kinesis.streams.has(stream) && !world.isCreating(stream)),
    nameOf: layout.nameOf,
    isCreating: (stream) => (world.creatingUntil.get(stream) ?? 0) > clock.now(),
    lostStreams: new Set(),
    isShutDown: false,
    creatingUntil: new Map(),
    serviceFaults: createServiceFaults(() => clock.now()),
    callRates: createCallRates(() => clock.now(), failovers.of, oracle.violate),
    refusals: createRefusals({
      now: () => clock.now(),
      failoverMsOf: failovers.of,
      violate: oracle.violate,
      troublesOf: (name) => earlyRenewals(world, name),
    }),
    calls: createCalls({ layout, oracle, now: () => clock.now() }),
    throttling: drawThrottling(seed, pipes),
    pipes,
    fanOut: fanOutOf(fanOut, () => world),
    provisional,
    events: [],
    throttled: 0,
    staleReads: 0.3,
    repeats: 0,
    weather: calm,
    poison: 0,
    hangs: 0,
    overdue: 0,
    sinkRefuses: 0,
    ambush: () => false,
    badItems: new Set(),
    undecodable: createUndecodable(seed, () => world),
    parkingKeys: createParkingKeys(oracle.violate),
    hasHung: false,
    lingering: 0,
    blocking: neverBlocks,
    written: 0,
    items: 0,
    raw: new Map(),
    trimmed: new Set(),
    fences: new Map(),
    log: [],
    trace,
    say: (text) => {
      const line = `${Math.round(clock.now())} ${text}`;
      world.log.push(line);
      remember(world, line);
    },
    start: () => startProcess(world, makeActors),
  };
  world.java = drawJavaFleet(world, seed, !failovers.differ);
  return world;
}

function startProcess(world: World, makeActors: MakeActors): Process {
  const { clock, dice, processes, oracle } = world;
  const name = `p${processes.length}`;
  const mine = dice.split();
  const failoverMs = world.failovers.draw(name);
  const machine = createMachine(name, clock, mine.split());
  const wires = [createWire(machine, clock, mine.split()), createWire(machine, clock, mine.split())] as const;
  for (const wire of wires) wire.weather = world.weather;
  const incarnations = createIncarnations(
    () => clock.now(),
    (text) => oracle.violate('I26', `${name}: ${text}`),
    () => made.reducer?.concurrency !== undefined,
  );
  const violate = (invariant: string, text: string): void => oracle.violate(invariant, `${name}: ${text}`);
  const tenures = createTenures(name, world.fences, violate);
  const retired: number[] = [];
  const credits = createCredits(violate, () => ({
    shardWorkers: incarnations.shardWorkers() + retired.filter((at) => at > clock.now() - 1_000).length,
    calls: made.callsAtOnce + (world.throttling.limits ? changesOfLimit : 0),
    repeats: machine.mischief.duplicated > 0 ? 2 : 1,
  }));
  const cadence = drawCadence(mine, failoverMs);
  world.callRates.cadence(name, cadence);
  const lags = createLags({
    process: name,
    now: () => clock.now(),
    limitMs: limitMs(cadence),
    calmLimitMs: calmLimitMs(cadence),
    wayMs: () => wayMsOf(process),
    isGarbled: (leaseKey) => world.garbled.has(leaseKey),
    nameOf: (source, shardId, sequenceNumber) => world.layout.nameOf(source, shardId, sequenceNumber),
    rowOf: (leaseKey) => world.leases.row(leaseKey),
    troubles: () => `${troublesOf(process)} ${process.hurt} ${wires[1].longWay === undefined} ${world.garbled.size}`,
    violate: oracle.violate,
  });
  const settledOf = new Map<number, number>();
  const noteSettled = ({ shardWorker, records }: FrontierReport['frontier']): void => {
    world.callRates.settled(name, Math.max(0, records - (settledOf.get(shardWorker) ?? 0)));
    settledOf.set(shardWorker, records);
  };
  const { deliver, startEffect } = machine.intercept as Required<typeof machine.intercept>;
  const maxPending = mine.pick([16, 128, 1_024]);
  const maxPendingBytes = mine.pick([600, 32 * 1024 * 1024]);
  const maxBytes = mine.pick([2_000, 20_000, 256 * 1024 * 1024, 256 * 1024 * 1024]);
  let hasComputed = false;
  const watch = {
    hurt: () => void (process.hurt += 1),
    hung: () => void (process.hasHung = true),
    blocked: () => {
      process.disturbed = true;
      hasComputed = true;
    },
  };
  const reducers = mine.between(1, 4);
  const stages = mine.chance(0.2) ? 2 : 1;
  const limits = createLimits({
    now: () => machine.worldNow(),
    reducers,
    isLoose: () => made.reducesSlowly || hasComputed,
    violate,
  });
  const perSecond = world.throttling.limitOf(name);
  const answered = (bytes: number): void => {
    process.largestAnswerBytes = Math.max(process.largestAnswerBytes, bytes);
  };
  const intake = createIntakeLaw({
    now: () => clock.now(),
    stages,
    harmed: () => wires[0].harmed(),
    resumedAt: () => machine.resumedAt(),
    violate,
  });
  const rows = { troubles: () => troublesOf(process), garbledSince: (key: string) => world.garbled.get(key) };
  const sources = createSourceLaw(name, () => machine.worldNow(), rows, violate);
  const made = application(world, machine, { incarnations, limits, sources, tenures, ...watch }, mine);
  const { link, ...actors } = makeActors({ machine });
  const { reducesSlowly: _, callsAtOnce: __, ...options } = made;
  limits.changed(perSecond);
  const specs = sourcesOf(world, {
    ...{ name, wire: wires[0], dice: mine.split(), answered },
    fanOut: { machine, link },
    asks: (operation, stream) => {
      intake.asks(operation);
      sources.asks(operation, stream);
    },
  });
  const consumer = consumerOf(
    {
      logger: false,
      application: 'leases',
      source: specs,
      reducers,
      ...(perSecond === undefined ? {} : { limit: { perSecond } }),
      stages,
      credit: mine.pick([1, 7, 1_024]),
      maxPending,
      maxPendingBytes,
      maxBytes,
      ...options,
      restart: { intensity: mine.pick([3, 20]), periodMs: mine.pick([10_000, 60_000]) },
      callDeadlineMs,
      watchdogMs,
      workerId: name,
      leases: {
        failoverMs,
        multiStream: world.layout.kind === 'multi',
        startDeadlineMs: 600_000,
        client: dynamoDbClient(world, machine, wires[1], mine.split(), (written) => {
          oracle.wrote(written);
          world.calls.wrote(written);
          world.fanOut.laws.wrote(written);
          for (const each of processes) each.sources.wrote(written);
          lags.wrote(written.leaseKey);
        }),
      },
      checkpointIntervalMs: cadence.intervalMs,
      checkpointRecords: cadence.records,
      runtime: {
        clock: machine.clock,
        timers: machine.timers,
        random: { next: () => mine.next() },
        intercept: {
          deliver: (delivery: Delivery, arrive: () => void) => {
            credits.passed(delivery);
            const message = delivery.message as Seen | undefined;
            const waitMs = message === undefined ? undefined : waitOf(message);
            if (waitMs !== undefined) world.calls.givesUp(name, delivery.to.path, waitMs);
            if (message?.type === 'notify') {
              const { shardWorkerNumber: shardWorker, source, shardId } = message.tenure;
              intake.hands(shardWorker);
              incarnations.works(shardWorker, delivery.from?.path ?? '');
              const first = message.records[0]?.sequenceNumber;
              world.calls.works(name, shardWorker, world.layout.nameOf(source, shardId, first));
              tenures.notified(message);
              lags.notified(message);
            } else if (message?.type === 'tenure') {
              tenures.granted(message);
              const { tenure } = message.answer;
              if (tenure !== undefined) world.calls.keeps(name, delivery.from?.path ?? '', tenure.shardWorkerNumber);
              readerBegins(world, name, tenure);
            } else if (message?.type === 'beginTenure') world.refusals.begins(name);
            else if (message?.type === 'retire') retired.push(clock.now());
            else if (message?.type === 'release') world.calls.draining(name, clock.now() + message.deadlineMs);
            else if (message?.type === 'frontier') {
              tenures.reported(message);
              lags.reported(message);
              noteSettled(message.frontier);
            }
            deliver(delivery, arrive);
          },
          startEffect: (actor: { path: string }, info: { name: string }, start: () => unknown) =>
            startEffect(actor as never, info as never, () => incarnations.start(actor.path, info.name, start)),
        },
        trace: (entry: TraceEntry) => {
          incarnations.traced(entry);
          note(world, name, entry);
        },
      },
    },
    actors,
  );
  const process: Process = {
    machine,
    consumer,
    wires,
    ended: undefined,
    started: false,
    stopped: false,
    disturbed: false,
    hurt: 0,
    hasHung: false,
    sources,
    specs,
    intake,
    limits,
    maxPending,
    maxPendingBytes,
    maxBytes,
    largestAnswerBytes: 0,
    credits,
    lags,
  };
  processes.push(process);
  consumer.on('orphaned', ({ actor }) => {
    incarnations.orphaned(actor);
    world.calls.orphaned(name);
  });
  listen(world, process);
  const failed = (error: unknown): void => {
    if (process.ended !== undefined) return;
    process.ended = error as Error;
    world.say(`${name} ended: ${process.ended.message.slice(0, 120)}`);
    const isLost = world.lostStreams.size > 0 && /STREAM_(CHANGED|NOT_FOUND)/.test(String(codesOf(process.ended)));
    // A process gives up, as it should, if the service wrongly says at the start that there is no stream.
    const wasToldSo = !process.started && wires.some((wire) => wire.harmed() > 0);
    if (process.hurt === 0 && !isLost && !wasToldSo)
      oracle.violate('I35', `${name} ended although nothing had failed in it: ${process.ended.message}`);
  };
  // If a process is stopped while it starts, `start` rejects with this error. Any other error counts as a failure.
  const notStarted = (error: unknown): void => {
    if (!process.stopped || !/ stopped while it was starting/.test(String(error))) failed(error);
  };
  const pausedMs = world.throttling.pauseAtStart(name);
  if (pausedMs > 0) pauseIntake(world, process, pausedMs);
  consumer.start().then(() => (process.started = true), notStarted);
  consumer.closed.catch(failed);
  return process;
}
