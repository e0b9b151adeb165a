// Builds the update expressions of KCL clause 1.3: which attributes a change of a lease row sets, removes and adds, and on which
// condition. Only the named attributes are touched, so everything else in a row survives. This file decides nothing: core's
// lease-state.ts decides what a write changes, and the keeper's outgoing-write.ts on what condition.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { failoverText } from '../../core/lease-failover.js';
import type { LeaseRow } from '../../core/lease.js';
import { wishPrefix } from '../../core/lease-wish.js';
import { KinactError } from '../../api/errors.js';
import type { HashKeyRange, LeaseChange, RowCondition, WishCondition } from '../../api/ports.js';
import { isCheckpoint, textSet } from './lease-row.js';

/** The four parts of an UpdateItem request for a change. */
export interface UpdateParts {
  readonly ConditionExpression: string;
  readonly UpdateExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
}

/** The attributes of a prepared checkpoint; every checkpoint removes them. */
const pendingCheckpoint = [
  'pendingCheckpoint',
  'pendingCheckpointSubSequenceNumber',
  'pendingCheckpointState',
] as const;

/** The attributes for a wish and its answer. */
const wishes = ['kinactWish', 'kinactAnswer'] as const;

/** A wish is addressed to one keeper. So it goes with every change of the owner (a take, too), and with the end of the shard. */
function removesWish({ leaseOwner, handOver, checkpoint }: LeaseChange): boolean {
  return leaseOwner !== undefined || handOver !== undefined || checkpoint?.checkpoint === 'SHARD_END';
}

/** Leaves or withdraws a wish (`LeaseStore.wish` in ports.ts). It touches neither counter nor owner, and creates no row. */
export function wishUpdate(
  expected: WishCondition,
  wish: { readonly author: string; readonly text: string | null },
): UpdateParts {
  const parts = clauses();
  const prefix = wishPrefix(wish.author);
  if (wish.text === null) {
    parts.whenBegins('kinactWish', prefix);
    for (const name of wishes) parts.remove(name);
    return parts.finish();
  }

  parts.when('leaseOwner', text(expected.owner));
  parts.when('kinactWriter', text(expected.writer));
  if (expected.mustHaveOwnWish === true) parts.whenBegins('kinactWish', prefix);
  else parts.whenNoneBut('kinactWish', prefix, expected.stale);
  parts.whenNot('checkpoint', text('SHARD_END'));
  parts.set('kinactWish', text(wish.text));
  return parts.finish();
}

/** A write to a held row. Its condition is the counter and, if given, owner and last writer; the counter rises by one. */
export function leaseUpdate(expected: RowCondition, change: LeaseChange, writer: string): UpdateParts {
  const parts = clauses();
  parts.when('leaseCounter', count(expected.counter));
  for (const [name, value] of [
    ['leaseOwner', expected.owner],
    ['kinactWriter', expected.writer],
  ] as const) {
    if (value === null) parts.whenAbsent(name);
    else if (value !== undefined) parts.when(name, text(value));
  }
  if (change.handOver !== undefined) parts.whenBegins('kinactWish', wishPrefix(change.handOver.writer));

  parts.set('leaseCounter', count(expected.counter + 1));
  parts.set('kinactWriter', text(change.handOver?.writer ?? writer));

  if (change.checkpoint !== undefined) {
    const { checkpoint, subSequenceNumber } = change.checkpoint;
    if (!isCheckpoint(checkpoint)) throw broken(`'${checkpoint}' is no checkpoint`);
    parts.set('checkpoint', text(checkpoint));
    parts.set('checkpointSubSequenceNumber', count(subSequenceNumber));
    for (const name of pendingCheckpoint) parts.remove(name);
    // If the same write switches the owner, the row has changed hands once since this checkpoint.
    parts.set('ownerSwitchesSinceCheckpoint', count(change.countOwnerSwitch === true ? 1 : 0));
  } else if (change.countOwnerSwitch === true) {
    parts.add('ownerSwitchesSinceCheckpoint', count(1));
  }

  if (change.leaseOwner === null) {
    parts.remove('leaseOwner');
    // A Java worker of the same name may take the row next, and has a failover time of its own.
    parts.remove('kinactFailover');
  } else if (change.leaseOwner !== undefined) {
    parts.set('leaseOwner', text(change.leaseOwner));
    parts.remove('checkpointOwner');
  } else if (change.handOver !== undefined) {
    const { workerId, writer: newWriter, failoverMs } = change.handOver;
    parts.set('leaseOwner', text(workerId));
    parts.set('kinactFailover', text(failoverText(failoverMs, newWriter)));
    parts.remove('checkpointOwner');
  }

  if (change.failoverMs !== undefined) parts.set('kinactFailover', text(failoverText(change.failoverMs, writer)));
  if (removesWish(change)) for (const name of wishes) parts.remove(name);
  else if (change.answer !== undefined) parts.set('kinactAnswer', text(change.answer));
  if (change.kinactLatestAt !== undefined) parts.setOnce('kinactLatestAt', count(change.kinactLatestAt));
  // Without children the attribute is absent, never an empty set.
  if (change.childShardIds !== undefined && change.childShardIds.length > 0) {
    parts.set('childShardIds', textSet(change.childShardIds));
  }
  return parts.finish();
}

/** The write of `kinact reset` over a row: all attributes of a new row, on condition that the counter has not changed. */
export function resetUpdate(seen: LeaseRow, row: LeaseRow): UpdateParts {
  const parts = clauses();
  parts.when('leaseCounter', count(seen.leaseCounter));
  parts.set('leaseCounter', count(row.leaseCounter));

  if (!isCheckpoint(row.checkpoint)) throw broken(`'${row.checkpoint}' is no checkpoint`);
  parts.set('checkpoint', text(row.checkpoint));
  parts.set('checkpointSubSequenceNumber', count(row.checkpointSubSequenceNumber));
  parts.set('ownerSwitchesSinceCheckpoint', count(0));

  for (const name of ['kinactWriter', 'kinactFailover', 'kinactStream', 'startingHashKey', 'endingHashKey'] as const) {
    const value = row[name];
    if (value === undefined) parts.remove(name);
    else parts.set(name, text(value));
  }

  const sets = { parentShardId: row.parentShardIds, childShardIds: row.childShardIds };
  for (const [name, members] of Object.entries(sets)) {
    if (members.length === 0) parts.remove(name);
    else parts.set(name, textSet(members));
  }

  if (row.kinactLatestAt === undefined) parts.remove('kinactLatestAt');
  else parts.set('kinactLatestAt', count(row.kinactLatestAt));

  for (const name of ['leaseOwner', 'checkpointOwner', ...pendingCheckpoint, ...wishes]) parts.remove(name);
  return parts.finish();
}

/** Meta-information of an existing row, without touching the counter; undefined when there is nothing to write. */
export function metaUpdate(meta: {
  readonly childShardIds?: readonly string[];
  readonly hashKeyRange?: HashKeyRange;
  readonly kinactLatestAt?: number;
  readonly kinactStream?: string;
  readonly kinactAutoAt?: number;
}): UpdateParts | undefined {
  const parts = clauses();
  parts.whenPresent('leaseKey');

  const { childShardIds, hashKeyRange, kinactLatestAt, kinactStream, kinactAutoAt } = meta;
  if (childShardIds !== undefined && childShardIds.length > 0) parts.set('childShardIds', textSet(childShardIds));
  if (hashKeyRange !== undefined) {
    parts.set('startingHashKey', text(hashKeyRange.startingHashKey));
    parts.set('endingHashKey', text(hashKeyRange.endingHashKey));
  }
  if (kinactLatestAt !== undefined) parts.setOnce('kinactLatestAt', count(kinactLatestAt));
  if (kinactStream !== undefined) parts.setOnce('kinactStream', text(kinactStream));
  if (kinactAutoAt !== undefined) parts.raise('kinactAutoAt', count(kinactAutoAt));

  return parts.isEmpty() ? undefined : parts.finish();
}

interface Clauses {
  when(name: string, value: AttributeValue): void;
  whenPresent(name: string): void;
  whenAbsent(name: string): void;
  whenNot(name: string, value: AttributeValue): void;
  /** The attribute exists and begins with `prefix`. */
  whenBegins(name: string, prefix: string): void;
  /** The attribute is absent, begins with `prefix`, or equals `exactly`. */
  whenNoneBut(name: string, prefix: string, exactly: string | undefined): void;
  set(name: string, value: AttributeValue): void;
  /** Sets the attribute unless the row has it already. */
  setOnce(name: string, value: AttributeValue): void;
  /** Sets the attribute on condition that the row has none, or a lower one. */
  raise(name: string, value: AttributeValue): void;
  add(name: string, value: AttributeValue): void;
  remove(name: string): void;
  isEmpty(): boolean;
  finish(): UpdateParts;
}

/** Names are written as `#name`, because some are reserved words, and values as `:v0`, `:v1`, … */
function clauses(): Clauses {
  const names: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
  const conditions: string[] = [];
  const actions: Record<'SET' | 'REMOVE' | 'ADD', string[]> = { SET: [], REMOVE: [], ADD: [] };

  const nameOf = (name: string): string => {
    names[`#${name}`] = name;
    return `#${name}`;
  };
  const valueOf = (value: AttributeValue): string => {
    const placeholder = `:v${Object.keys(values).length}`;
    values[placeholder] = value;
    return placeholder;
  };

  return {
    when: (name, value) => void conditions.push(`${nameOf(name)} = ${valueOf(value)}`),
    whenNot: (name, value) => void conditions.push(`${nameOf(name)} <> ${valueOf(value)}`),
    whenAbsent: (name) => void conditions.push(`attribute_not_exists(${nameOf(name)})`),
    whenPresent: (name) => void conditions.push(`attribute_exists(${nameOf(name)})`),
    whenBegins: (name, prefix) => void conditions.push(`begins_with(${nameOf(name)}, ${valueOf(text(prefix))})`),
    whenNoneBut: (name, prefix, exactly) => {
      const attribute = nameOf(name);
      const allowed = [`attribute_not_exists(${attribute})`, `begins_with(${attribute}, ${valueOf(text(prefix))})`];
      if (exactly !== undefined) allowed.push(`${attribute} = ${valueOf(text(exactly))}`);
      conditions.push(`(${allowed.join(' OR ')})`);
    },
    set: (name, value) => void actions.SET.push(`${nameOf(name)} = ${valueOf(value)}`),
    setOnce: (name, value) => {
      actions.SET.push(`${nameOf(name)} = if_not_exists(${nameOf(name)}, ${valueOf(value)})`);
    },
    raise: (name, value) => {
      const [attribute, placeholder] = [nameOf(name), valueOf(value)];
      conditions.push(`(attribute_not_exists(${attribute}) OR ${attribute} < ${placeholder})`);
      actions.SET.push(`${attribute} = ${placeholder}`);
    },
    add: (name, value) => void actions.ADD.push(`${nameOf(name)} ${valueOf(value)}`),
    remove: (name) => void actions.REMOVE.push(nameOf(name)),
    isEmpty: () => Object.values(actions).every((list) => list.length === 0),
    finish: () => ({
      ConditionExpression: conditions.join(' AND '),
      UpdateExpression: Object.entries(actions)
        .filter(([, list]) => list.length > 0)
        .map(([action, list]) => `${action} ${list.join(', ')}`)
        .join(' '),
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    }),
  };
}

function text(value: string): AttributeValue {
  if (value === '') throw broken('an empty string was to be written; an attribute without a value is left out');
  return { S: value };
}

function count(value: number): AttributeValue {
  if (!Number.isSafeInteger(value) || value < 0) throw broken(`${value} is not an integer of 0 to 2^53 - 1`);
  return { N: String(value) };
}

function broken(message: string): KinactError {
  return new KinactError('BROKEN_INVARIANT', `A wrong lease row was to be written: ${message}.`);
}
