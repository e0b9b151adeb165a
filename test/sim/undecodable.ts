// Aggregates whose last user record cannot be decoded. The oracle counts that part as one item with a key of its own: it must be parked
// or skipped, and no checkpoint may pass it before. The dice are its own, so the rest of what a seed means does not change.
import { envelope, message } from '../support/aggregate-bytes.js';
import { createDice } from './dice.js';
import type { World } from './world.js';

/** A user record of an aggregate. */
interface Whole {
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

export interface Undecodable {
  /** Whether the aggregate that is written now gets such a part. */
  draws(): boolean;
  /** From now on no aggregate gets one. */
  end(): void;
  /** The aggregate of these user records, and of a part that cannot be decoded. */
  encode(records: readonly Whole[]): Buffer;
  /** By the sequence number of their aggregates: the oracle's ids of the parts. */
  readonly of: Map<string, string>;
}

/** It names a partition key that the aggregate does not have. */
const broken = { pk: 1_000_000, data: '[]' };

type Of = Pick<World, 'java' | 'onFailure' | 'outOfRange'>;

/**
 * Some policies never end such a part: their worlds have none. A Java worker, and a rule about hash keys, make the rest of an aggregate
 * something else.
 */
function isEnded({ java, onFailure, outOfRange }: Of): boolean {
  return java === undefined && outOfRange === 'emit' && onFailure !== 'crash' && onFailure !== 'stopShard';
}

export function createUndecodable(seed: number, world: () => Of): Undecodable {
  const dice = createDice(seed ^ 0x0bad9a7);
  let chance = dice.pick([0, 0.02, 0.1]);
  return {
    draws: () => chance > 0 && isEnded(world()) && dice.chance(chance),
    end: () => void (chance = 0),
    encode: (records) => {
      const parts = records.map(({ data }, index) => ({ pk: index, data }));
      const keys = records.map(({ partitionKey }) => partitionKey);
      return envelope(message(keys, [...parts, broken]), 'kpl');
    },
    of: new Map(),
  };
}
