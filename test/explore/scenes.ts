// The scenes that are explored by default, and the world in which each exploration starts.
import { leaseKeeper } from '../../actors/lease-keeper/lease-keeper.js';
import { createHandedOut } from '../../src/core/handed-out-records.js';
import { writerPrefixOf } from '../../src/core/writer-signature.js';
import { writeLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import type { Item } from '../sim/dynamodb/expressions.js';
import { after, choicesOf, type Choice } from './choices.js';
import { rowOf } from './table.js';
import { names, ROW_KEY, type May, type Node, type Scene, type World } from './world.js';

const everyFault: readonly May[] = [
  'lose',
  'loseReply',
  'late',
  'lateReply',
  'crashShardWorker',
  'crashKeeper',
  'kill',
  'stall',
];

export function scene(
  name: string,
  given: Partial<Omit<Scene, 'may'>> & { readonly may?: readonly May[] } = {},
): Scene {
  return {
    name,
    nodes: 2,
    records: 2,
    faults: 0,
    failoverMs: 1_200,
    marginMs: 120,
    handOverMs: 300,
    callDeadlineMs: 900,
    wishes: 1,
    asksBack: false,
    from: 'begun',
    keeper: leaseKeeper,
    ...given,
    may: new Set(given.may ?? ['stop', ...everyFault]),
  };
}

export const scenes: readonly Scene[] = [
  scene('nothing fails', { wishes: 2, asksBack: true }),
  scene('three workers, nothing fails', { nodes: 3, records: 1 }),
  scene('one fault', { faults: 1 }),
  scene('one fault, three workers', { nodes: 3, records: 1, faults: 1 }),
  scene('calls that acknowledge early', { faults: 1, records: 1, may: ['stop', 'acksEarly', ...everyFault] }),
  scene('a Java worker', { faults: 1, may: ['stop', 'java'] }),
  scene('two faults while one yields', { faults: 2, from: 'answered' }),
  scene('two faults while one drains', { faults: 2, from: 'draining' }),
  scene('two faults at a hand-over', { faults: 2, from: 'handedOver' }),
  scene('two faults', { faults: 2, records: 1 }),
];

function nodeOf(index: number): Node {
  const name = names[index] as string;
  return {
    index,
    name,
    nonce: writerPrefixOf(name, name.toLowerCase()),
    life: 'up',
    stalled: false,
    keeper: undefined,
    lease: 'none',
    shardWorker: undefined,
    calls: [],
    crashed: false,
    handedOut: createHandedOut(),
    shardWorkers: 0,
    incarnations: 0,
    wishes: 0,
    avoid: undefined,
    avoidUntil: 0,
    coolUntil: 0,
    delivered: -1,
    recordsLeft: undefined,
  };
}

/** A row without an owner, and processes without keepers. */
export function empty(scene: Scene): World {
  const item = writeLeaseRow({
    leaseKey: ROW_KEY,
    leaseCounter: 3,
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint: 'TRIM_HORIZON',
    checkpointSubSequenceNumber: 0,
    parentShardIds: [],
    childShardIds: [],
  }) as Item;
  return {
    now: 100_000,
    item,
    row: rowOf(item),
    changedAt: 0,
    wishAt: 0,
    nodes: names.slice(0, scene.nodes).map((_name, index) => nodeOf(index)),
    requests: [],
    sent: 0,
    faults: 0,
    excused: false,
    java: false,
    delivered: Array.from({ length: scene.records }, () => 0),
    settled: Array.from({ length: scene.records }, () => false),
    newestFence: 0,
    violation: undefined,
    said: undefined,
  };
}

/** The world in which the exploration begins. */
export function startOf(scene: Scene): World {
  let world = held(scene);
  if (scene.from === 'begun') return world;
  const goes = (choice: Choice): void => {
    world = after(scene, world, choice);
  };
  goes({ kind: 'deliver', node: 0 });
  goes({ kind: 'ask', node: 1 });
  for (let steps = 0; !isThere(scene, world); steps++) {
    if (steps > 200) throw new Error(`it does not come to ${scene.from}`);
    const { calls } = world.nodes[0]!;
    if (scene.from === 'handedOver' && calls.length > 0) goes({ kind: 'settle', node: 0, record: 0 });
    else goes(next(scene, world) ?? { kind: 'time' });
  }
  return world;
}

function isThere({ from }: Scene, { nodes, row }: World): boolean {
  const phase = nodes[0]?.keeper?.state.receivedWish?.phase;
  return phase === from || (from === 'handedOver' && row?.leaseOwner === nodes[1]?.name);
}

function next(scene: Scene, world: World): Choice | undefined {
  const choices = choicesOf(scene, world);
  return choices.find(({ kind }) => kind === 'mail' || kind === 'serve' || kind === 'timer');
}

/** H holds the lease, and its worker may deliver. */
function held(scene: Scene): World {
  let world = empty(scene);
  const wanted: Choice[] = [
    { kind: 'take', node: 0 },
    { kind: 'work', node: 0 },
  ];
  for (let steps = 0; world.nodes[0]?.shardWorker?.tenure === undefined; steps++) {
    if (steps > 50) throw new Error('the lease does not get its holder');
    world = after(scene, world, next(scene, world) ?? wanted.shift()!);
  }
  return world;
}
