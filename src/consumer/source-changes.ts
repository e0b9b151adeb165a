// `addSource` and `removeSource` of a running consumer. Invariants: two calls about one source run one after the other. A coordinator of
// a lease table starts only after the last one of that table has ended. A coordinator may crash at any moment: then its successor is
// asked. The consumer makes one of these at its start.
import { removedError } from '../../actors/lease-coordinator/sources/removed-source.js';
import type { CoordinatorStarted, ReleaseOutcome } from '../../actors/protocol/lease-messages.js';
import type { Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { ask, type SupervisorMessage } from '../../supervision/index.js';
import { sendFromOutside } from '../../supervision/system.js';
import { KinactError } from '../api/errors.js';
import type { AnySource } from '../api/source.js';
import { refuse } from '../options/option-table.js';
import { placeAdded, type ResolvedOptions } from '../options/resolved-options.js';
import { releasedLease } from './consumer-stop.js';
import { releaseLeft, type ReleaseContext } from './left-leases.js';
import { sleep } from './sleep.js';
import { forCoordinator, warnOfClose, type OpenSource } from './open-sources.js';
import type { Pausing } from './pausing.js';
import type { RemovalReport, StopReport } from './stop-report.js';
import { coordinatorSpec } from './tree.js';
import type { Wiring } from './wiring.js';

/** What the changes need of the consumer. */
export interface ChangingConsumer extends ReleaseContext {
  readonly options: ResolvedOptions;
  readonly wiring: Wiring;
  /** The supervisor of the coordinators that is running now. */
  readonly coordinators: () => Ref<SupervisorMessage> | undefined;
  readonly pausing: Pick<Pausing, 'forget'>;
  /** The stop of the consumer, once it has begun. */
  readonly stopping: () => Promise<StopReport> | undefined;
  /** Ends the consumer if no source is left that can be read. */
  readonly endIfAllFailed: () => void;
}

export interface SourceChanges {
  /** Resolves when no removal writes to a table any longer. For a stop, which has released the leases itself. */
  whenQuiet(): Promise<void>;
  add(spec: AnySource): Promise<void>;
  remove(name: string, deadlineMs: number): Promise<RemovalReport>;
}

/** What removals have under way. */
interface Work {
  /** The ends of the coordinators of tables that have no source any longer, by table. */
  readonly tableEnds: Map<string, Promise<void>>;
  /** Writes that no actor of the consumer makes. */
  readonly writing: Set<Promise<unknown>>;
}

/** How soon the successor of a coordinator that has crashed is asked. */
const againMs = 50;
/** How long the leases of a coordinator that has crashed may take: nothing drains, so a release is one write. A stop waits for it. */
const lateReleaseMs = 5_000;
/** The coordinator answers by the deadline. If no answer has come this much later, the coordinator counts as dead. */
const graceMs = 1_000;

export function createSourceChanges(consumer: ChangingConsumer): SourceChanges {
  const { wiring, options } = consumer;
  const removals = new Map<string, Promise<RemovalReport>>();
  const work: Work = { tableEnds: new Map(), writing: new Set() };

  const remove = (name: string, deadlineMs: number): Promise<RemovalReport> => {
    const opened = wiring.sources.byName.get(name);
    if (opened === undefined) return Promise.reject(unknownSource(wiring, name));
    const removal =
      removals.get(name) ?? removeNow(consumer, opened, deadlineMs, work).finally(() => removals.delete(name));
    removals.set(name, removal);
    return removal;
  };

  /** Opens the source and its table. It may be the table of sources that have just been removed. */
  const open = async (spec: AnySource): Promise<OpenSource> => {
    for (;;) {
      refuseIfStopping(consumer);
      const others = [...wiring.sources.byName.values()].map((each) => each.spec);
      const placed = placeAdded(options, others, spec);
      const end = work.tableEnds.get(placed.tableName);
      // Opened in the same turn: another addition may wait for the same name or table.
      if (end !== undefined) {
        await end;
        continue;
      }
      const opened = wiring.sources.open(placed);
      opened.history.joining = true;
      return opened;
    }
  };

  const add = async (spec: AnySource): Promise<void> => {
    // An earlier source of this name is removed first. A wrong value is refused by `open`.
    await removals.get((spec as Partial<AnySource> | undefined)?.name ?? '')?.catch(() => undefined);
    const opened = await open(spec);
    const outcome = await join(consumer, opened);
    opened.history.joining = false;
    if (outcome.type === 'started') return;
    // A removal may have ended before this addition noticed it. By then the name may be that of a source added since.
    if (wiring.sources.byName.get(opened.source.name) === opened)
      await remove(opened.source.name, 0).catch(() => undefined);
    // While this one was being added, the others may have failed.
    consumer.endIfAllFailed();
    throw outcome.error;
  };

  const whenQuiet = async (): Promise<void> => {
    await Promise.all([...work.writing]);
  };
  return { add, remove, whenQuiet };
}

function unknownSource({ sources }: Wiring, name: unknown): Error {
  try {
    return refuse(
      'name',
      `the name of a source: ${[...sources.byName.keys()].map((each) => `'${each}'`).join(', ')}`,
      name,
    );
  } catch (error) {
    return error as Error;
  }
}

function refuseIfStopping({ stopping }: ChangingConsumer): void {
  if (stopping() !== undefined) throw new KinactError('STOPPED', 'The consumer was stopped.');
}

/** Tells the coordinator of the source's table of it, and starts that coordinator if there is none. */
async function join(consumer: ChangingConsumer, opened: OpenSource): Promise<CoordinatorStarted> {
  const { wiring, stopping } = consumer;
  const { tableName } = opened;
  const request = (replyTo: ReplyTo<CoordinatorStarted>) =>
    ({ type: 'addSource', source: forCoordinator(opened), replyTo }) as const;
  for (;;) {
    if (stopping() !== undefined) return abandoned('The consumer was stopped while the source was being added.');
    if (opened.history.removed === true) return abandoned('The source was removed while it was being added.');
    const coordinator = wiring.coordinators.get(tableName);
    const answer = coordinator === undefined ? undefined : await ask(coordinator, request).catch(() => undefined);
    if (answer !== undefined) return answer;
    if (coordinator === undefined && (await startCoordinator(consumer, tableName))) continue;
    await sleep(consumer.environment.timers, againMs);
  }
}

function abandoned(message: string): CoordinatorStarted {
  return { type: 'failed', error: new KinactError('STOPPED', message) };
}

/** Starts the coordinator of a table, and tells the shard workers of it. A pipeline that starts later asks for all coordinators itself. */
async function startCoordinator({ wiring, coordinators }: ChangingConsumer, table: string): Promise<boolean> {
  const supervisor = coordinators();
  if (supervisor === undefined) return false;
  const spec = coordinatorSpec(wiring.parts, table);
  await ask(supervisor, (replyTo: ReplyTo<unknown>) => ({ type: 'startChild', spec, replyTo })).catch(() => undefined);
  const coordinator = wiring.coordinators.get(table);
  if (coordinator === undefined) return false;
  const shardWorkers = wiring.shardWorkers();
  if (shardWorkers !== undefined) sendFromOutside(shardWorkers, { type: 'tableAdded', table, coordinator });
  return true;
}

/** Releases the leases of the source, and forgets it. */
async function removeNow(
  consumer: ChangingConsumer,
  opened: OpenSource,
  deadlineMs: number,
  { tableEnds, writing }: Work,
): Promise<RemovalReport> {
  const { wiring, environment, stopping, emit, pausing } = consumer;
  const { tableName, history, source } = opened;
  const until = environment.clock.now() + deadlineMs;
  const remainingMs = (): number => Math.max(0, until - environment.clock.now());
  history.removed = true;
  // A coordinator that starts from now on does not read the source.
  history.failure ??= removedError(source.name);

  const released = await release(consumer, opened, remainingMs);
  const stop = stopping();
  if (released === undefined && stop !== undefined) return ofSource(await stop, source.name);

  // What keepers held when their coordinator crashed, and no coordinator has taken again.
  const left = wiring.leftLeases.inTables(new Set([tableName])).filter(({ options }) => options.source === source.name);
  const releasing =
    stop === undefined
      ? releaseLeft(consumer, left, 'its source is being removed', lateReleaseMs)
      : Promise.resolve([]);
  writing.add(releasing);
  const late = await releasing.finally(() => writing.delete(releasing));
  wiring.leftLeases.forget(source.name);
  const close = (): void => {
    // A stop closes all sources itself.
    if (stopping() !== undefined) return;
    wiring.sources.close(opened, warnOfClose(emit));
    pausing.forget(source.name);
  };
  if (wiring.sources.isLast(opened)) {
    const ending = endCoordinator(consumer, tableName)
      .then(close)
      .finally(() => tableEnds.delete(tableName));
    tableEnds.set(tableName, ending);
    await ending;
  } else close();
  // What was released late may have been reported as not released before.
  const outcomes = new Map([...(released ?? []), ...late].map((outcome) => [outcome.leaseKey, outcome]));
  return reportOf([...outcomes.values()].map(releasedLease));
}

/** Asks the coordinator, or its successor, to release. Undefined if the consumer is stopped meanwhile. */
async function release(
  consumer: ChangingConsumer,
  { tableName, source }: OpenSource,
  remainingMs: () => number,
): Promise<readonly ReleaseOutcome[] | undefined> {
  const { wiring, stopping, options } = consumer;
  for (;;) {
    const coordinator = wiring.coordinators.get(tableName);
    // No coordinator has ever had the source. One that is being started for it does not read what was removed, and `endCoordinator`
    // ends it: its supervisor was told to start it before.
    if (coordinator === undefined) return [];
    const deadlineMs = remainingMs();
    const request = (replyTo: ReplyTo<readonly ReleaseOutcome[]>) =>
      ({ type: 'removeSource', source: source.name, deadlineMs, replyTo }) as const;
    const patience = { deadlineMs: Math.max(deadlineMs, options.leases.failoverMs) + graceMs };
    const answer = await ask(coordinator, request, patience).catch(() => undefined);
    if (answer !== undefined) return answer;
    if (stopping() !== undefined) return undefined;
    await sleep(consumer.environment.timers, againMs);
  }
}

/** Ends the coordinator of a table without sources. */
async function endCoordinator(consumer: ChangingConsumer, table: string): Promise<void> {
  const { wiring, coordinators, stopping } = consumer;
  // A stop from now on does not ask it.
  wiring.coordinators.delete(table);
  while (stopping() === undefined) {
    const supervisor = coordinators();
    const request = (replyTo: ReplyTo<unknown>): SupervisorMessage => ({ type: 'terminateChild', id: table, replyTo });
    const isEnded =
      supervisor !== undefined &&
      (await ask(supervisor, request).then(
        () => true,
        () => false,
      ));
    if (!isEnded) {
      await sleep(consumer.environment.timers, againMs);
      continue;
    }
    wiring.coordinators.delete(table);
    return;
  }
}

function ofSource({ leases }: StopReport, name: string): RemovalReport {
  return reportOf(leases.filter(({ source }) => source === name));
}

function reportOf(leases: RemovalReport['leases']): RemovalReport {
  return { leases, drained: leases.every(({ released, recordsLeft }) => released && recordsLeft === 0) };
}
