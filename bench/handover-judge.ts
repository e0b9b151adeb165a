// What the hand-over benchmark makes of a run: what was lost, what came twice, who delivered beside whom, and how long a shard
// was silent when it changed hands. From plain notes alone (ids, workers, fences, moments), so that nothing of kinact judges itself.

/** One call of a reducer. Moments are milliseconds of one monotonic clock. */
export interface Delivered {
  readonly id: string;
  readonly shardId: string;
  readonly worker: string;
  readonly fence: number;
  readonly at: number;
}

/** A keeper has told the worker of a shard to drain. */
export interface DrainOrder {
  readonly shardId: string;
  readonly worker: string;
  readonly fence: number;
  readonly at: number;
}

export interface Notes {
  /** Ids the service has accepted. */
  readonly written: readonly string[];
  /** In the order of time. */
  readonly deliveries: readonly Delivered[];
  readonly orders: readonly DrainOrder[];
  /** Worker → when it was asked to stop. */
  readonly stops: ReadonlyMap<string, number>;
}

export type MoveKind = 'steal' | 'leave';

export interface Move {
  readonly kind: MoveKind;
  readonly shardId: string;
  readonly from: string;
  readonly to: string;
  /** From the last delivery at the old owner, or the order to drain if that is later, to the first at the new one. */
  readonly ms: number;
  /** Whether the old owner was told to drain: a lease that is taken by force is not. */
  readonly ordered: boolean;
  /** When the new owner delivered first. */
  readonly at: number;
}

export interface Judgement {
  readonly lost: readonly string[];
  /** Each delivery beyond the first of its record. */
  readonly twice: readonly Delivered[];
  /** A worker that began on a shard before another had delivered its last of it. */
  readonly together: readonly string[];
  readonly moves: readonly Move[];
}

/** What one worker delivered of one shard under one fence. */
interface Tenure {
  readonly shardId: string;
  readonly worker: string;
  readonly fence: number;
  readonly first: number;
  last: number;
}

export function judge(notes: Notes): Judgement {
  const { written, deliveries } = notes;
  const seen = new Set<string>();
  const twice = deliveries.filter(({ id }) => seen.size === seen.add(id).size);
  const together: string[] = [];
  const moves: Move[] = [];
  for (const tenures of tenuresOf(deliveries).values()) {
    let latest: Tenure | undefined;
    for (const [place, tenure] of tenures.entries()) {
      if (latest !== undefined && latest.worker !== tenure.worker && tenure.first < latest.last)
        together.push(
          `${tenure.shardId}: ${tenure.worker} began ${Math.round(latest.last - tenure.first)} ms before ${latest.worker} had ended`,
        );
      const before = tenures[place - 1];
      if (before !== undefined && before.worker !== tenure.worker) moves.push(moveOf(notes, before, tenure));
      if (latest === undefined || tenure.last > latest.last) latest = tenure;
    }
  }
  return { lost: written.filter((id) => !seen.has(id)), twice, together, moves };
}

/** By shard, in the order in which they began. */
function tenuresOf(deliveries: readonly Delivered[]): Map<string, Tenure[]> {
  const shards = new Map<string, Tenure[]>();
  for (const { shardId, worker, fence, at } of deliveries) {
    const tenures = shards.get(shardId) ?? [];
    shards.set(shardId, tenures);
    const known = tenures.find((each) => each.worker === worker && each.fence === fence);
    if (known === undefined) tenures.push({ shardId, worker, fence, first: at, last: at });
    else known.last = at;
  }
  return shards;
}

function moveOf({ orders, stops }: Notes, from: Tenure, to: Tenure): Move {
  const { shardId, worker, fence } = from;
  const order = orders.find((each) => each.shardId === shardId && each.worker === worker && each.fence === fence);
  const stop = stops.get(worker) ?? Infinity;
  // A worker that was already handing a shard over when it was stopped had been asked for it.
  const leaves = stop <= Math.min(order?.at ?? Infinity, to.first);
  const since = Math.max(from.last, leaves ? stop : Math.min(order?.at ?? -Infinity, to.first));
  return {
    kind: leaves ? 'leave' : 'steal',
    shardId,
    from: worker,
    to: to.worker,
    ms: to.first - since,
    ordered: leaves || (order?.at ?? Infinity) <= to.first,
    at: to.first,
  };
}

/** Of no values: NaN. The nearest rank, so that a percentile is one of the values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
