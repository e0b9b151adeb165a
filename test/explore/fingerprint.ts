// Two worlds are the same if their fingerprints are. In `exact`, every time is its distance from now, so equal worlds have the same
// future. In `order`, only the order of the times counts: this is how states are counted. Both hold counters as differences to the
// row's counter, and renumber writers and wishes.
import type { Node, Request, Scene, World } from './world.js';

export interface Fingerprint {
  /** 64 bits each, in two halves. */
  exact: [number, number];
  order: [number, number];
}

/** Times that are only compared with now: all times in the past are equal. */
const deadlines = new Set([
  'retryAt',
  'renewAt',
  'takeBy',
  'liveUntil',
  'raiseAt',
  'readRowAt',
  'until',
  'refuseAt',
  'refuseAtLatest',
  'drainStartsAt',
  'cutAt',
  'writeAt',
  'deadline',
  'nextShardWorkerAt',
  'wakeAt',
  'extraAt',
]);
/** Times from which a duration is counted. */
const since = new Set(['startedAt', 'idleSince', 'counterAt', 'seenAt']);
const counters = new Set(['leaseCounter', 'counter']);
const shardWorkers = new Set(['shardWorker', 'shardWorkerNumber', 'last', 'forShardWorker']);
/** Skipped, because the value is a fixed reference, serves people only, or follows from the rest. */
const skipped = new Set([
  'self',
  'shardWorkerRef',
  'abortController',
  'signal',
  'replyTo',
  'order',
  'permit',
  'serviceTimeMs',
  'bornAt',
  'lastNow',
  'lastWall',
  'wallDeadline',
  'trustedSince',
  'checkpointAt',
  'failing',
  'reportedCheckpoint',
  'begun',
  'looks',
  'hookCalls',
  'onCheckpointCallsMade',
  'timesQueued',
  'idempotencyPrefix',
  'source',
  'table',
  'stream',
  'reason',
  'error',
  'leaseKey',
  'shardId',
  'parentShardIds',
  'childShardIds',
  'records',
  'uncheckpointedRecords',
  'uncheckpointedTimes',
  'renewalBegunAt',
  'advanced',
  // Each worker has one fence.
  'fence',
  'ownerSwitchesSinceCheckpoint',
]);

const texts = new Map<string, number>();
function codeOf(text: string): number {
  const known = texts.get(text);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  texts.set(text, hash);
  return hash;
}

/** A text, split into the writers that it names and the rest. */
interface Parts {
  readonly writers: readonly string[];
  /** The number of the wish, if the text is one. */
  readonly number: number | undefined;
  readonly rest: number;
}
const parsed = new Map<string, Parts>();
function partsOf(text: string): Parts {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const writers: string[] = [];
  let rest = text.replaceAll(/[0-9a-f]{8}\.[a-z]\/\d+/g, (writer) => {
    writers.push(writer);
    return '@';
  });
  const wish = /^@ \d+ (\d+) @ /.exec(rest);
  if (wish !== null) rest = 'wish';
  const parts = { writers, number: wish === null ? undefined : Number(wish[1]), rest: codeOf(rest) };
  parsed.set(text, parts);
  return parts;
}

class Walk {
  a = 0x9e3779b9 | 0;
  b = 0x85ebca6b | 0;
  readonly times: number[] = [];
  readonly #writers: string[] = [];
  readonly #wishes: number[] = [];
  readonly now: number;
  readonly counter: number;
  /** Counts of the node at hand: its workers, and the writes of its keeper. */
  shardWorker = 0;
  writes = 0;

  constructor(now: number, counter: number) {
    this.now = now;
    this.counter = counter;
  }

  add(value: number): void {
    this.a = Math.imul(this.a ^ value, 0x01000193);
    this.a = (this.a << 13) | (this.a >>> 19);
    this.b = Math.imul(this.b + value, 0x5bd1e995);
    this.b ^= this.b >>> 15;
  }

  /** `passed`: for how many milliseconds in the past the time still makes a difference. */
  time(at: number, passed: number): void {
    this.times.push(at === Infinity ? Infinity : Math.max(at - this.now, -passed));
  }

  writer(writer: string): number {
    let index = this.#writers.indexOf(writer);
    if (index < 0) {
      index = this.#writers.length;
      this.#writers.push(writer);
      this.add(writer.charCodeAt(9));
    }
    this.add(index);
    return index;
  }

  /** Adds the number of a wish, relative to the first wish of this author in the walk. */
  wish(author: number, number: number): void {
    this.#wishes[author] ??= number;
    this.add(number - (this.#wishes[author] as number));
  }

  text(text: string): void {
    const { writers, number, rest } = partsOf(text);
    this.add(rest);
    let author = -1;
    for (const writer of writers) {
      const index = this.writer(writer);
      if (author < 0) author = index;
    }
    if (number !== undefined) this.wish(author, number);
  }

  any(key: string, value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        return this.add(0x11);
      case 'boolean':
        return this.add(value ? 0x22 : 0x23);
      case 'string':
        return this.text(value);
      case 'number':
        return this.number(key, value);
      case 'object':
        return this.object(value);
      default:
        throw new Error(`${key} is a ${typeof value}`);
    }
  }

  number(key: string, value: number): void {
    if (deadlines.has(key)) this.time(value, 0);
    else if (since.has(key)) this.time(value, 2_000);
    else if (counters.has(key)) this.add(value - this.counter);
    else if (shardWorkers.has(key)) this.add(Math.max(value - this.shardWorker, -2));
    else if (key === 'id') this.add(value - this.writes);
    else this.add(value === Infinity ? 0x33 : value);
  }

  object(value: object | null): void {
    if (value === null) return this.add(0x44);
    if (Array.isArray(value)) {
      this.add(0x55 + value.length);
      for (const each of value) this.any('', each);
      return;
    }
    if (value instanceof Map) {
      for (const { newest, current, callsMayRun } of value.values()) {
        this.any('', callsMayRun);
        this.any('', newest);
        this.any('', current?.newestHandedOut);
      }
      return;
    }
    if ('writer' in value && 'number' in value) {
      const { writer, number, holder } = value as { writer: string; number: number; holder: string };
      this.wish(this.writer(writer), number);
      this.writer(holder);
      return;
    }
    for (const key in value) {
      if (skipped.has(key)) continue;
      this.add(codeOf(key));
      this.any(key, (value as Record<string, unknown>)[key]);
    }
  }
}

export function fingerprint(scene: Scene, world: World): Fingerprint {
  const { row, now } = world;
  const walk = new Walk(now, row?.leaseCounter ?? 0);
  // Searches with different bounds share the table of counted states.
  walk.add(scene.nodes * 16 + scene.records);
  walk.add(scene.failoverMs ^ scene.handOverMs);
  walk.any('', row);
  walk.time(world.changedAt, scene.failoverMs + 1);
  if (scene.nodes > 2) walk.time(world.wishAt, scene.failoverMs);
  walk.add(world.faults);
  walk.add((world.excused ? 1 : 0) + (world.java ? 2 : 0));
  for (const [record, times] of world.delivered.entries())
    walk.add(Math.min(2, times) * 2 + (world.settled[record] === true ? 1 : 0));
  for (const node of world.nodes) {
    nodeInto(scene, walk, node);
    for (const request of world.requests) if (request.node === node.index) requestInto(walk, node, request);
  }
  return finished(walk);
}

function nodeInto(scene: Scene, walk: Walk, node: Node): void {
  const { life, stalled, keeper, lease, shardWorker, calls, crashed, handedOut } = node;
  walk.shardWorker = node.shardWorkers;
  walk.writes = keeper?.state.writes.begun ?? 0;
  walk.add(codeOf(life) ^ codeOf(lease));
  walk.add((stalled ? 1 : 0) + (crashed ? 2 : 0) + 4 * node.wishes);
  walk.add(node.delivered);
  walk.any('', node.avoid);
  walk.time(node.avoidUntil, 0);
  walk.time(node.coolUntil, 0);
  walk.any('', shardWorker === undefined ? undefined : { ...shardWorker, number: 0, question: 0 });
  if (shardWorker !== undefined) walk.add(shardWorker.number - node.shardWorkers);
  walk.add(calls.length);
  for (const { record, shardWorker: by, isOld, isAcked } of calls) {
    walk.add(4 * record + (isOld ? 1 : 0) + (isAcked ? 2 : 0));
    walk.add(by === shardWorker?.number ? 1 : 0);
  }
  if (keeper === undefined) {
    walk.object(handedOut);
    return walk.add(0x66);
  }
  const { state } = keeper;
  const isWishing = state.phase === 'wishing';
  const longAgo = walk.now - scene.callDeadlineMs - scene.failoverMs;
  const isIdle = state.tenure === undefined || state.tenure.revoked;
  walk.object({
    ...state,
    // While the keeper wishes, its copy of the row is as old as the wish.
    lease: isWishing ? undefined : state.lease,
    wishing: isWishing ? state.wishing : undefined,
    queuePlace: { ...state.queuePlace, takeBy: state.phase === 'taking' ? state.queuePlace.takeBy : Infinity },
    shardWorkers: {
      ...state.shardWorkers,
      idleSince: isIdle ? Math.max(state.shardWorkers.idleSince, longAgo) : Infinity,
    },
  });
  // `bornAt` makes a difference only to the law `wishEnds`.
  if (isWishing) walk.time(state.clocks.bornAt, 20_000);
  walk.writer(keeper.writer);
  walk.time(keeper.wakeAt, 0);
  walk.add(keeper.mail.length);
  for (const message of keeper.mail) walk.object(message);
}

function requestInto(walk: Walk, { keeper }: Node, request: Request): void {
  const { call, late, ghost, result } = request;
  walk.add((late ? 1 : 0) + (ghost ? 2 : 0) + (keeper?.id === request.keeper ? 4 : 0));
  walk.object(call);
  if (late && !ghost) walk.time(request.deadline, 0);
  walk.any('', result);
}

function finished(walk: Walk): Fingerprint {
  const { a, b, times } = walk;
  for (const time of times) walk.add(time === Infinity ? 0x77 : time);
  const exact = mixed(walk);
  walk.a = a;
  walk.b = b;
  // Only the order counts: which times come first, are equal, or have passed.
  const sorted = [...new Set([0, ...times])].toSorted((one, other) => one - other);
  const zero = sorted.indexOf(0);
  for (const time of times) walk.add(time === Infinity ? 0x77 : sorted.indexOf(time) - zero);
  return { exact, order: mixed(walk) };
}

function mixed({ a, b }: Walk): [number, number] {
  return [scrambled(a ^ Math.imul(b, 0x27d4eb2f)), scrambled(b ^ Math.imul(a, 0x165667b1))];
}

function scrambled(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) | 0;
}
