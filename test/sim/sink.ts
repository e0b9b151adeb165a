// The sink of `park` in the simulation. It refuses, hangs, and is slow, as the settings of the world demand. What it keeps counts as
// done from that moment, even if kinact never learns of it. I50: it gets only what has failed.
import type { PlainPolicy } from '../../src/api/failure-policy.js';
import type { ParkedItem, ParkSink } from '../../src/api/parking.js';
import type { Item } from '../../src/api/reducer.js';
import type { Dice } from './dice.js';
import type { Tenures } from './tenures.js';
import type { World } from './world.js';

export interface Sink {
  /** These items have failed. */
  failed(ids: Iterable<string>, items?: readonly Item<string>[]): void;
  readonly park: ParkSink;
}

interface SinkOptions {
  readonly world: Pick<World, 'oracle' | 'sinkRefuses'>;
  readonly dice: Dice;
  readonly tenures: Pick<Tenures, 'acknowledged' | 'skipped'>;
  /** What follows if the sink refuses. */
  readonly then: PlainPolicy | 'retry';
  /** Waits in the time of the process. It never ends if the process dies, or if the call hangs. */
  readonly pause: (ms: number) => Promise<void>;
}

export function createSink({ world, dice, tenures, then, pause }: SinkOptions): Sink {
  const failed = new Map<string, Item<string> | undefined>();

  const done = (ids: readonly string[], { itemIndex, sequenceNumber, subSequenceNumber }: ParkedItem): void => {
    if (itemIndex === undefined) tenures.skipped(sequenceNumber, subSequenceNumber ?? 0);
    else tenures.acknowledged(ids.flatMap((id) => failed.get(id) ?? []));
  };

  return {
    failed: (ids, items = []) => {
      for (const id of ids) failed.set(id, undefined);
      for (const item of items) failed.set(item.value, item);
    },
    park: async (item) => {
      const ids = idsOf(item);
      for (const id of ids) if (!failed.has(id)) world.oracle.violate('I50', `${id} was parked, but it has not failed`);
      if (dice.chance(0.7)) await pause(dice.between(1, dice.chance(0.1) ? 4_000 : 300));
      if (dice.chance(world.sinkRefuses)) {
        if (then === 'skip') {
          world.oracle.skipped(ids);
          done(ids, item);
        }
        throw new Error('the sink refuses');
      }
      world.oracle.parked(ids);
      done(ids, item);
      // Kept, but the answer is late or lost.
      if (dice.chance(0.1)) await pause(dice.between(1, 2_000));
      if (then === 'retry' && dice.chance(0.05)) throw new Error('the sink does not say whether it has kept it');
    },
  };
}

function idsOf({ data, itemIndex }: ParkedItem): readonly string[] {
  const items = JSON.parse(data.toString()) as readonly { readonly value: string }[];
  return (itemIndex === undefined ? items : items.slice(itemIndex, itemIndex + 1)).map(({ value }) => value);
}
