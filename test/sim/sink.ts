// The sink of `park` in the simulation. It refuses, hangs, and is slow, as the settings of the world demand. What it keeps counts as
// done from that moment, even if kinact never learns of it. I50: it gets only what has failed.
import type { PlainPolicy } from '../../src/api/failure-policy.js';
import type { ParkedItem, ParkingSink } from '../../src/api/parking.js';
import type { Item } from '../../src/api/reducer.js';
import type { Dice } from './dice.js';
import { createParkedOnce } from './parked-once.js';
import type { GrainItem, Piece } from './pipes/grain.js';
import { createMessageSink, type MessageSink } from './pipes/message-sink.js';
import type { Tenures } from './tenures.js';
import type { World } from './world.js';

export interface Sink {
  /** For the values of a pipe. */
  readonly messages: MessageSink;
  /** These items have failed. */
  failed(ids: Iterable<string>, items?: readonly Item<string>[]): void;
  readonly park: ParkingSink;
}

interface SinkOptions {
  readonly process: string;
  readonly world: Pick<World, 'oracle' | 'sinkRefuses' | 'parkingKeys' | 'undecodable' | 'ambush'>;
  readonly dice: Dice;
  readonly tenures: Pick<Tenures, 'acknowledged' | 'skipped' | 'fenceOf'>;
  /** What follows if the sink refuses. */
  readonly then: PlainPolicy | 'retry';
  /** Waits in the time of the process. It never ends if the process dies, or if the call hangs. */
  readonly pause: (ms: number) => Promise<void>;
}

export function createSink({ process, world, dice, tenures, then, pause }: SinkOptions): Sink {
  const once = createParkedOnce(process, world.parkingKeys, world.oracle.violate);
  const failed = new Map<string, Item<string> | undefined>();
  const messages = createMessageSink(world.oracle.violate);

  const done = (ids: readonly string[], { itemIndex, sequenceNumber, subSequenceNumber }: ParkedItem): void => {
    if (itemIndex === undefined) tenures.skipped(sequenceNumber, subSequenceNumber ?? 0);
    else tenures.acknowledged(ids.flatMap((id) => failed.get(id) ?? []));
  };

  /** That of the item's own tenure. A record, or a part of one, has none: its shard's last. */
  const fenceOf = (item: ParkedItem): number | undefined => {
    const [id = ''] = item.itemIndex === undefined ? [] : idsOf(item, world.undecodable.of);
    return failed.get(id)?.fence ?? tenures.fenceOf(item.source, item.shardId);
  };

  const parkMessage = async (entry: ParkedItem, pieces: readonly Piece[]): Promise<void> => {
    if (dice.chance(0.7)) await pause(dice.between(1, dice.chance(0.1) ? 4_000 : 300));
    if (dice.chance(world.sinkRefuses)) {
      if (then === 'skip') messages.kept(pieces, (item) => finished(item, world.oracle.acknowledged));
      throw new Error('the sink refuses');
    }
    world.parkingKeys.kept(entry.idempotencyKey);
    messages.kept(pieces, (item) => finished(item, world.oracle.parked));
    // Kept, but the answer is late or lost.
    if (world.ambush(process) || dice.chance(0.1)) await pause(dice.between(1, 2_000));
    if (then === 'retry' && dice.chance(0.05)) throw new Error('the sink does not say whether it has kept it');
  };
  const finished = (item: GrainItem, note: (ids: readonly string[]) => void): void => {
    note([item.value]);
    tenures.acknowledged([item]);
  };

  return {
    messages,
    failed: (ids, items = []) => {
      for (const id of ids) failed.set(id, undefined);
      for (const item of items) failed.set(item.value, item);
    },
    park: async (item) => {
      const pieces = messages.valuesOf(item);
      if (pieces !== undefined) return parkMessage(item, pieces);
      const ids = idsOf(item, world.undecodable.of);
      for (const id of ids) if (!failed.has(id)) world.oracle.violate('I50', `${id} was parked, but it has not failed`);
      const kept = once.called(item, fenceOf(item));
      if (dice.chance(0.7)) await pause(dice.between(1, dice.chance(0.1) ? 4_000 : 300));
      if (dice.chance(world.sinkRefuses)) {
        if (then === 'skip') {
          world.oracle.skipped(ids);
          done(ids, item);
        }
        throw new Error('the sink refuses');
      }
      world.oracle.parked(ids);
      world.parkingKeys.kept(item.idempotencyKey);
      done(ids, item);
      // Kept, but the answer is late or lost.
      if (world.ambush(process) || dice.chance(0.1)) await pause(dice.between(1, 2_000));
      if (then === 'retry' && dice.chance(0.05)) throw new Error('the sink does not say whether it has kept it');
      kept();
    },
  };
}

function idsOf(
  { at, data, itemIndex, sequenceNumber }: ParkedItem,
  parts: ReadonlyMap<string, string>,
): readonly string[] {
  if (at === 'decode') return [parts.get(sequenceNumber) ?? `the rest of ${sequenceNumber}`];
  const items = JSON.parse(data.toString()) as readonly { readonly value: string }[];
  return (itemIndex === undefined ? items : items.slice(itemIndex, itemIndex + 1)).map(({ value }) => value);
}
