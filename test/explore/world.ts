// The world that the search explores: the row, the requests on their way to it, and per process a keeper with small models of the
// actors around it. Each choice changes a copy of the world, so the search can continue from every world that it has seen.
// Invariant: a part that two worlds share is never changed in place.
import type { Behaviour } from '../../actors/protocol/actor.js';
import type {
  LeaseKeeperMessage,
  LeaseKeeperOptions,
  LeaseKeeperState,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { createHandedOut, type HandedOut } from '../../src/core/handed-out-records.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseUpdate, WishCondition } from '../../src/api/ports.js';
import type { Item } from '../sim/dynamodb/expressions.js';

export type KeeperBehaviour = Behaviour<LeaseKeeperState, LeaseKeeperMessage>;

/** The setting of one exploration, and its bounds. */
export interface Scene {
  readonly name: string;
  readonly nodes: 2 | 3;
  readonly records: number;
  /** The most faults on one path. */
  readonly faults: number;
  readonly failoverMs: number;
  readonly marginMs: number;
  readonly handOverMs: number;
  readonly callDeadlineMs: number;
  /** How often one process may ask for the lease. */
  readonly wishes: number;
  /** H may ask for the lease, too, after it has lost it. */
  readonly asksBack: boolean;
  /** The state in which the search begins. */
  readonly from: From;
  /** The choices of this scene besides those that every scene has. */
  readonly may: ReadonlySet<May>;
  readonly keeper: (options: LeaseKeeperOptions) => KeeperBehaviour;
}

/** H holds the lease and has delivered nothing; or T has asked, and H yields, drains, or has handed over without an answer yet. */
export type From = 'begun' | 'answered' | 'draining' | 'handedOver';

export type May =
  | 'stop'
  /** A call acknowledges before it ends. */
  | 'acksEarly'
  | 'lose'
  | 'loseReply'
  | 'late'
  | 'lateReply'
  | 'crashShardWorker'
  | 'crashKeeper'
  | 'kill'
  | 'stall'
  /** A Java worker takes by force. */
  | 'java';

export type Call =
  | { readonly op: 'get' }
  | ({ readonly op: 'update' } & LeaseUpdate)
  | {
      readonly op: 'wish';
      readonly expected: WishCondition;
      readonly wish: { readonly author: string; readonly text: string | null };
    };

/** A request to the table. Never changed in place. */
export interface Request {
  readonly id: number;
  readonly node: number;
  readonly keeper: number;
  readonly name: string;
  readonly call: Call;
  readonly done: (result: never) => LeaseKeeperMessage;
  readonly failed: (error: unknown) => LeaseKeeperMessage;
  /** A slow request: other choices, and time itself, need not wait for it. */
  readonly late: boolean;
  /** No keeper waits for the answer any more. */
  readonly ghost: boolean;
  /** Set once the table has carried the request out and only the answer is on its way. */
  readonly result: { readonly value: unknown } | undefined;
  /** When the client gives the request up. */
  readonly deadline: number;
}

export interface Keeper {
  readonly id: number;
  readonly writer: string;
  readonly behaviour: KeeperBehaviour;
  state: LeaseKeeperState;
  mail: LeaseKeeperMessage[];
  /** When the timer fires; Infinity if none is set. */
  wakeAt: number;
  /** Death watches: by actor id of a worker, the message that the keeper gets when the worker has crashed. */
  readonly watches: ReadonlyMap<number, LeaseKeeperMessage>;
}

/** A shard worker: it asks for its tenure once, delivers record after record, and reports the frontier. */
export interface ShardWorker {
  readonly number: number;
  readonly question: number;
  tenure: Tenure | undefined;
  /** The next record to deliver. */
  next: number;
  first: number;
  /** The newest frontier that it has reported to its keeper. */
  reported: number;
  /** Records that it has delivered and that are settled. */
  settled: number[];
  draining: boolean;
  /** It delivers nothing for now. Once nothing is open and no call runs, it ends with `drained`. */
  paused: boolean;
  /** The message `revoked` waits in its mail. */
  revoked: boolean;
}

/** A running call of the application. */
export interface RunningCall {
  readonly record: number;
  readonly shardWorker: number;
  /** The lease had another owner, or none, after the call began: the laws of a hand-over and a release ignore this call. */
  readonly isOld: boolean;
  /** Its record is settled, but the call still runs. */
  readonly isAcked: boolean;
}

export interface Node {
  readonly index: number;
  readonly name: string;
  readonly nonce: string;
  life: 'up' | 'stopping' | 'stopped' | 'dead';
  stalled: boolean;
  keeper: Keeper | undefined;
  /** The lease as the coordinator sees it. */
  lease: 'none' | 'trying' | 'held';
  shardWorker: ShardWorker | undefined;
  calls: RunningCall[];
  /** Its last worker has crashed: the next one waits until the calls of that worker have ended. */
  crashed: boolean;
  handedOut: HandedOut;
  shardWorkers: number;
  incarnations: number;
  wishes: number;
  /** The `kinactWriter` of the holder at which its wish failed, and until when it asks this holder no more. */
  avoid: string | undefined;
  avoidUntil: number;
  coolUntil: number;
  /** The newest record that it has delivered since the row last named it as new owner. -1: none. */
  delivered: number;
  /** The `recordsLeft` of its last release. */
  recordsLeft: number | 'unknown' | undefined;
}

export interface World {
  now: number;
  item: Item | undefined;
  row: LeaseRow | undefined;
  /** When the counter of the row, and when its wish, last changed. */
  changedAt: number;
  wishAt: number;
  nodes: Node[];
  requests: Request[];
  sent: number;
  faults: number;
  /** A stop has ended a tenure at its deadline, so records may be delivered twice without a fault. */
  excused: boolean;
  /** A Java worker has taken the lease. */
  java: boolean;
  /** Per record: how often it was delivered, and whether it was settled. */
  delivered: number[];
  settled: boolean[];
  newestFence: number;
  violation: string | undefined;
  /** What the last choice did, as text for the chart. Undefined: nothing is collected. */
  said: Said[] | undefined;
}

export interface Said {
  readonly where: number | 'row';
  readonly text: string;
}

export const ROW_KEY = 'shard';
export const names = ['H', 'T', 'U'] as const;

/** The clock of all keepers. A thread makes one choice at a time, so the clock shows the time of the world at hand. */
export const clock = { at: 0 };
export const WALL = 1_700_000_000_000;

export function cloneWorld(world: World): World {
  return {
    ...world,
    nodes: [...world.nodes],
    requests: [...world.requests],
    delivered: [...world.delivered],
    settled: [...world.settled],
  };
}

/** Copies the node, so that no other world sees the changes that `world` makes to it. */
export function touch(world: World, index: number): Node {
  const node = cloneNode(world.nodes[index] as Node);
  world.nodes[index] = node;
  return node;
}

export function cloneNode(node: Node): Node {
  const copies = new Map<object, object>();
  const copyOf = <T extends object>(original: T): T => {
    const known = copies.get(original);
    if (known !== undefined) return known as T;
    const copy = { ...original };
    copies.set(original, copy);
    return copy;
  };
  const handedOut = createHandedOut();
  for (const [lease, { current, ...known }] of node.handedOut)
    handedOut.set(lease, { ...known, current: current === undefined ? undefined : copyOf(current) });
  const { keeper, shardWorker } = node;
  return {
    ...node,
    handedOut,
    keeper:
      keeper === undefined
        ? undefined
        : { ...keeper, mail: [...keeper.mail], state: cloneState(keeper.state, handedOut, copyOf) },
    shardWorker:
      shardWorker === undefined
        ? undefined
        : {
            ...shardWorker,
            settled: [...shardWorker.settled],
            tenure: shardWorker.tenure === undefined ? undefined : copyOf(shardWorker.tenure),
          },
    calls: [...node.calls],
  };
}

/** Copies everything in a keeper's state that is ever changed in place. */
function cloneState(
  state: LeaseKeeperState,
  handedOut: HandedOut,
  copyOf: <T extends object>(original: T) => T,
): LeaseKeeperState {
  const { lease, wishing, receivedWish, releaseOrder, shardEnd, tenure, leftovers, setbacks } = state;
  return {
    ...state,
    lease: { ...lease, unknownWrites: [...lease.unknownWrites] },
    wishing: wishing === undefined ? undefined : { ...wishing },
    receivedWish: receivedWish === undefined ? undefined : { ...receivedWish },
    releaseOrder: releaseOrder === undefined ? undefined : { ...releaseOrder },
    shardEnd: shardEnd === undefined ? undefined : { ...shardEnd },
    tenure: tenure === undefined ? undefined : { ...tenure, shared: copyOf(tenure.shared) },
    taking: { ...state.taking },
    writes: { ...state.writes },
    queuePlace: { ...state.queuePlace },
    timing: { ...state.timing },
    clocks: { ...state.clocks },
    shardWorkers: { ...state.shardWorkers },
    leftovers: { ...leftovers, handedOut },
    setbacks: { ...setbacks, watchdog: { ...setbacks.watchdog }, falseEnds: { ...setbacks.falseEnds } },
  };
}

export function say(world: World, where: Said['where'], text: string): void {
  world.said?.push({ where, text });
}

/** Only the first broken law of a path is reported. */
export function breaks(world: World, text: string): void {
  world.violation ??= text;
}

const numbers = '4959000000000000000000000000000000000000000000000000000';

/** Records are numbered from 0. */
export function sequenceNumberOf(record: number): string {
  return `${numbers}${record + 1}`;
}

/** The record at the position of a checkpoint; -1: none. */
export function recordAt(checkpoint: string): number {
  return checkpoint.startsWith(numbers) ? Number(checkpoint.slice(numbers.length)) - 1 : -1;
}
