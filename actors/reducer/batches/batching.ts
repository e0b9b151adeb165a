// The state of the calls that get a batch of items: those of `process`, and of a `collectsOnly` reducer after a failure. A task is one
// batch on its way through its calls. It leaves the task item by item: settled, failed, held or dropped.
import type { DeliveredItem } from '../../protocol/item.js';
import type { ReducerRequest } from '../../protocol/pipeline-messages.js';
import type { FoldJob, StateSlot } from '../calls/user-calls.js';
import { createDeque, type Deque } from '../../../src/core/deque.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { ReducerDefinition } from '../../../src/api/reducer.js';

/** So many keys fail without a success in between before the failures count as an outage. */
export function outageKeysOf(definition: ReducerDefinition): number {
  return isolatesFailures(definition) ? 8 : 10;
}

/** Whether an item that waits for another attempt is called alone, and a batch that fails is bisected. */
export function isolatesFailures(definition: ReducerDefinition): boolean {
  return definition.process !== undefined || definition.collectsOnly === true;
}

export interface Task {
  /** What is still to be called, in order. */
  parts: (readonly DeliveredItem[])[];
  /** The last part was cut off by the rate limit: it is a batch of its own, with as many tries as any. */
  hasRest: boolean;
  /** The call under way. */
  call: ProcessCall | undefined;
  /** It repeats a call with one item, which holds its key. */
  readonly isAttempt: boolean;
  readonly at: FailedItem['at'];
  /** How often the whole has failed, since when, and the last error. */
  failures: number;
  failedSince: number;
  cause: unknown;
  /** The whole is not tried any more. */
  isBisected: boolean;
  /** The items that have succeeded, in this order. */
  done: DeliveredItem[];
}

/** `at`: what fails if a call with several items fails. */
export function createTask(parts: Task['parts'], at: Task['at'], isAttempt = false): Task {
  return {
    parts,
    hasRest: false,
    call: undefined,
    isAttempt,
    at,
    failures: 0,
    failedSince: 0,
    cause: undefined,
    isBisected: false,
    done: [],
  };
}

/** One call with some items. */
export interface ProcessCall {
  readonly task: Task;
  readonly items: readonly DeliveredItem[];
  readonly startedAt: number;
  /** The items that the application got; the tenures of the others had ended. */
  handed: readonly DeliveredItem[];
  /** The items for which it has called `ctx.fail` during the call, with the errors. */
  readonly failed: Map<DeliveredItem, unknown>;
  isOver: boolean;
  /** The call stopped at an item whose `reduce` threw, before any flush: the items beside it are called again without it. */
  isRepeated: boolean;
  failure: { readonly cause: unknown } | undefined;
  /** What it has emitted. */
  emitted?: readonly unknown[];
  /** Of a `collectsOnly` reducer: how far it has come. */
  part?: CollectedPart;
}

/** A new state, and the fold of the items into it. */
export interface CollectedPart {
  readonly slot: StateSlot;
  readonly job: FoldJob;
}

/** A punctuation that was taken from the queue and is not answered yet. */
export interface OpenMark {
  readonly mark: Extract<ReducerRequest, { readonly type: 'punctuation' }>;
  /** The tasks that the answer to a flush waits for. */
  readonly tasks: readonly Task[];
}

export interface Batching {
  /** The batch that is being gathered, and since when its first item has waited. */
  open: DeliveredItem[];
  openSince: number;
  /** Since when some item has waited in the queue. */
  queuedSince: number;
  timerIsSet: boolean;
  /** The tasks with a call under way, or to be called next. */
  readonly tasks: Set<Task>;
  /** Those of the tasks that are to be called next. */
  readonly idle: Task[];
  readonly calls: Set<ProcessCall>;
  marks: OpenMark[];
  readonly lanes: KeyLanes | undefined;
  /** How many calls have begun. */
  begun: number;
}

/** The lanes of keys with items that are gathered or in a call (key-lanes.ts). */
export interface KeyLanes {
  readonly byKey: Map<string, Lane>;
  /** The owners of lanes whose turn has come, and that no batch has yet. */
  readonly free: Deque<DeliveredItem>;
  /** How many items wait behind owners. */
  waiting: number;
  /** An item waits behind one in the batch that is being gathered, and would wait for the whole time of the batch. */
  isCrowded: boolean;
}

/** `isGathered`: its owner is in the batch that is being gathered. */
export interface Lane {
  owner: DeliveredItem;
  behind: Deque<DeliveredItem> | undefined;
  isGathered: boolean;
}

/** How many calls may be under way at once. */
export function maxCallsOf(definition: ReducerDefinition): number {
  return definition.concurrency ?? 1;
}

export function createBatching(definition: ReducerDefinition, now: number): Batching {
  const lanes = { byKey: new Map(), free: createDeque<DeliveredItem>(), waiting: 0, isCrowded: false };
  return {
    lanes: definition.concurrency === undefined ? undefined : lanes,
    begun: 0,
    open: [],
    openSince: now,
    queuedSince: now,
    timerIsSet: false,
    tasks: new Set(),
    idle: [],
    calls: new Set(),
    marks: [],
  };
}

/** Adds a task whose first part is to be called next. */
export function addTask({ tasks, idle }: Batching, task: Task): void {
  tasks.add(task);
  idle.push(task);
}

/** Calls the whole of a task that has waited again. Its first part is what has failed. */
export function repeatTask(batching: Batching, task: Task): void {
  raiseAttempts(task.parts[0] as readonly DeliveredItem[]);
  addTask(batching, task);
}

/** Notes that these items are delivered once more. */
export function raiseAttempts(items: readonly DeliveredItem[]): void {
  for (const item of items) item.attempt += 1;
}

/** The items of a task, those of its call first. */
export function* itemsOfTask({ call, parts }: Task): Generator<DeliveredItem> {
  if (call !== undefined) yield* call.items;
  for (const part of parts) yield* part;
}

/** The items of the tasks, and those that are gathered. */
export function* batchedItems(batching: Batching): Generator<DeliveredItem> {
  for (const task of batching.tasks) yield* itemsOfTask(task);
  yield* gatheredItems(batching);
}

/** The items that no task has yet. */
export function* gatheredItems({ open, lanes }: Batching): Generator<DeliveredItem> {
  yield* open;
  if (lanes === undefined) return;
  yield* inDeque(lanes.free);
  if (lanes.waiting > 0)
    for (const { behind } of lanes.byKey.values()) if (behind !== undefined) yield* inDeque(behind);
}

function* inDeque(items: Deque<DeliveredItem>): Generator<DeliveredItem> {
  for (let place = 0; place < items.length; place += 1) yield items.at(place) as DeliveredItem;
}

/**
 * Takes out the items of a key that is held now: from parts still to be called, and from the batch that is being gathered. What
 * arrives meanwhile could pass them. In lanes there are none.
 */
export function withdraw(batching: Batching, key: string): readonly DeliveredItem[] {
  const { tasks, lanes, open } = batching;
  if (lanes !== undefined) return [];
  const withdrawn: DeliveredItem[] = [];
  const without = (items: readonly DeliveredItem[]): DeliveredItem[] => {
    const kept = items.filter((item) => item.key !== key);
    if (kept.length < items.length) withdrawn.push(...items.filter((item) => item.key === key));
    return kept;
  };
  for (const task of tasks) task.parts = task.parts.map(without);
  batching.open = without(open);
  return withdrawn;
}

/** How many items are gathered. */
export function gatheredCount({ open, lanes }: Batching): number {
  return open.length + (lanes === undefined ? 0 : lanes.free.length + lanes.waiting);
}

/** The tasks with items of this shard worker. */
export function tasksOf({ tasks }: Batching, shardWorker: number): readonly Task[] {
  return [...tasks].filter((task) => hasItemOf(task, shardWorker));
}

/**
 * The tasks that a drain for this shard worker waits for. An earlier shard worker of the same shard may have left a call behind, and the
 * lease must not be released beside that call. So calls for ended tenures count, too, of whichever shard.
 */
export function tasksForDrain({ tasks }: Batching, shardWorker: number): readonly Task[] {
  return [...tasks].filter(
    (task) => hasItemOf(task, shardWorker) || (task.call !== undefined && isOfEndedTenure(task)),
  );
}

function isOfEndedTenure(task: Task): boolean {
  for (const { tenure } of itemsOfTask(task)) if (tenure.ended) return true;
  return false;
}

function hasItemOf(task: Task, shardWorker: number): boolean {
  for (const { tenure } of itemsOfTask(task)) if (tenure.shardWorkerNumber === shardWorker) return true;
  return false;
}

/** The call under way that began first. */
export function oldestCall({ calls }: Batching): ProcessCall | undefined {
  // A set keeps the order in which calls began.
  return calls.values().next().value;
}
