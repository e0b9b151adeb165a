// What is explored: the row, what is on its way to it, and per process a keeper with small models of what stands around it. A
// world is changed by one choice at a time; what a choice changes is copied before, so that every world that was seen can be gone
// on from. Invariant: whatever two worlds have in common is never changed in place.
import type { Behaviour } from '../../actors/protocol/actor.js';
import type {
  LeaseKeeperMessage,
  LeaseKeeperOptions,
  LeaseKeeperState,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { createHandedOut } from '../../src/core/handed-out.js';
import type { HandedOut } from '../../src/core/handed-out.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { LeaseUpdate, WishCondition } from '../../src/api/ports.js';
import type { Item } from '../sim/dynamodb/expressions.js';

export type KeeperBehaviour = Behaviour<LeaseKeeperState, LeaseKeeperMessage>;

/** What is explored, and within which bounds. */
export interface Scene {
  readonly name: string;
  readonly nodes: 2 | 3;
  readonly records: number;
  /** The most faults on one path. */
  readonly faults: number;
  readonly failoverMs: number;
  readonly marginMs: number;
  readonly handOverMs: number;
  readonly stopDeadlineMs: number;
  /** How often one process may ask for the lease. */
  readonly wishes: number;
  /** The first worker, too, asks for the lease when it has lost it. */
  readonly asksBack: boolean;
  /** How far everything has come when exploring begins. */
  readonly from: From;
  /** What may happen, apart from what always does. */
  readonly may: ReadonlySet<May>;
  readonly keeper: (options: LeaseKeeperOptions) => KeeperBehaviour;
}

/** H holds the lease and has delivered nothing; or T has asked, and H yields; drains; has handed over, and knows nothing of it yet. */
export type From = 'begun' | 'answered' | 'draining' | 'handedOver';

export type May =
  | 'stop'
  /** A call acknowledges before it ends. */
  | 'acksEarly'
  | 'lose'
  | 'loseReply'
  | 'late'
  | 'lateReply'
  | 'crashWorker'
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
  /** It takes its time: other things, and time itself, need not wait for it. */
  readonly late: boolean;
  /** Nobody waits for its answer any more. */
  readonly ghost: boolean;
  /** Carried out; only the answer is on its way. */
  readonly result: { readonly value: unknown } | undefined;
  /** When the client gives it up. */
  readonly deadline: number;
}

export interface Keeper {
  readonly id: number;
  readonly writer: string;
  readonly behaviour: KeeperBehaviour;
  state: LeaseKeeperState;
  mail: LeaseKeeperMessage[];
  /** When its timer fires; Infinity where none is set. */
  wakeAt: number;
  /** Of its death watches: what it hears when that worker has crashed. */
  readonly watches: ReadonlyMap<number, LeaseKeeperMessage>;
}

/** A shard worker: asks for its tenure once, delivers record after record, reports what is settled without a gap. */
export interface Worker {
  readonly number: number;
  readonly question: number;
  tenure: Tenure | undefined;
  /** The next record to deliver. */
  next: number;
  first: number;
  /** Up to here everything is settled, as its keeper has heard. */
  reported: number;
  /** Records that it has delivered and that were settled. */
  settled: number[];
  draining: boolean;
  /** It delivers nothing more for now: once nothing is open and no call runs, it ends as one that has drained. */
  paused: boolean;
  /** `revoked` is in its mail. */
  revoked: boolean;
}

/** A call of the application that runs. */
export interface RunningCall {
  readonly record: number;
  readonly worker: number;
  /** The lease was another's, or nobody's, since it began: what is delivered again is no longer this one's to prevent. */
  readonly isOld: boolean;
  /** Its record is settled, and it runs on. */
  readonly isAcked: boolean;
}

export interface Node {
  readonly index: number;
  readonly name: string;
  readonly nonce: string;
  life: 'up' | 'stopping' | 'stopped' | 'dead';
  stalled: boolean;
  keeper: Keeper | undefined;
  /** As its coordinator knows the lease. */
  lease: 'none' | 'trying' | 'held';
  worker: Worker | undefined;
  calls: RunningCall[];
  /** Its last worker has crashed: what that one had called is waited for. */
  crashed: boolean;
  handedOut: HandedOut;
  workers: number;
  incarnations: number;
  wishes: number;
  /** The holder that did not give it the lease, and until when it is left alone. */
  avoid: string | undefined;
  avoidUntil: number;
  coolUntil: number;
  /** The newest record that it has delivered since the lease last became its own, by the row. -1: none. */
  delivered: number;
  /** What a stop was answered. */
  recordsLeft: number | undefined;
}

export interface World {
  now: number;
  item: Item | undefined;
  row: LeaseRow | undefined;
  /** When its counter, and when its wish, last changed. */
  changedAt: number;
  wishAt: number;
  nodes: Node[];
  requests: Request[];
  sent: number;
  faults: number;
  /** Something has been cut short that need not have been, so that records may come again. */
  excused: boolean;
  /** A Java worker has taken the lease. */
  java: boolean;
  /** Per record: how often it was delivered, and whether it was settled. */
  delivered: number[];
  settled: boolean[];
  newestFence: number;
  violation: string | undefined;
  /** What the last choice did, for people: collected only where somebody reads it. */
  said: Said[] | undefined;
}

export interface Said {
  readonly where: number | 'row';
  readonly text: string;
}

export const ROW_KEY = 'shard';
export const names = ['H', 'T', 'U'] as const;

/** Choices are made one at a time on one thread: what a keeper's clock shows is the time of the world at hand. */
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

/** The node, copied: what `world` does to it is seen by no other world. */
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
  const { keeper, worker } = node;
  return {
    ...node,
    handedOut,
    keeper:
      keeper === undefined
        ? undefined
        : { ...keeper, mail: [...keeper.mail], state: cloneState(keeper.state, handedOut, copyOf) },
    worker:
      worker === undefined
        ? undefined
        : {
            ...worker,
            settled: [...worker.settled],
            tenure: worker.tenure === undefined ? undefined : copyOf(worker.tenure),
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
  const { lease, wishing, yielding, release, shardEnd, tenure, open, setbacks } = state;
  return {
    ...state,
    lease: { ...lease, unknown: [...lease.unknown] },
    wishing: wishing === undefined ? undefined : { ...wishing },
    yielding: yielding === undefined ? undefined : { ...yielding },
    release: release === undefined ? undefined : { ...release },
    shardEnd: shardEnd === undefined ? undefined : { ...shardEnd },
    tenure: tenure === undefined ? undefined : { ...tenure, shared: copyOf(tenure.shared) },
    taking: { ...state.taking },
    writes: { ...state.writes },
    traffic: { ...state.traffic },
    standing: { ...state.standing },
    clocks: { ...state.clocks },
    workers: { ...state.workers },
    open: { ...open, handedOut },
    setbacks: { ...setbacks, watchdog: { ...setbacks.watchdog }, falseEnds: { ...setbacks.falseEnds } },
  };
}

export function say(world: World, where: Said['where'], text: string): void {
  world.said?.push({ where, text });
}

/** The first law that is broken on a path is the one that is reported. */
export function breaks(world: World, text: string): void {
  world.violation ??= text;
}

const numbers = '4959000000000000000000000000000000000000000000000000000';

/** Of record n, from 0. */
export function sequenceNumberOf(record: number): string {
  return `${numbers}${record + 1}`;
}

/** The record that a checkpoint is at; -1: none. */
export function recordAt(checkpoint: string): number {
  return checkpoint.startsWith(numbers) ? Number(checkpoint.slice(numbers.length)) - 1 : -1;
}
