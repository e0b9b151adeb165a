// What is written to the stream: plain and aggregated records, of none, one and several items; and what is trimmed of it.
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import type { ScriptedShard } from '../../src/testing/scripted-server/scripted-shards.js';
import type { Dice } from './dice.js';
import { isNumber } from './stream-log.js';
import type { Oracle } from './oracle.js';
import type { World } from './world.js';

/** A stream that is written to, and what hears of it. */
export interface Workplace {
  readonly dice: Dice;
  readonly kinesis: {
    put(
      streamName: string,
      record: { readonly partitionKey?: string; readonly data: Uint8Array },
    ): { readonly shardId: string; readonly sequenceNumber: string };
  };
  readonly oracle: Pick<Oracle, 'put' | 'lose'>;
  /** Records that come without a key: of a stream whose service places them. */
  readonly keyless?: boolean;
  /** Which user records of an aggregate are dropped: those that lie outside this shard, by their keys. */
  readonly dropped?: (stream: string, shardId: string, partitionKeys: readonly string[]) => readonly number[];
  /** Streams that can be written to now, and what the oracle calls a shard. Default: one, and its shard ids. */
  readonly streams?: () => readonly string[];
  readonly nameOf?: (stream: string, shardId: string) => string;
  /** User records and items written so far, and the items of a raw record by its number. */
  written: number;
  items: number;
  readonly raw: Map<string, readonly string[]>;
}

/** Writes this many user records, of so many partition keys. */
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
    const data = users === 1 && only !== undefined ? only.data : encodeAggregate(records);
    const isKeyless = world.keyless === true && dice.chance(0.5);
    const stream = streams.length === 1 ? (streams[0] as string) : dice.pick(streams);
    const put = kinesis.put(stream, isKeyless ? { data } : { partitionKey, data });
    const { sequenceNumber } = put;
    const shardId = world.nameOf?.(stream, put.shardId) ?? put.shardId;
    const items = records.map((record) => record.items.map(({ key, value }) => ({ id: value, key })));
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

/** The oldest records of a shard pass out of retention; what of them is unread is gone, and nobody's fault. */
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
 * A reader that begins at the checkpoint finds that it is gone. One that is under way cannot see it, and one that never read has
 * lost nothing.
 */
function mustBeNamed({ leases, processes }: World, name: string): boolean {
  const row = leases.row(name);
  if (row === undefined || !isNumber(row.checkpoint)) return false;
  const holder = processes.find(({ machine }) => machine.name === row.leaseOwner);
  return holder === undefined || !holder.machine.alive;
}
