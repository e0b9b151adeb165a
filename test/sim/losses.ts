// I36: an item that is not dealt with is named by an event, or nobody would ever hear of it: skipped by policy, dropped for its
// hash key, passed out of retention before it was read.
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
  /** It was dealt with after all. */
  done(ids: Iterable<string>): void;
  /** Nobody can be asked any more what became of these shards. */
  forget(isMeant: (shardId: string) => boolean): void;
  /** The first few that nobody has named. */
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
