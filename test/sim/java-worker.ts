// A scripted Java worker of the KCL 2.x beside kinact's workers, to the letter of KCL clauses 1.3 and 2.2 to 2.8. It scans, takes free
// or expired leases, steals by force, renews, reads from the checkpoint on, and ends shards. It may vanish at any moment, and its rows
// then keep its name. It knows no attribute of kinact, and leaves each of them unchanged. No fault harms its calls: faults are drawn
// for kinact's workers only.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { DynamoDbRefusal, longestAgeMs } from './dynamodb/memory-dynamodb.js';
import type { Item } from './dynamodb/expressions.js';
import type { Dice } from './dice.js';
import type { Checkpointed } from './stream-log.js';
import type { World } from './world.js';

export interface JavaWorker {
  readonly isGone: () => boolean;
  /** SIGKILL. */
  kill(): void;
  /** It checkpoints the records that it has done, and forgets its leases: the rows keep its name. */
  stop(): void;
}

interface Held {
  readonly leaseKey: string;
  /** The oracle's name of the shard. */
  readonly name: string;
  readonly fence: number;
  counter: number;
  /** Everything up to here is done. */
  position: Checkpointed;
  renewedAt: number;
  /** A write of this lease is under way: its renewals and checkpoints wait for each other. */
  isBusy: boolean;
  isReading: boolean;
}

interface Seen {
  readonly leaseKey: string;
  readonly counter: number;
  readonly owner: string | undefined;
  readonly position: Checkpointed;
  readonly ageMs: number;
  /** The row has a wish: of the leases that this worker may steal, it prefers those with a wish. */
  readonly isAskedFor: boolean;
}

const epsilonMs = 25;
const dispatchMs = 1_000;
const batch = 25;
const lookMs = 50;
const graceMs = 200;

export function startJavaWorker(world: World, name: string, dice: Dice): JavaWorker {
  const { clock, dynamoDb, failoverMs, kinesis, layout, leases, oracle } = world;
  const [stream = '', tableName = ''] = [layout.streams[0], layout.tables[0]];
  const held = new Map<string, Held>();
  const sightings = new Map<string, { readonly counter: number; readonly since: number }>();
  const timers = new Set<() => void>();
  let isGone = false;
  let fences = 0;

  const later = (ms: number, work: () => void): void => {
    const cancel = clock.after(ms, () => {
      timers.delete(cancel);
      work();
    });
    timers.add(cancel);
  };
  const lives = (lease: Held): boolean =>
    held.get(lease.leaseKey) === lease && clock.now() < lease.renewedAt + failoverMs;
  const nameOf = (leaseKey: string): string => layout.nameOf(stream, leaseKey);

  /** Returns undefined if the table does not exist. */
  const write = (operation: string, leaseKey: string, input: object, sentAt: number): boolean | undefined => {
    const before = leases.at(tableName, leaseKey);
    try {
      dynamoDb.handle(operation, { TableName: tableName, ...input }, () => 0);
    } catch (error) {
      if (error instanceof DynamoDbRefusal && error.name === 'ConditionalCheckFailedException') return false;
      if (error instanceof DynamoDbRefusal && error.name === 'ResourceNotFoundException') return undefined;
      throw error;
    }
    const after = leases.at(tableName, leaseKey);
    if (after !== before) oracle.wrote({ process: name, leaseKey: nameOf(leaseKey), before, after, sentAt });
    return true;
  };

  /** An update that is conditional on the counter, and raises it by one. `done` gets the answer. */
  const update = (
    { leaseKey, counter }: Pick<Held, 'leaseKey' | 'counter'>,
    clauses: { readonly set?: string; readonly more?: string; readonly values?: Record<string, AttributeValue> },
    done: (outcome: boolean | undefined, sentAt: number) => void,
  ): void => {
    const sentAt = clock.now();
    const input = {
      Key: { leaseKey: { S: leaseKey } },
      ConditionExpression: 'leaseCounter = :n',
      UpdateExpression: `SET leaseCounter = :next${clauses.set ?? ''} ${clauses.more ?? ''}`.trim(),
      ExpressionAttributeValues: { ':n': { N: `${counter}` }, ':next': { N: `${counter + 1}` }, ...clauses.values },
    };
    later(dice.between(1, 8), () => {
      const outcome = write('UpdateItem', leaseKey, input, sentAt);
      later(dice.between(1, 8), () => done(outcome, sentAt));
    });
  };

  const updateHeld = (lease: Held, clauses: Parameters<typeof update>[1]): void => {
    lease.isBusy = true;
    update(lease, clauses, (outcome, sentAt) => {
      lease.isBusy = false;
      if (outcome === false && held.get(lease.leaseKey) === lease) held.delete(lease.leaseKey);
      if (outcome === true) Object.assign(lease, { counter: lease.counter + 1, renewedAt: sentAt });
    });
  };

  const renew = (): void => {
    for (const lease of held.values()) if (!lease.isBusy) updateHeld(lease, {});
    later(failoverMs / 3 - epsilonMs, renew);
  };

  const checkpoint = (lease: Held, position: Checkpointed): void => {
    if (!lives(lease)) return;
    if (lease.isBusy) return later(lookMs, () => checkpoint(lease, position));
    const set =
      ', checkpoint = :at, checkpointSubSequenceNumber = :sub, ownerSwitchesSinceCheckpoint = :none' +
      ' REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState';
    const values = {
      ':at': { S: position.checkpoint },
      ':sub': { N: `${position.checkpointSubSequenceNumber}` },
      ':none': { N: '0' },
    };
    updateHeld(lease, { set, values });
  };

  const dispatch = (): void => {
    for (const lease of held.values()) if (!lease.isReading && lives(lease)) read(lease);
    later(dispatchMs, dispatch);
  };

  const read = (lease: Held): void => {
    const shard = kinesis.streams.get(stream)?.shards.get(lease.leaseKey);
    if (lease.position.checkpoint === 'SHARD_END') return;
    const parents = layout.parentsOf(lease.name).map((parent) => leases.row(parent));
    if (parents.some((row) => row !== undefined && row.checkpoint !== 'SHARD_END')) return;
    const records = oracle.log.after({ leaseKey: lease.name, ...lease.position }).slice(0, batch);
    const last = records.at(-1);
    if (last === undefined) {
      if (shard === undefined || shard.closedAt !== undefined) end(lease);
      return;
    }
    lease.isReading = true;
    const ids = records.flatMap(({ items }) => items.flat().map(({ id }) => id));
    // It passes over records that are trimmed, dropped for their hash key, or older than the start, and reports none of them.
    oracle.excuse(ids.filter((id) => oracle.log.isExcused(id)));
    const toDo = ids.filter((id) => !oracle.log.isExcused(id));
    const { fence, name: shardId } = lease;
    for (const id of toDo) oracle.delivered({ process: name, id, shardId, fence, isOver: false });
    // A batch runs to its end, even if another worker has taken the lease in the meantime.
    later(dice.between(10, dice.chance(0.1) ? 1_500 : 300), () => {
      oracle.acknowledged(toDo);
      lease.isReading = false;
      lease.position = { checkpoint: last.sequenceNumber, checkpointSubSequenceNumber: last.items.length - 1 };
      if (dice.chance(0.5)) checkpoint(lease, lease.position);
    });
  };

  /** Creates the rows of the children, then names them in its row, then writes SHARD_END. If a parent of a child has no row, it waits. */
  const end = (lease: Held): void => {
    const children = [...(kinesis.streams.get(stream)?.shards.values() ?? [])].filter(({ parents }) =>
      parents.includes(lease.leaseKey),
    );
    const isThere = (leaseKey: string): boolean => leases.at(tableName, leaseKey) !== undefined;
    if (children.some(({ parents }) => !parents.every(isThere))) return;
    lease.isReading = true;
    const sentAt = clock.now();
    later(dice.between(1, 8), () => {
      for (const { shardId, parents, startingHashKey, endingHashKey } of children) {
        const Item: Item = {
          leaseKey: { S: shardId },
          leaseCounter: { N: '0' },
          ownerSwitchesSinceCheckpoint: { N: '0' },
          checkpoint: { S: 'TRIM_HORIZON' },
          checkpointSubSequenceNumber: { N: '0' },
          parentShardId: { SS: [...parents] },
          startingHashKey: { S: String(startingHashKey) },
          endingHashKey: { S: String(endingHashKey) },
        };
        write('PutItem', shardId, { Item, ConditionExpression: 'attribute_not_exists(leaseKey)' }, sentAt);
      }
      if (children.length > 0)
        nameChildren(
          lease,
          children.map(({ shardId }) => shardId),
          sentAt,
        );
      lease.isReading = false;
      if (!lives(lease)) return;
      lease.position = { checkpoint: 'SHARD_END', checkpointSubSequenceNumber: 0 };
      checkpoint(lease, lease.position);
    });
  };

  const nameChildren = ({ leaseKey }: Held, children: readonly string[], sentAt: number): void => {
    const input = {
      Key: { leaseKey: { S: leaseKey } },
      ConditionExpression: 'leaseKey = :key',
      UpdateExpression: 'SET childShardIds = :children',
      ExpressionAttributeValues: { ':key': { S: leaseKey }, ':children': { SS: [...children] } },
    };
    write('UpdateItem', leaseKey, input, sentAt);
  };

  const seen = (item: Item): Seen => {
    const now = clock.now();
    const leaseKey = item['leaseKey']?.S as string;
    const counter = Number(item['leaseCounter']?.N);
    const owner = item['leaseOwner']?.S;
    const before = sightings.get(leaseKey);
    const since = before === undefined && owner === undefined ? -Infinity : now;
    const sighting = before?.counter === counter ? before : { counter, since };
    sightings.set(leaseKey, sighting);
    const position = {
      checkpoint: item['checkpoint']?.S as string,
      checkpointSubSequenceNumber: Number(item['checkpointSubSequenceNumber']?.N),
    };
    const isAskedFor = item['kinactWish'] !== undefined;
    return { leaseKey, counter, owner, position, ageMs: now - sighting.since, isAskedFor };
  };

  const scan = (): readonly Seen[] => {
    const items: Item[] = [];
    const ageOf = (): number => (dice.chance(world.staleReads) ? dice.next() * longestAgeMs : 0);
    let from: { readonly ExclusiveStartKey?: Item } = {};
    for (;;) {
      const page = dynamoDb.handle('Scan', { TableName: tableName, ...from }, ageOf) as {
        readonly Items: readonly Item[];
        readonly LastEvaluatedKey?: Item;
      };
      items.push(...page.Items);
      if (page.LastEvaluatedKey === undefined) return items.map(seen);
      from = { ExclusiveStartKey: page.LastEvaluatedKey };
    }
  };

  const take = (row: Seen): void => {
    const { leaseKey, counter, owner, position, isAskedFor } = row;
    const isSwitch = owner !== undefined && owner !== name;
    const clauses = {
      set: ', leaseOwner = :me',
      more: `REMOVE checkpointOwner${isSwitch ? ' ADD ownerSwitchesSinceCheckpoint :one' : ''}`,
      values: { ':me': { S: name }, ...(isSwitch ? { ':one': { N: '1' } } : {}) },
    };
    update({ leaseKey, counter }, clauses, (outcome, sentAt) => {
      if (outcome !== true) return;
      world.say(`${name} has taken ${leaseKey} from ${owner ?? 'nobody'}${isAskedFor ? ', who was asked for it' : ''}`);
      const at = { position, renewedAt: sentAt, isBusy: false, isReading: false };
      fences += 1;
      held.set(leaseKey, { leaseKey, name: nameOf(leaseKey), fence: fences, counter: counter + 1, ...at });
    });
  };

  const pass = (): void => {
    later(2 * (failoverMs + epsilonMs), awaitMoment);
    try {
      for (const row of chosen(scan())) take(row);
    } catch (error) {
      if (!(error instanceof DynamoDbRefusal)) throw error;
    }
  };

  const chosen = (rows: readonly Seen[]): readonly Seen[] => {
    const isMine = ({ leaseKey }: Seen): boolean => held.has(leaseKey);
    const available = rows.filter((row) => !isMine(row) && (row.owner === undefined || row.ageMs > failoverMs));
    const veryOld = available.filter(({ ageMs }) => ageMs > 3 * failoverMs);
    if (veryOld.length > 0) return veryOld;
    const counts = new Map([[name, rows.filter(isMine).length]]);
    for (const row of rows) {
      const { owner = name } = row;
      if (owner !== name && !available.includes(row)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    const target = counts.size >= rows.length ? 1 : Math.ceil(rows.length / counts.size);
    const needed = target - (counts.get(name) ?? 0);
    if (needed <= 0) return [];
    if (available.length > 0) return shuffled(available, dice).slice(0, needed);
    const [loaded, most] = [...counts].toSorted((a, b) => b[1] - a[1])[0] as [string, number];
    if (loaded === name || most < target || (most === target && needed === 1)) return [];
    const stealable = shuffled(
      rows.filter(({ owner }) => owner === loaded),
      dice,
    );
    return [stealable.find(({ isAskedFor }) => isAskedFor) ?? stealable[0]].filter((row) => row !== undefined);
  };

  /** Waits for a wish or an answer in a row, because a take in the middle of a hand-over is the hardest for kinact. */
  const awaitMoment = (): void => {
    const said = dice.chance(0.7) ? 'kinactAnswer' : 'kinactWish';
    const look = (looks: number): void => {
      if ([...leases.rows().values()].some((row) => row[said] !== undefined)) later(dice.between(0, 1_500), pass);
      else if (looks === 0) pass();
      else later(lookMs, () => look(looks - 1));
    };
    look(Math.ceil(failoverMs / lookMs));
  };

  const kill = (): void => {
    isGone = true;
    for (const cancel of timers) cancel();
    timers.clear();
    held.clear();
  };

  world.say(`start ${name}`);
  awaitMoment();
  renew();
  dispatch();
  return {
    isGone: () => isGone,
    kill,
    stop: () => {
      for (const lease of held.values()) checkpoint(lease, lease.position);
      later(graceMs, kill);
    },
  };
}

function shuffled<T>(list: readonly T[], dice: Dice): T[] {
  return list
    .map((value) => ({ value, at: dice.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
