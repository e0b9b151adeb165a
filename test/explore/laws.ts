// The laws that hold in every world and for every write. Only `wishEnds` reads the state of a keeper.
import type { ReleaseOutcome } from '../../actors/protocol/lease-messages.js';
import { effectiveFailoverMs } from '../../src/core/lease-failover.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { breaks, names, recordAt, touch, type Call, type Node, type Scene, type World } from './world.js';

/** Checks a write that the table has just carried out. */
export function heldByRow(world: World, by: number, call: Call, before: LeaseRow, after: LeaseRow): void {
  if (call.op !== 'update') {
    if (before.leaseCounter !== after.leaseCounter || before.leaseOwner !== after.leaseOwner)
      breaks(world, 'a wish has touched counter or owner');
    return;
  }
  const reached = recordAt(after.checkpoint);
  if (reached < recordAt(before.checkpoint)) breaks(world, 'the checkpoint goes back');
  for (let record = 0; record <= reached; record++)
    if (world.settled[record] !== true)
      breaks(world, `the checkpoint passes record ${record + 1}, which is not settled`);
  if (call.change.handOver !== undefined) handedOver(world, world.nodes[by] as Node, reached);
  ownerChanged(world, before, after);
}

/** Earlier deliveries and calls of the new owner belong to an earlier ownership from now on. */
export function ownerChanged(world: World, before: LeaseRow, after: LeaseRow): void {
  if (before.leaseOwner === after.leaseOwner) return;
  const index = names.findIndex((name) => name === after.leaseOwner);
  if (index < 0) return;
  const node = touch(world, index);
  node.delivered = -1;
  node.calls = node.calls.map((call) => ({ ...call, isOld: true }));
}

function handedOver(world: World, node: Node, reached: number): void {
  const { name, delivered, shardWorker } = node;
  const open = node.calls.find(({ isOld }) => !isOld);
  if (open !== undefined) breaks(world, `${name} hands over while record ${open.record + 1} is being worked on`);
  if (shardWorker?.tenure !== undefined && !shardWorker.tenure.ended)
    breaks(world, `${name} hands over beside its own worker`);
  if (delivered > reached)
    breaks(world, `${name} hands over at ${reached + 1}, and has delivered record ${delivered + 1}`);
}

/** Runs before a take is carried out: a take from another owner needs an expired lease. */
export function takeIsFair(scene: Scene, world: World, call: Call): void {
  const { row } = world;
  if (call.op !== 'update' || row === undefined || call.expected.counter !== row.leaseCounter) return;
  const { leaseOwner } = call.change;
  if (leaseOwner === undefined || leaseOwner === null) return;
  if (row.leaseOwner === undefined || row.leaseOwner === leaseOwner) return;
  if (world.now - world.changedAt <= effectiveFailoverMs(row, scene.failoverMs))
    breaks(world, `${leaseOwner} takes by force what ${row.leaseOwner} holds`);
}

/** A report of `recordsLeft: 0` is exact: no delivered record lies beyond the checkpoint in the row. */
export function reportHolds(world: World, node: Node, lease: ReleaseOutcome): void {
  if (lease.recordsLeft !== 0 || !lease.released) return;
  // Calls that have acknowledged early do not count: the runtime knows them, and the consumer reports them.
  if (node.calls.some(({ isOld, isAcked }) => !isOld && !isAcked))
    breaks(world, `${node.name} says that it is drained, and a call runs`);
  // Compared with the row, because the report is out of date if the reply to a hand-over was lost.
  if (node.delivered > recordAt(world.row?.checkpoint ?? ''))
    breaks(world, `${node.name} says that it is drained, and record ${node.delivered + 1} is after its checkpoint`);
}

/** Runs after every choice. */
export function check(scene: Scene, world: World): void {
  const live = world.nodes.filter(({ life, shardWorker }) => {
    const tenure = shardWorker?.tenure;
    return life !== 'dead' && tenure !== undefined && !tenure.ended && world.now < tenure.deadline;
  });
  if (live.length > 1 && !world.java) breaks(world, `${live.map(({ name }) => name).join(' and ')} deliver at once`);
  if (world.faults === 0 && !world.excused) {
    const twice = world.delivered.findIndex((times) => times > 1);
    if (twice >= 0) breaks(world, `record ${twice + 1} is delivered twice, and nothing has failed`);
  }
  const owner = world.nodes.find(({ name }) => name === world.row?.leaseOwner);
  if (world.faults === 0 && owner?.life === 'stopped')
    breaks(world, `${owner.name} has stopped, and the lease is its own`);
  for (const node of world.nodes) wishEnds(scene, world, node);
}

/** `longest` is the time to ask, to be answered, to get the lease or withdraw the wish, and of one write. */
function wishEnds(scene: Scene, world: World, { life, stalled, keeper, name }: Node): void {
  if (keeper?.state.phase !== 'wishing' || stalled || life === 'dead') return;
  const longest = 9 * scene.failoverMs + scene.handOverMs;
  if (world.now - keeper.state.clocks.bornAt > longest && keeper.mail.length === 0)
    breaks(world, `the wish of ${name} never ends`);
}
