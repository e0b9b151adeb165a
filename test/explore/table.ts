// One row of the lease table. It carries out the update expressions of the production code as DynamoDB does.
import { readLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import { leaseUpdate, wishUpdate, type UpdateParts } from '../../src/aws/dynamodb/lease-update.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { WishOutcome, WriteOutcome } from '../../src/api/ports.js';
import { conditionHolds, updatedItem, type Item } from '../sim/dynamodb/expressions.js';
import { heldByRow } from './laws.js';
import { say, type Call, type Request, type World } from './world.js';

const rows = new WeakMap<Item, LeaseRow>();

export function rowOf(item: Item | undefined): LeaseRow | undefined {
  if (item === undefined) return undefined;
  const known = rows.get(item);
  if (known !== undefined) return known;
  const read = readLeaseRow(item as never);
  if (read.type !== 'lease') throw new Error(`the row cannot be read: ${JSON.stringify(read)}`);
  rows.set(item, read.row);
  return read.row;
}

function partsOf(call: Exclude<Call, { readonly op: 'get' }>): UpdateParts {
  return call.op === 'update'
    ? leaseUpdate(call.expected, call.change, call.writer)
    : wishUpdate(call.expected, call.wish);
}

/** Carries the request out and returns the answer of the `LeaseStore`. */
export function carryOut(
  world: World,
  { call, node, name }: Request,
): LeaseRow | WriteOutcome | WishOutcome | undefined {
  if (call.op === 'get') return world.row;
  const parts = partsOf(call);
  const { item } = world;
  if (item === undefined || !conditionHolds(parts.ConditionExpression, parts, item)) {
    say(world, 'row', `refuses ${name}`);
    return { type: 'refused', current: world.row };
  }
  const before = world.row as LeaseRow;
  setItem(world, updatedItem(parts.UpdateExpression, parts, item));
  const after = world.row as LeaseRow;
  heldByRow(world, node, call, before, after);
  say(world, 'row', rowText(after));
  if (call.op === 'wish') return { type: 'written' };
  const { kinactWish: wish } = after;
  return { type: 'written', counter: call.expected.counter + 1, ...(wish === undefined ? {} : { wish }) };
}

export function setItem(world: World, item: Item): void {
  const before = world.row;
  world.item = item;
  world.row = rowOf(item);
  if (before?.leaseCounter !== world.row?.leaseCounter) world.changedAt = world.now;
  if (before?.kinactWish !== world.row?.kinactWish) world.wishAt = world.now;
}

export function rowText({ leaseCounter, leaseOwner, checkpoint, kinactWish, kinactAnswer }: LeaseRow): string {
  const [author, , number] = kinactWish?.split(' ') ?? [];
  const said = [
    `${leaseCounter} ${leaseOwner ?? 'nobody'}`,
    checkpoint.startsWith('4959') ? `at ${Number(checkpoint.slice(-2))}` : 'at the start',
    ...(author === undefined ? [] : [`wish ${author.slice(author.indexOf('.') + 1)} #${number}`]),
    ...(kinactAnswer === undefined ? [] : [kinactAnswer.split(' ')[0] as string]),
  ];
  return said.join(', ');
}
