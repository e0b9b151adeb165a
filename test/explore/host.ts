// Carries out a keeper's effects, and models the actors around it: the coordinator's part in one lease, and a shard worker.
import type { Effect, Ending, Ref } from '../../actors/protocol/actor.js';
import type {
  KeeperNews,
  KeeperNotice,
  LeaseKeeperMessage,
  ShardWorkerRequest,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { FrontierReport, Tenure, TenureAnswer, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import { writerOf } from '../../src/core/writer-signature.js';
import type { LeaseStore } from '../../src/api/ports.js';
import { reportHolds } from './laws.js';
import {
  breaks,
  clock,
  recordAt,
  ROW_KEY,
  say,
  sequenceNumberOf,
  WALL,
  type Call,
  type Keeper,
  type Node,
  type Scene,
  type World,
} from './world.js';

const coordinatorId = 1;
const controlId = (shardWorker: number): number => 1_000 + shardWorker;

/** The last request that a keeper made. The store only notes it; a later choice carries it out. */
let noted: Call | undefined;
const note = (call: Call): never => {
  noted = call;
  return undefined as never;
};
const unused = (): never => {
  throw new Error('a keeper of this model makes no such request');
};
export const store: LeaseStore = {
  tableName: 'memory',
  get: () => note({ op: 'get' }),
  update: (_key, update) => note({ op: 'update', ...update }),
  wish: (_key, expected, wish) => note({ op: 'wish', expected, wish }),
  create: unused,
  ensureTable: unused,
  scan: unused,
  updateMeta: unused,
  delete: unused,
  close: () => undefined,
};

/** The coordinator starts a keeper that tries to get the lease by a wish or by a take. */
export function spawnKeeper(
  scene: Scene,
  world: World,
  node: Node,
  wish: { readonly stale: string | undefined } | undefined,
): void {
  const { row } = world;
  if (row === undefined) throw new Error('no row');
  const incarnation = ++node.incarnations;
  const writer = writerOf(node.nonce, incarnation);
  clock.at = world.now;
  const behaviour = scene.keeper({
    leaseKey: ROW_KEY,
    shardId: ROW_KEY,
    source: 's',
    idempotencyPrefix: 's',
    seenRow: row,
    ...(wish === undefined ? {} : { wish }),
    workerId: node.name,
    writerPrefix: node.nonce,
    writer,
    initialPosition: 'TRIM_HORIZON',
    store,
    handedOut: node.handedOut,
    clock: { now: () => clock.at, wallNow: () => clock.at + WALL },
    random: { next: () => 0.5 },
    failoverMs: scene.failoverMs,
    handOverMs: scene.handOverMs,
    marginMs: scene.marginMs,
    checkpointIntervalMs: 0,
    checkpointRecords: 0,
    callDeadlineMs: scene.callDeadlineMs,
    coordinator: { path: 'lease-coordinator', id: coordinatorId },
  });
  const self: Ref<LeaseKeeperMessage> = { path: `lease-keeper#${incarnation}`, id: 100 + incarnation };
  const [state, effects] = behaviour.initial(self);
  node.keeper = { id: incarnation, writer, behaviour, state, mail: [], wakeAt: Infinity, watches: new Map() };
  node.lease = 'trying';
  perform(scene, world, node, node.keeper, effects);
}

/** The keeper receives a message. `node` must already be a copy. */
export function receive(scene: Scene, world: World, node: Node, message: LeaseKeeperMessage): void {
  const { keeper } = node;
  if (keeper === undefined) return;
  clock.at = world.now;
  const [state, effects] = keeper.behaviour.receive(keeper.state, message);
  keeper.state = state;
  perform(scene, world, node, keeper, effects);
}

/** Crashes the keeper. The writes that it has sent stay on their way. */
export function crashKeeper(scene: Scene, world: World, node: Node): void {
  const { keeper } = node;
  if (keeper === undefined) return;
  clock.at = world.now;
  perform(scene, world, node, keeper, keeper.behaviour.stopped?.(keeper.state, 'crash') ?? []);
  keeperGone(world, node, keeper);
}

export function keeperGone(world: World, node: Node, keeper: Keeper): void {
  abandon(world, node, ({ keeper: id }) => id === keeper.id);
  if (node.keeper === keeper) node.keeper = undefined;
  node.lease = 'none';
  if (node.life === 'stopping') node.life = 'stopped';
  // A worker without a tenure still waits for the answer of this keeper: the keeper's death is the answer.
  if (node.shardWorker?.tenure === undefined) node.shardWorker = undefined;
}

/** No keeper waits for these requests any more, but a write may still be carried out. */
export function abandon(world: World, node: Node, which: (request: World['requests'][number]) => boolean): void {
  world.requests = world.requests.flatMap((request) => {
    if (request.node !== node.index || !which(request)) return [request];
    const { call, result } = request;
    return result !== undefined || call.op === 'get' ? [] : [{ ...request, ghost: true, late: true }];
  });
}

function perform(
  scene: Scene,
  world: World,
  node: Node,
  keeper: Keeper,
  effects: readonly Effect<LeaseKeeperMessage>[],
): void {
  for (const effect of effects) {
    switch (effect.type) {
      case 'send':
        if (effect.to.id === coordinatorId) heard(scene, world, node, (effect.message as KeeperNotice).news);
        else control(world, node, effect.to.id, effect.message as ShardWorkerRequest);
        break;
      case 'reply':
        answered(world, node, effect.to.question, effect.answer as TenureAnswer);
        break;
      case 'run':
        request(scene, world, node, keeper, effect);
        break;
      case 'abort':
        abandon(world, node, ({ keeper: id, name }) => id === keeper.id && name === effect.name);
        break;
      case 'after':
        keeper.wakeAt = world.now + effect.ms;
        break;
      case 'cancel':
        keeper.wakeAt = Infinity;
        break;
      case 'watch': {
        const down = effect.down({ reason: 'crash', orphans: [] } as Ending);
        (node.keeper as { watches: ReadonlyMap<number, LeaseKeeperMessage> }).watches = new Map([
          [effect.actor.id, down],
        ]);
        break;
      }
      case 'end':
        keeperGone(world, node, keeper);
        break;
      case 'emit':
        if (effect.event.name === 'leaseHandedOver') say(world, node.index, 'has handed it over');
        break;
      case 'count':
        break;
      default:
        throw new Error(`a keeper has no effect ${effect.type} here`);
    }
  }
}

function request(
  scene: Scene,
  world: World,
  node: Node,
  keeper: Keeper,
  effect: Extract<Effect<LeaseKeeperMessage>, { readonly type: 'run' }>,
): void {
  noted = undefined;
  effect.start(undefined as never);
  const call = noted as Call | undefined;
  if (call === undefined) throw new Error(`${effect.name} asks the table for nothing`);
  say(world, node.index, `sends ${effect.name}`);
  world.requests.push({
    id: ++world.sent,
    node: node.index,
    keeper: keeper.id,
    name: effect.name,
    call,
    done: effect.done,
    failed: effect.failed,
    late: false,
    ghost: false,
    result: undefined,
    deadline: world.now + Math.floor(scene.failoverMs / 3),
  });
}

/** The coordinator gets a keeper's news at once. Its reaction is a later choice. */
function heard(scene: Scene, world: World, node: Node, news: KeeperNews): void {
  switch (news.type) {
    case 'taken':
      node.lease = 'held';
      say(world, node.index, 'holds it');
      return;
    case 'notTaken':
      node.lease = 'none';
      say(world, node.index, `does not get it: ${news.reason}`);
      if (news.wishFailed !== true) return;
      node.avoid = world.row?.kinactWriter;
      node.avoidUntil = world.now + scene.failoverMs;
      return;
    case 'released':
      node.lease = 'none';
      say(world, node.index, `gives it back, ${news.lease.recordsLeft} left: ${news.reason}`);
      if (news.coolDown) node.coolUntil = world.now + scene.failoverMs;
      node.recordsLeft = news.lease.recordsLeft;
      reportHolds(world, node, news.lease);
      return;
    case 'lost':
    case 'handedOver':
    case 'workerIdInUse':
    case 'ended':
      node.lease = 'none';
      say(world, node.index, news.type === 'lost' ? `has lost it: ${news.reason}` : news.type);
      if (news.type === 'workerIdInUse' || news.type === 'ended') breaks(world, `nobody can have said '${news.type}'`);
      return;
    case 'working':
    case 'advanced':
    case 'idle':
    case 'readsWork':
    case 'readsFail':
    case 'streamDoubted':
  }
}

/** The pipeline starts a worker, which asks for its tenure. */
export function startShardWorker(world: World, node: Node): void {
  const number = ++node.shardWorkers;
  node.crashed = false;
  node.shardWorker = {
    number,
    question: number,
    tenure: undefined,
    next: 0,
    first: 0,
    reported: -1,
    settled: [],
    draining: false,
    paused: false,
    revoked: false,
  };
  const control: Ref<ShardWorkerRequest> = { path: `shard-worker#${number}`, id: controlId(number) };
  const replyTo = { asker: { path: `shard-worker#${number}`, id: controlId(number) }, question: number };
  node.keeper?.mail.push({ type: 'beginTenure', shardWorker: number, shardWorkerRef: control, replyTo });
  say(world, node.index, `worker ${number} asks to begin`);
}

function answered(world: World, node: Node, question: number, answer: TenureAnswer): void {
  const { shardWorker } = node;
  if (shardWorker?.question !== question) return;
  if (answer.type === 'refused') {
    node.shardWorker = undefined;
    say(world, node.index, `worker ${question} is refused: ${answer.reason}`);
    return;
  }
  const { tenure } = answer;
  if (tenure.fence <= world.newestFence) breaks(world, `fence ${tenure.fence} is not above ${world.newestFence}`);
  world.newestFence = Math.max(world.newestFence, tenure.fence);
  const from = tenure.start.type === 'after' ? recordAt(tenure.start.position.sequenceNumber) + 1 : 0;
  shardWorker.tenure = tenure;
  shardWorker.first = from;
  shardWorker.next = from;
  shardWorker.reported = from - 1;
  say(world, node.index, `worker ${question} begins under fence ${tenure.fence} at record ${from + 1}`);
}

function control(world: World, node: Node, to: number, message: ShardWorkerRequest): void {
  const { shardWorker } = node;
  if (
    shardWorker?.tenure === undefined ||
    controlId(shardWorker.number) !== to ||
    message.fence !== shardWorker.tenure.fence
  )
    return;
  if (message.type === 'drain') {
    shardWorker.draining = true;
    say(world, node.index, 'its worker drains');
    endIfDrained(world, node);
  } else if (message.type === 'pause' || message.type === 'resume') {
    shardWorker.paused = message.type === 'pause';
    say(world, node.index, shardWorker.paused ? 'its worker pauses' : 'its worker goes on');
    endIfDrained(world, node);
  } else {
    shardWorker.revoked = true;
    say(world, node.index, `its tenure is over: ${message.reason}`);
    // The stop has interrupted a worker that was slower than its deadline.
    if (message.reason === 'stopping') world.excused = true;
  }
}

/** Whether the worker may deliver one more record now. */
export function mayDeliver(scene: Scene, world: World, { shardWorker, calls }: Node): boolean {
  const tenure = shardWorker?.tenure;
  if (
    shardWorker === undefined ||
    tenure === undefined ||
    shardWorker.draining ||
    shardWorker.paused ||
    shardWorker.next >= scene.records
  )
    return false;
  if (!isLive(world, tenure)) return false;
  // An earlier call for the same record must end first.
  return !calls.some(({ record }) => record === shardWorker.next);
}

export function isLive(world: World, tenure: Tenure): boolean {
  return !tenure.ended && world.now < tenure.deadline;
}

export function deliver(world: World, node: Node): void {
  const shardWorker = node.shardWorker!;
  const record = shardWorker.next;
  shardWorker.next += 1;
  node.calls.push({ record, shardWorker: shardWorker.number, isOld: false, isAcked: false });
  shardWorker.tenure!.newestHandedOut = { sequenceNumber: sequenceNumberOf(record), subSequenceNumber: 0 };
  node.delivered = Math.max(node.delivered, record);
  world.delivered[record] = (world.delivered[record] ?? 0) + 1;
  say(world, node.index, `record ${record + 1} is delivered`);
}

/** Settles the record of a call. The call ends with that if `ends`; otherwise it still runs. */
export function settle(world: World, node: Node, record: number, ends: boolean): void {
  const call = node.calls.find((each) => each.record === record)!;
  node.calls = node.calls.flatMap((each) => (each === call ? (ends ? [] : [{ ...each, isAcked: true }]) : [each]));
  world.settled[record] = true;
  say(world, node.index, call.isAcked ? `the call for ${record + 1} ends` : `record ${record + 1} is settled`);
  const { shardWorker } = node;
  if (shardWorker?.tenure !== undefined && shardWorker.number === call.shardWorker && !call.isAcked) {
    shardWorker.settled.push(record);
    report(node);
  }
  if (shardWorker?.tenure !== undefined && (shardWorker.number === call.shardWorker || shardWorker.paused))
    endIfDrained(world, node);
  callsEnded(world, node);
}

/** During a stop, the consumer tells the keeper when the last call of a crashed pipeline has ended. */
export function callsEnded(world: World, node: Node): void {
  if (!node.crashed || node.calls.length > 0 || node.life !== 'stopping') return;
  node.keeper?.mail.push({ type: 'callsEnded' });
  say(world, node.index, 'the last of its calls has ended');
}

function report(node: Node): void {
  const shardWorker = node.shardWorker!;
  let upTo = shardWorker.reported;
  while (shardWorker.settled.includes(upTo + 1)) upTo += 1;
  if (upTo === shardWorker.reported) return;
  shardWorker.reported = upTo;
  const frontier: FrontierReport = {
    shardWorker: shardWorker.number,
    fence: shardWorker.tenure!.fence,
    position: { sequenceNumber: sequenceNumberOf(upTo), subSequenceNumber: 0 },
    records: upTo - shardWorker.first + 1,
  };
  node.keeper?.mail.push({ type: 'frontier', frontier });
}

function endIfDrained(world: World, node: Node): void {
  const shardWorker = node.shardWorker!;
  if (shardWorker.tenure === undefined || node.calls.length > 0) return;
  if (
    (shardWorker.draining || shardWorker.paused) &&
    shardWorker.settled.length === shardWorker.next - shardWorker.first
  )
    endShardWorker(world, node, { type: 'drained', open: 0 });
}

/** The worker reads `revoked` in its mail. */
export function shardWorkerRevoked(world: World, node: Node): void {
  const { draining, next, first, settled } = node.shardWorker!;
  endShardWorker(
    world,
    node,
    draining ? { type: 'drained', open: next - first - settled.length } : { type: 'tenureEnded' },
  );
}

function endShardWorker(world: World, node: Node, how: ShardWorkerEnd): void {
  const { number, tenure } = node.shardWorker!;
  tenure!.ended = true;
  node.shardWorker = undefined;
  node.keeper?.mail.push({ type: 'shardWorkerEnded', shardWorker: number, fence: tenure!.fence, end: how });
  say(world, node.index, `worker ${number} ends: ${how.type}`);
}

/** The pipeline crashes, but its calls still run. */
export function crashShardWorker(world: World, node: Node): void {
  const { number } = node.shardWorker!;
  const down = node.keeper?.watches.get(controlId(number));
  node.shardWorker = undefined;
  node.crashed = true;
  say(world, node.index, `worker ${number} crashes`);
  if (down !== undefined) node.keeper?.mail.push(down);
  callsEnded(world, node);
}
