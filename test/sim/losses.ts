// I36: an event names every lost item, or the loss would be silent. An item is lost if it is skipped by policy, dropped for its hash
// key, or passes out of retention before it is read.
import type { Said } from './world.js';

type Why = 'skipped' | 'dropped' | 'trimmed';

interface Lost {
  readonly why: Why;
  readonly at: number;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly sub: number;
  readonly key: string;
}

export interface Losses {
  lost(id: string, loss: Lost): void;
  /** These items were done after all. */
  done(ids: Iterable<string>): void;
  /** From now on, no event need name the lost items of these shards. */
  forget(isMeant: (shardId: string) => boolean): void;
  /** The first few lost items that no event names. */
  unnamed(events: readonly Said[]): readonly string[];
}

const few = 5;

export function createLosses(): Losses {
  const losses = new Map<string, Lost>();
  return {
    lost: (id, loss) => void losses.set(id, loss),
    done: (ids) => {
      if (losses.size > 0) for (const id of ids) losses.delete(id);
    },
    forget: (isMeant) => {
      for (const [id, { shardId }] of losses) if (isMeant(shardId)) losses.delete(id);
    },
    unnamed: (events) => {
      const byShard = new Map<string, Said[]>();
      for (const said of events) {
        if (said.shardId === undefined) continue;
        const known = byShard.get(said.shardId);
        if (known === undefined) byShard.set(said.shardId, [said]);
        else known.push(said);
      }
      const found: string[] = [];
      for (const [id, loss] of losses) {
        if (byShard.get(loss.shardId)?.some((said) => names(said, loss)) === true) continue;
        found.push(`${id} of ${loss.shardId} was ${loss.why} at ${Math.round(loss.at)}`);
        if (found.length === few) break;
      }
      return found;
    },
  };
}

function names({ name, at, data }: Said, loss: Lost): boolean {
  switch (loss.why) {
    case 'dropped':
      return name === 'outOfRange';
    case 'trimmed':
      return name === 'trimmed' && at >= loss.at;
    case 'skipped': {
      const place = data as {
        readonly sequenceNumber: string;
        readonly subSequenceNumber: number;
        readonly key?: string;
      };
      if (name !== 'recordSkipped' || place.sequenceNumber !== loss.sequenceNumber) return false;
      return place.subSequenceNumber === loss.sub && (place.key ?? loss.key) === loss.key;
    }
  }
}
