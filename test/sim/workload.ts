// Writes the records of a stream, plain and aggregated, with no item, one or several; and trims the stream.
import { createHash } from 'node:crypto';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import type { OutOfRangePolicy } from '../../src/core/record-placement.js';
import type { ScriptedShard } from '../../src/testing/scripted-server/scripted-shards.js';
import type { Dice } from './dice.js';
import { isNumber } from './stream-log.js';
import type { Oracle } from './oracle.js';
import type { Undecodable } from './undecodable.js';
import type { World } from './world.js';

/** The streams that are written to, and the oracle that keeps account of the records. */
export interface Workplace {
  readonly dice: Dice;
  readonly kinesis: {
    put(
      streamName: string,
      record: { readonly partitionKey?: string; readonly data: Uint8Array },
    ): { readonly shardId: string; readonly sequenceNumber: string };
  };
  readonly oracle: Pick<Oracle, 'put' | 'lose'>;
  /** Some records have no partition key: the service places the records of this stream. */
  readonly keyless?: boolean;
  /** Which user records of an aggregate are dropped: those whose keys lie outside this shard. */
  readonly dropped?: (stream: string, shardId: string, partitionKeys: readonly string[]) => readonly number[];
  /** The streams that can be written to now, and the oracle's name of a shard. Default: one stream, and its shard ids. */
  readonly streams?: () => readonly string[];
  readonly nameOf?: (stream: string, shardId: string) => string;
  /** Some aggregates have a part that cannot be decoded. Default: none. */
  readonly undecodable?: Undecodable;
  /** User records and items written so far, and the items of a raw record by its sequence number. */
  written: number;
  items: number;
  readonly raw: Map<string, readonly string[]>;
}

/** Writes this many user records, with this many partition keys. */
export function putRecords(world: Workplace, count: number, partitionKeys = 61): void {
  const { dice, kinesis, oracle } = world;
  const streams = world.streams?.() ?? [''];
  if (streams.length === 0) return;
  for (let left = count; left > 0;) {
    const users = Math.min(left, dice.chance(0.3) ? dice.between(2, 12) : 1);
    left -= users;
    world.written += users;
    const partitionKey = `k${dice.between(0, partitionKeys - 1)}`;
    const records = Array.from({ length: users }, () => {
      const key = users === 1 ? partitionKey : `k${dice.between(0, 60)}`;
      const made = dice.chance(0.1) ? 0 : dice.chance(0.1) ? dice.between(2, 5) : 1;
      const items = Array.from({ length: made }, (_, index) => ({
        key: `${key}/${index}`,
        value: `r${(world.items += 1)}`,
      }));
      return { partitionKey: key, data: Buffer.from(JSON.stringify(items)), items };
    });
    const [only] = records;
    const isBroken = users > 1 && world.undecodable?.draws() === true;
    const whole = users === 1 && only !== undefined ? only.data : encodeAggregate(records);
    const data = isBroken ? (world.undecodable?.encode(records) ?? whole) : whole;
    const isKeyless = world.keyless === true && dice.chance(0.5);
    const stream = streams.length === 1 ? (streams[0] as string) : dice.pick(streams);
    const put = kinesis.put(stream, isKeyless ? { data } : { partitionKey, data });
    const { sequenceNumber } = put;
    const shardId = world.nameOf?.(stream, put.shardId) ?? put.shardId;
    const items = records.map((record) => record.items.map(({ key, value }) => ({ id: value, key })));
    if (isBroken) {
      const id = `r${(world.items += 1)}`;
      items.push([{ id, key: `part ${id}` }]);
      world.undecodable?.of.set(sequenceNumber, id);
    }
    oracle.put({ shardId, sequenceNumber, items });
    if (users > 1 && world.dropped !== undefined) {
      const outside = world.dropped(
        stream,
        put.shardId,
        records.map((record) => record.partitionKey),
      );
      oracle.lose(
        'dropped',
        outside.flatMap((index) => items[index]?.map(({ id }) => id) ?? []),
      );
    }
    world.raw.set(
      sequenceNumber,
      items.flat().map(({ id }) => id),
    );
  }
}

/** The oldest records of a shard pass out of retention. Unread records among them are lost, through no fault of kinact. */
export function trimRecords(world: World, stream: string, shardId: string, count: number): void {
  const { kinesis, oracle, raw } = world;
  const name = world.nameOf(stream, shardId);
  const { records } = kinesis.stream(stream).shards.get(shardId) as ScriptedShard;
  const ids = records.slice(0, count).flatMap(({ sequenceNumber }) => raw.get(sequenceNumber) ?? []);
  if (mustBeNamed(world, name)) oracle.lose('trimmed', ids);
  else oracle.excuse(ids);
  world.trimmed.add(name);
  kinesis.trim(stream, shardId, count);
}

/**
 * Whether an event must name the trimmed records. A reader that begins at the checkpoint finds that records are gone. A reader that
 * is running cannot see it, and a reader that never read has lost nothing.
 */
function mustBeNamed({ leases, processes }: World, name: string): boolean {
  const row = leases.row(name);
  if (row === undefined || !isNumber(row.checkpoint)) return false;
  const holder = processes.find(({ machine }) => machine.name === row.leaseOwner);
  return holder === undefined || !holder.machine.alive;
}

/** The indices of the user records in an aggregate that kinact has to drop because of their hash keys. */
export function droppedOf(
  shard: { readonly startingHashKey: bigint; readonly endingHashKey: bigint } | undefined,
  policy: OutOfRangePolicy,
  keys: readonly string[],
): readonly number[] {
  if (policy === 'emit' || shard === undefined) return [];
  const isOutside = (key: string): boolean => {
    const hash = BigInt(`0x${createHash('md5').update(key).digest('hex')}`);
    return hash < shard.startingHashKey || hash > shard.endingHashKey;
  };
  const outside = [...keys.keys()].filter((index) => isOutside(keys[index] as string));
  return policy === 'dropAggregate' && outside.length > 0 ? [...keys.keys()] : outside;
}
