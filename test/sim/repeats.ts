// I45: an item is handed out twice only after a failure. One of the two processes was troubled or has restarted its pipeline, or a
// Java worker took or lost the lease. The law looks at deliveries and writes. hands.ts notes which process was troubled.
import { isJava } from './cluster.js';
import type { Delivery, Written } from './oracle.js';
import { writeMs } from './takes.js';

export interface RepeatsOptions {
  /** World time. */
  readonly now: () => number;
  readonly longestFailoverMs: number;
  /** Whether this process, or the world, was troubled at some time since then. */
  readonly wasTroubled: (process: string, since: number) => boolean;
  /** Whether the row of this shard was changed by hand. */
  readonly isTampered: (shardId: string) => boolean;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Repeats {
  /** The pipeline of this process has restarted: its open items are handed out again. */
  restarted(process: string): void;
  wrote(written: Written): void;
  delivered(delivery: Delivery): void;
}

/** Trouble up to this long before a delivery may have kept its settle from the table. */
const aftermathMs = 30_000;

export function createRepeats({ now, longestFailoverMs, wasTroubled, isTampered, violate }: RepeatsOptions): Repeats {
  const last = new Map<string, { readonly process: string; readonly fence: number; readonly at: number }>();
  const restartedAt = new Map<string, number>();
  /** Per shard, when its lease last changed hands with a Java worker on either side. */
  const forcedAt = new Map<string, number>();
  /** The time until a process notices that its lease was taken. */
  const zombieMs = longestFailoverMs / 3 + writeMs;
  const hasFailed = (process: string, since: number): boolean =>
    wasTroubled(process, since) || (restartedAt.get(process) ?? -Infinity) >= since;
  return {
    restarted: (process) => void restartedAt.set(process, now()),
    wrote: ({ leaseKey, before, after }) => {
      const [loser, taker] = [before?.leaseOwner, after?.leaseOwner];
      if (loser === undefined || taker === undefined || loser === taker) return;
      if (isJava(loser) || isJava(taker)) forcedAt.set(leaseKey, now());
    },
    delivered: ({ process, id, shardId, fence }) => {
      const before = last.get(id);
      last.set(id, { process, fence, at: now() });
      // Within one tenure, the order of keys (I6) finds repeats.
      if (before === undefined || (before.process === process && before.fence === fence)) return;
      if ((forcedAt.get(shardId) ?? -Infinity) >= before.at - zombieMs) return;
      const since = before.at - aftermathMs;
      if (hasFailed(before.process, since) || hasFailed(process, since) || isTampered(shardId)) return;
      violate(
        'I45',
        `${id} of ${shardId} was handed out by ${before.process} (fence ${before.fence}), and ${Math.round(now() - before.at)} ms later by ${process} (fence ${fence}), although nothing had failed`,
      );
    },
  };
}
