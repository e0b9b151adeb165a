// Judges a run of the hand-over benchmark: which records were lost or delivered twice, when two workers delivered one shard at
// once, and how long a shard was silent in a move. It uses only plain notes (ids, workers, fences, times), no code of kinact.

/** One call of a reducer. All times are milliseconds on one monotonic clock. */
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
  /** Ids of the records that the service has accepted. */
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
  /** From the old owner's last delivery, or from the order to drain (or the stop) if later, to the new owner's first delivery. */
  readonly ms: number;
  /** Whether the old owner was told to drain or to stop; false if the lease was taken by force. */
  readonly ordered: boolean;
  /** When the new owner delivered first. */
  readonly at: number;
}

export interface Judgement {
  readonly lost: readonly string[];
  /** Each delivery of a record after its first one. */
  readonly twice: readonly Delivered[];
  /** One text for each worker that began on a shard before another worker's last delivery from this shard. */
  readonly together: readonly string[];
  readonly moves: readonly Move[];
}

/** The deliveries of one worker from one shard under one fence. */
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

/** The tenures of each shard, in the order in which they began. */
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
  // If the order to drain came before the stop, another worker had asked for the lease: this is a steal.
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

/** By the nearest rank, so the result is one of the values; NaN if there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
