// Runs one pipe in a test: the consumer's own pipe actor with its nodes, on a runtime of its own. Items go in behind a stage that is not
// real, settled items come out, and time moves only when the test advances it.
import type { Behaviour } from '../../actors/protocol/actor.js';
import type { NodeRequest } from '../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { pipeNode, type NodeFigures, type PipeNodeStatus } from '../../actors/pipe-node/pipe-node.js';
import { pipe as pipeActor } from '../../actors/pipe/pipe.js';
import { counters, statusOf } from '../../supervision/index.js';
import { endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';
import type { ConsumerEvents, KinactEvent } from '../api/events.js';
import type { Pipe } from '../api/pipe.js';
import { consumerTable } from '../options/consumer-option-table.js';
import { refuseUnwritable } from '../options/policy-sinks.js';
import { milliseconds, refuse, resolveTable } from '../options/option-table.js';
import { answerDeadlineOf } from '../options/resolved-options.js';
import { checkItems, createLease, endLease, makeItem, type DrivenItem, type DrivenLease } from './driven-items.js';
import type { DrivePipeOptions } from './generated/drive-pipe-options.js';
import { ManualClock } from './manual-clock.js';
import { drivePipeTable } from './option-tables.js';
import { createRestingRuntime } from './resting-runtime.js';

/** A node of a driven pipe, as `status()` shows it. */
export type DrivenNodeStatus = NodeFigures;

/** Takes the place of the rest of the tree for one pipe. Made by `drivePipe`. */
export interface PipeDriver {
  /**
   * Sends items, in order. Like all async methods here, it resolves when nothing happens any more without time, and no call of a node
   * runs. A call may wait for real timers.
   */
  items(items: readonly DrivenItem[]): Promise<void>;
  /**
   * Lets this many milliseconds pass: timers of nodes fire, failed calls are repeated. A call that runs when `advance` is called may
   * outlast it, so a test can let it pass its deadline. A call that begins later takes none of this time.
   */
  advance(ms: number): Promise<void>;
  /** Sends a flush through the pipe, as a worker with a full ledger does. */
  flush(): Promise<void>;
  /** Asks for a drain, as a worker does at the end of its shard, or before a stop. A failed call is repeated at once. */
  drain(): Promise<void>;
  /** Revokes the lease of this shard. The next item of the shard is delivered under a new fence. */
  revoke(shardId: string): Promise<void>;
  /** Stops the pipe at once, as a restart does: calls are aborted and waited for, at most `callDeadlineMs`. */
  stop(): Promise<void>;
  /** What each node does, in the order of the pipe; empty when the pipe has ended. */
  status(): readonly DrivenNodeStatus[];
  /** The items that are done, as they were given, in the order in which they were settled. Skipped and parked ones are among them. */
  readonly settled: readonly DrivenItem[];
  /** The items that are not done. No items of leases that have ended. */
  readonly open: readonly DrivenItem[];
  /** The items that `recordSkipped` names: for a message of several items, the first. `counts.skippedItems` counts them all. */
  readonly skipped: readonly DrivenItem[];
  /** The items that `itemParked` names: for a message of several items, the first. `counts.parkedItems` counts them all. */
  readonly parked: readonly DrivenItem[];
  /** Shards that the failure policy stopped. */
  readonly stopped: readonly string[];
  /** The error that the pipe has ended with, such as that of `init`. An ended pipe does nothing more. */
  readonly failed: Error | undefined;
  /** The counters of the pipe: `foldedAfterLoss`, `partialAggregates`, `skippedItems`, … */
  readonly counts: Readonly<Record<string, number>>;
  /** The events that the pipe emitted, in order. */
  readonly events: readonly KinactEvent[];
}

/**
 * Drives a pipe: its nodes are called exactly as in a consumer. They start one after the other, the last one first; items that come
 * before wait. Do not install a `ManualClock` meanwhile: the driver has one of its own.
 *
 * @example
 * ```ts
 * const driver = drivePipe(pipe<string>().aggregate({ count: 2 }).to((pair) => console.log(pair)));
 * await driver.items([{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
 * expect(driver.settled).to.have.length(2);
 * await driver.flush();
 * expect(driver.open).to.have.length(0);
 * ```
 *
 * @throws KinactError INVALID_OPTION; the methods of the driver throw INVALID_OPTION too.
 */
export function drivePipe(pipe: Pipe, options: DrivePipeOptions = {}): PipeDriver {
  const { onFailure, callDeadlineMs } = resolveTable(drivePipeTable, options, '');
  const definition = resolveTable({ pipe: consumerTable.pipe }, { pipe }, '').pipe;
  if (definition === undefined) return refuse('pipe', 'a pipe made by pipe()', pipe);
  refuseUnwritable(onFailure, definition);

  const clock = new ManualClock();
  const book = createBook();
  const resting = createRestingRuntime(clock, (event) => book.event(event));
  const { runtime } = resting;
  const stage = spawnRoot(
    runtime,
    fakeStage((ordinal) => book.settle(ordinal)),
    'driven',
  );
  const behaviour = pipeActor({
    ...{ index: 0, application: 'drive', credit: Infinity, progress: { settled: 0 }, stages: [stage] },
    ...{ onFailure, callDeadlineMs, answerDeadlineMs: answerDeadlineOf(callDeadlineMs), clock, random: runtime.random },
    definitions: definition.nodes,
    format: definition.format,
    makeNode: (node) => pipeNode(node) as unknown as Behaviour<never, NodeRequest>,
  });
  const root = spawnRoot(runtime, behaviour as never, 'driven', { shutdownMs: callDeadlineMs });

  let failed: Error | undefined;
  void endingOf(root).then(({ error }) => {
    // Not as an answer: user code may have thrown an error that looks like a promise.
    failed = error;
  });

  const leases = new Map<string, DrivenLease>();
  let [ordinal, messageNumber, fence] = [0, 0, 0];

  const tell = (message: object): Promise<void> => {
    messageNumber += 1;
    sendFromOutside(root, { ...message, stage, number: messageNumber });
    return resting.rest();
  };

  const leaseOf = (shardId: string): DrivenLease => {
    let lease = leases.get(shardId);
    if (lease === undefined) leases.set(shardId, (lease = createLease(shardId, (fence += 1))));
    return lease;
  };

  return {
    items: async (items) => {
      checkItems(items);
      const delivered = items.map((item) => {
        const { tenure } = leaseOf(item.shardId ?? 'shard');
        const made = makeItem(item, (ordinal += 1), { tenure, stage, now: clock.wallNow() });
        book.open.set(made.ordinal, { item, tenure });
        return made;
      });
      return tell({ type: 'items', items: delivered });
    },
    advance: async (ms) => {
      milliseconds(0).parse(ms, 'ms');
      return resting.advance(ms);
    },
    flush: () => tell({ type: 'punctuation', id: 0, shardWorker: fence, kind: 'flush' }),
    drain: () => tell({ type: 'punctuation', id: 0, shardWorker: fence, kind: 'drain' }),
    revoke: async (shardId) => {
      const lease = leases.get(shardId);
      if (lease === undefined) return refuse('shardId', 'a shard with delivered items', shardId);
      leases.delete(shardId);
      endLease(lease);
      const { shardWorkerNumber: shardWorker, source, fence: lost } = lease.tenure;
      return tell({ type: 'revoked', shardWorker, source, shardId, fence: lost });
    },
    stop: () => {
      void stopRoot(root, { deadlineMs: callDeadlineMs });
      return resting.rest();
    },
    // The last node starts first.
    status: () => [...(statusOf(root)?.children ?? [])].reverse().flatMap(({ state }) => shownNode(state)),
    settled: book.settled,
    get open() {
      return [...book.open.values()].filter(({ tenure }) => !tenure.ended).map(({ item }) => item);
    },
    skipped: book.skipped,
    parked: book.parked,
    get stopped() {
      return [...leases].filter(([, { tenure }]) => tenure.stopError !== undefined).map(([shardId]) => shardId);
    },
    get failed() {
      return failed;
    },
    get counts() {
      return counters(runtime);
    },
    events: book.events,
  };
}

function shownNode(state: object | undefined): readonly DrivenNodeStatus[] {
  if (state === undefined) return [];
  const { holding: _, ...shown } = state as PipeNodeStatus;
  return [shown];
}

/** What has become of the items. */
interface Book {
  readonly open: Map<number, { readonly item: DrivenItem; readonly tenure: Tenure }>;
  readonly settled: DrivenItem[];
  readonly skipped: DrivenItem[];
  readonly parked: DrivenItem[];
  readonly events: KinactEvent[];
  settle(ordinal: number): void;
  event(event: KinactEvent): void;
}

function createBook(): Book {
  const open: Book['open'] = new Map();
  const settled: DrivenItem[] = [];
  const skipped: DrivenItem[] = [];
  const parked: DrivenItem[] = [];
  const events: KinactEvent[] = [];

  /** An event comes before its item is settled. */
  const namedBy = ({ shardId, sequenceNumber, subSequenceNumber }: ItemName): readonly DrivenItem[] => {
    for (const [ordinal, { item, tenure }] of open)
      if (
        tenure.shardId === shardId &&
        (item.sequenceNumber ?? String(ordinal)) === sequenceNumber &&
        (item.subSequenceNumber ?? 0) === subSequenceNumber
      )
        return [item];
    return [];
  };

  return {
    open,
    settled,
    skipped,
    parked,
    events,
    settle: (ordinal) => {
      const found = open.get(ordinal);
      if (found !== undefined) settled.push(found.item);
      open.delete(ordinal);
    },
    event: (event) => {
      events.push(event);
      const { name, data } = event;
      if (name === 'recordSkipped') skipped.push(...namedBy(data));
      else if (name === 'itemParked') parked.push(...namedBy(data));
    },
  };
}

type ItemName = Pick<ConsumerEvents['recordSkipped'], 'shardId' | 'sequenceNumber' | 'subSequenceNumber'>;

/** Takes the place of the stages. */
function fakeStage(settle: (ordinal: number) => void): Behaviour<undefined, StageMessage> {
  return {
    kind: 'stage',
    initial: () => [undefined, []],
    receive: (nothing, message) => {
      if (message.type === 'disposed')
        for (const { ordinals } of message.dispositions) for (const ordinal of ordinals) settle(ordinal);
      return [nothing, []];
    },
  };
}
