// The choices in a world, and what each of them does. Time passes only when no instant choice is left: a message, a request, a due
// timer. A delay of one of these is a fault and counts as one.
import { expiresAt, isExpired } from '../../src/core/lease-failover.js';
import { holderCanBeAsked } from '../../src/core/lease-wish.js';
import { hasEnded } from '../../src/core/shard-graph.js';
import {
  abandon,
  callsEnded,
  crashKeeper,
  crashShardWorker,
  deliver,
  isLive,
  mayDeliver,
  receive,
  settle,
  spawnKeeper,
  startShardWorker,
  shardWorkerRevoked,
} from './host.js';
import { check, ownerChanged, takeIsFair } from './laws.js';
import { carryOut, rowText, setItem } from './table.js';
import { cloneWorld, names, say, touch, type May, type Node, type Request, type Scene, type World } from './world.js';

type Serve = 'ok' | 'lost' | 'replyLost' | 'late' | 'replyLate' | 'arrives' | 'givenUp';

export type Choice =
  | { readonly kind: 'mail' | 'timer' | 'revoked' | 'resume'; readonly node: number }
  | { readonly kind: 'serve'; readonly request: number; readonly how: Serve }
  | { readonly kind: 'time' }
  | { readonly kind: 'work' | 'deliver' | 'ask' | 'take' | 'stop'; readonly node: number }
  | { readonly kind: 'settle' | 'acknowledge'; readonly node: number; readonly record: number }
  | { readonly kind: 'crashShardWorker' | 'crashKeeper' | 'kill' | 'stall'; readonly node: number }
  | { readonly kind: 'java' };

const isUp = ({ life }: Node): boolean => life === 'up' || life === 'stopping';

/**
 * Every choice that leads to a new world, in an order that depends on the world alone. The others wait while a process is alone: it
 * has something to do at once, and none of its requests is on its way to the table. Its steps and those of the others then give the
 * same result in either order.
 */
export function choicesOf(scene: Scene, world: World): Choice[] {
  const alone = world.nodes.find((node) => isAlone(world, node));
  return alone === undefined ? allOf(scene, world) : aloneOf(scene, world, alone);
}

function isAlone(world: World, node: Node): boolean {
  const { index, keeper } = node;
  if (keeper === undefined || !isUrgent(world, node)) return false;
  if (world.requests.some((request) => request.node === index && !request.ghost)) return false;
  // The law that two live workers break is visible only until one of them ends: so another worker need not wait here.
  const tenure = node.shardWorker?.tenure;
  if (tenure === undefined || !isLive(world, tenure)) return true;
  return world.nodes.every((other) => other === node || other.lease === 'none' || other.shardWorker === undefined);
}

function isUrgent(world: World, { life, stalled, keeper, shardWorker }: Node): boolean {
  if (life === 'dead' || stalled) return false;
  return (
    shardWorker?.revoked === true || (keeper !== undefined && (keeper.mail.length > 0 || keeper.wakeAt <= world.now))
  );
}

function aloneOf(scene: Scene, world: World, node: Node): Choice[] {
  const choices: Choice[] = [];
  urgentOf(world, node, choices);
  freeOf(scene, world, node, choices);
  if (world.faults < scene.faults) faultsAt(scene, node, choices);
  return choices;
}

function allOf(scene: Scene, world: World): Choice[] {
  const choices: Choice[] = [];
  for (const node of world.nodes) urgentOf(world, node, choices);
  for (const request of world.requests) {
    if (!request.late) choices.push({ kind: 'serve', request: request.id, how: 'ok' });
    else if (!request.ghost && world.now >= request.deadline)
      choices.push({ kind: 'serve', request: request.id, how: 'givenUp' });
  }
  const waits = choices.length > 0;
  for (const { id, late } of world.requests) if (late) choices.push({ kind: 'serve', request: id, how: 'arrives' });
  for (const node of world.nodes) freeOf(scene, world, node, choices);
  if (!waits && nextTime(scene, world) < Infinity) choices.push({ kind: 'time' });
  if (world.faults < scene.faults) faultsOf(scene, world, choices);
  return choices;
}

function urgentOf(world: World, node: Node, choices: Choice[]): void {
  if (node.life === 'dead' || node.stalled) return;
  const { index, keeper, shardWorker } = node;
  if (keeper !== undefined && keeper.mail.length > 0) choices.push({ kind: 'mail', node: index });
  if (keeper !== undefined && keeper.wakeAt <= world.now) choices.push({ kind: 'timer', node: index });
  if (shardWorker?.revoked === true) choices.push({ kind: 'revoked', node: index });
}

function freeOf(scene: Scene, world: World, node: Node, choices: Choice[]): void {
  const { index, life, lease, shardWorker, keeper, calls, crashed } = node;
  if (life !== 'dead' && node.stalled) choices.push({ kind: 'resume', node: index });
  if (life === 'dead' || node.stalled) return;
  if (mayDeliver(scene, world, node)) choices.push({ kind: 'deliver', node: index });
  for (const { record, isAcked } of calls) {
    choices.push({ kind: 'settle', node: index, record });
    if (scene.may.has('acksEarly') && !isAcked) choices.push({ kind: 'acknowledge', node: index, record });
  }
  if (life !== 'up') return;
  if (lease === 'held' && keeper !== undefined && shardWorker === undefined && !(crashed && calls.length > 0))
    choices.push({ kind: 'work', node: index });
  if (lease === 'none' && mayAsk(scene, world, node)) choices.push({ kind: 'ask', node: index });
  if (lease === 'none' && mayTake(scene, world, node)) choices.push({ kind: 'take', node: index });
  if (scene.may.has('stop')) choices.push({ kind: 'stop', node: index });
}

function mayAsk(scene: Scene, world: World, { index, name, wishes, avoid, avoidUntil }: Node): boolean {
  const { row, now } = world;
  if (row === undefined || wishes >= wishesOf(scene, index) || hasEnded(row)) return false;
  if (row.leaseOwner === undefined || row.leaseOwner === name || !holderCanBeAsked(row)) return false;
  if (hasExpired(scene, world)) return false;
  return avoid !== row.kinactWriter || now >= avoidUntil;
}

/** H asks only if the scene has `asksBack`. */
function wishesOf({ wishes, asksBack }: Scene, index: number): number {
  return index > 0 || asksBack ? wishes : 0;
}

/** A lease that is free or expired, or that an earlier keeper of this process has left. */
export function mayTake(scene: Scene, world: World, { name, coolUntil }: Node): boolean {
  const { row, now } = world;
  if (row === undefined || hasEnded(row) || now < coolUntil) return false;
  return row.leaseOwner === undefined || row.leaseOwner === name || hasExpired(scene, world);
}

function hasExpired(scene: Scene, { row, now, changedAt }: World): boolean {
  return row !== undefined && isExpired(row, now - changedAt, scene.failoverMs);
}

function faultsOf(scene: Scene, world: World, choices: Choice[]): void {
  const { may } = scene;
  const some: [May, Serve][] = [
    ['lose', 'lost'],
    ['loseReply', 'replyLost'],
    ['late', 'late'],
    ['lateReply', 'replyLate'],
  ];
  for (const { id, late, call } of world.requests) {
    if (late) continue;
    for (const [what, how] of some)
      // A `get` changes nothing, so a lost reply is the same as a lost request.
      if (may.has(what) && !(call.op === 'get' && how === 'replyLost'))
        choices.push({ kind: 'serve', request: id, how });
  }
  for (const node of world.nodes) faultsAt(scene, node, choices);
  if (may.has('java') && !world.java && world.row?.leaseOwner !== undefined) choices.push({ kind: 'java' });
}

function faultsAt({ may }: Scene, node: Node, choices: Choice[]): void {
  if (!isUp(node)) return;
  const { index } = node;
  if (may.has('kill')) choices.push({ kind: 'kill', node: index });
  if (node.stalled) return;
  if (may.has('stall') && node.keeper !== undefined) choices.push({ kind: 'stall', node: index });
  if (may.has('crashShardWorker') && node.shardWorker?.tenure !== undefined)
    choices.push({ kind: 'crashShardWorker', node: index });
  if (may.has('crashKeeper') && node.keeper !== undefined && node.life === 'up')
    choices.push({ kind: 'crashKeeper', node: index });
}

/** The next time at which something becomes due; Infinity: never. */
export function nextTime(scene: Scene, world: World): number {
  const { now, row, changedAt } = world;
  let at = Infinity;
  const consider = (time: number): void => {
    if (time > now && time < at) at = time;
  };
  for (const node of world.nodes) {
    if (node.life === 'dead') continue;
    if (node.keeper !== undefined) consider(node.keeper.wakeAt);
    if (node.stalled && node.shardWorker?.tenure !== undefined) consider(node.shardWorker.tenure.deadline);
    if (node.lease !== 'none' || node.life !== 'up') continue;
    consider(node.coolUntil);
    if (node.wishes < wishesOf(scene, node.index)) consider(node.avoidUntil);
    if (row?.leaseOwner !== undefined && row.leaseOwner !== node.name)
      consider(expiresAt(row, changedAt, scene.failoverMs));
  }
  for (const { late, ghost, deadline } of world.requests) if (late && !ghost) consider(deadline);
  return at;
}

/** The world after a choice. `world` itself does not change. */
export function after(scene: Scene, world: World, choice: Choice): World {
  const next = cloneWorld(world);
  carryOn(scene, next, choice);
  check(scene, next);
  return next;
}

function carryOn(scene: Scene, world: World, choice: Choice): void {
  switch (choice.kind) {
    case 'time':
      world.now = nextTime(scene, world);
      return;
    case 'serve':
      return serve(scene, world, choice);
    case 'java':
      return java(world);
    case 'settle':
    case 'acknowledge':
      return settle(world, touch(world, choice.node), choice.record, choice.kind === 'settle');
    default:
      return act(scene, world, touch(world, choice.node), choice.kind);
  }
}

function act(
  scene: Scene,
  world: World,
  node: Node,
  kind: Exclude<Choice['kind'], 'time' | 'serve' | 'java' | 'settle' | 'acknowledge'>,
): void {
  switch (kind) {
    case 'mail':
      return receive(scene, world, node, node.keeper!.mail.shift()!);
    case 'timer':
      node.keeper!.wakeAt = Infinity;
      return receive(scene, world, node, { type: 'wake' });
    case 'revoked':
      return shardWorkerRevoked(world, node);
    case 'work':
      return startShardWorker(world, node);
    case 'deliver':
      return deliver(world, node);
    case 'ask': {
      node.wishes += 1;
      say(world, node.index, 'wants it');
      const isStale = world.now - world.wishAt >= scene.failoverMs;
      return spawnKeeper(scene, world, node, { stale: isStale ? world.row?.kinactWish : undefined });
    }
    case 'take':
      say(world, node.index, 'sees that it may be taken');
      return spawnKeeper(scene, world, node, undefined);
    case 'stop':
      return stop(scene, world, node);
    case 'resume':
      node.stalled = false;
      say(world, node.index, 'goes on');
      return;
    default:
      world.faults += 1;
      return harm(scene, world, node, kind);
  }
}

function stop(scene: Scene, world: World, node: Node): void {
  node.life = node.keeper === undefined ? 'stopped' : 'stopping';
  say(world, node.index, 'IS TOLD TO STOP');
  node.keeper?.mail.push({ type: 'release', reason: 'stopping', deadlineMs: scene.callDeadlineMs });
  callsEnded(world, node);
}

function harm(
  scene: Scene,
  world: World,
  node: Node,
  kind: 'crashShardWorker' | 'crashKeeper' | 'kill' | 'stall',
): void {
  switch (kind) {
    case 'crashShardWorker':
      return crashShardWorker(world, node);
    case 'crashKeeper':
      say(world, node.index, 'THE KEEPER CRASHES');
      return crashKeeper(scene, world, node);
    case 'stall':
      say(world, node.index, 'STANDS STILL');
      node.stalled = true;
      return;
    case 'kill':
      say(world, node.index, 'IS KILLED');
      abandon(world, node, () => true);
      node.life = 'dead';
      node.keeper = undefined;
      node.shardWorker = undefined;
      node.calls = [];
      node.lease = 'none';
  }
}

function serve(scene: Scene, world: World, { request: id, how }: Extract<Choice, { readonly kind: 'serve' }>): void {
  const at = world.requests.findIndex((each) => each.id === id);
  const request = world.requests[at] as Request;
  const who = `${names[request.node]}'s ${request.name}`;
  const error = new Error(how);
  if (how === 'late' || how === 'replyLate') {
    world.faults += 1;
    say(world, 'row', how === 'late' ? `(${who} IS UNDER WAY FOR LONG)` : `(THE ANSWER TO ${who} TAKES LONG)`);
    const result = how === 'late' ? undefined : { value: effect(scene, world, request) };
    world.requests[at] = { ...request, late: true, result };
    return;
  }
  if (how === 'lost' || how === 'replyLost') world.faults += 1;
  if (how === 'givenUp') {
    say(world, request.node, `gives ${request.name} up`);
    const isOver = request.result !== undefined || request.call.op === 'get';
    if (isOver) world.requests.splice(at, 1);
    else world.requests[at] = { ...request, ghost: true };
    return tell(scene, world, request, request.failed(error));
  }
  world.requests.splice(at, 1);
  if (how === 'lost') {
    say(world, 'row', `(${who} IS LOST)`);
    return tell(scene, world, request, request.failed(error));
  }
  const value = request.result === undefined ? effect(scene, world, request) : request.result.value;
  if (how === 'replyLost') say(world, 'row', `(THE ANSWER TO ${who} IS LOST)`);
  if (request.ghost) return;
  tell(scene, world, request, how === 'replyLost' ? request.failed(error) : request.done(value as never));
}

function effect(scene: Scene, world: World, request: Request): unknown {
  takeIsFair(scene, world, request.call);
  say(world, 'row', `${names[request.node]}'s ${request.name}`);
  return carryOut(world, request);
}

/** With an empty mailbox, the keeper gets the answer at once: a step in between could as well have come before the request. */
function tell(scene: Scene, world: World, request: Request, message: Parameters<typeof receive>[3]): void {
  if (world.nodes[request.node]?.keeper?.id !== request.keeper) return;
  const node = touch(world, request.node);
  const { mail } = node.keeper!;
  if (mail.length > 0 || node.stalled) mail.push(message);
  else receive(scene, world, node, message);
}

/** The take of a Java worker: it leaves kinact's attributes unchanged. */
function java(world: World): void {
  const { item } = world;
  if (item === undefined) return;
  world.faults += 1;
  world.java = true;
  const before = world.row!;
  setItem(world, {
    ...item,
    leaseOwner: { S: 'Java' },
    leaseCounter: { N: String(Number(item['leaseCounter']?.N) + 1) },
  });
  ownerChanged(world, before, world.row!);
  say(world, 'row', 'A JAVA WORKER TAKES IT');
  say(world, 'row', rowText(world.row!));
}
