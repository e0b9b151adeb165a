// The laws of every fleet run, judged by the sinks alone: nothing is lost, and keys are in order. Also measures how long a shard was
// silent when its lease changed hands, and has waits for deliveries and renewals.
import { heldBy, type Fleet, type WorkerProcess } from './fleet.js';
import type { Delivery } from './worker-process.js';

/** Ids that were written but are in no sink. */
export function lost(fleet: Fleet): readonly string[] {
  const seen = new Set(fleet.deliveries().map(({ id }) => id));
  return fleet.written.filter((id) => !seen.has(id));
}

/** Deliveries beyond the first of each record. */
export function replays(fleet: Fleet): number {
  const all = fleet.deliveries();
  return all.length - new Set(all.map(({ id }) => id)).size;
}

/** Keys with first deliveries out of the order in which the records were written: `k3: 17 after 19`. */
export function outOfOrder(deliveries: readonly Delivery[]): readonly string[] {
  const seen = new Set<string>();
  const last = new Map<string, number>();
  const complaints: string[] = [];
  for (const { id, key, worker } of deliveries) {
    if (seen.has(id)) continue;
    seen.add(id);
    const serial = Number(id.split('/')[1]);
    const before = last.get(key) ?? -1;
    if (serial < before) complaints.push(`${key}: ${serial} after ${before}, by ${worker}`);
    last.set(key, Math.max(before, serial));
  }
  return complaints;
}

/** Waits until every record that was written is in a sink. */
export async function allSeen(fleet: Fleet, deadlineMs?: number): Promise<void> {
  await fleet
    .until('every record seen', () => lost(fleet).length === 0, deadlineMs)
    .catch((error: unknown) => {
      const missing = lost(fleet);
      throw new Error(
        `${missing.length} lost, among them ${missing.slice(0, 5).join(', ')}; ${(error as Error).message}`,
      );
    });
}

export interface HandOver {
  readonly shardId: string;
  /** Milliseconds from the given moment to the first delivery by another process. */
  readonly ms: number;
}

/** Waits until a process other than `from` delivers each of these shards. `since` returns the moment from which a shard's time counts. */
export async function untilOthersDeliver(
  fleet: Fleet,
  from: WorkerProcess,
  shardIds: readonly string[],
  since: (shardId: string) => number,
  deadlineMs: number,
): Promise<readonly HandOver[]> {
  const found = (): readonly HandOver[] => {
    const all = fleet.deliveries();
    return shardIds.flatMap((shardId) => {
      const at = since(shardId);
      // Only a higher fence counts, because a worker that has just lost this shard to `from` may still deliver its items. If `from`
      // died before it could take a lease that was handed over to it, the highest delivered fence counts instead.
      const delivered = all.filter((each) => each.shardId === shardId && each.at < at).map((each) => each.fence);
      const fence =
        from.events('leaseTaken').findLast(({ data }) => data.shardId === shardId)?.data.counter ??
        Math.max(...delivered, 0);
      const next = all.find(
        (each) => each.shardId === shardId && each.fence > fence && each.worker !== from.name && each.at >= at,
      );
      return next === undefined ? [] : [{ shardId, ms: next.at - at }];
    });
  };
  const what = `${shardIds.join(', ')} delivered by another process than ${from.name}`;
  await fleet.until(what, () => found().length === shardIds.length, deadlineMs);
  return found();
}

/** The deliveries of a process in a span of time, epoch milliseconds. */
export function deliveredBetween(fleet: Fleet, { name }: WorkerProcess, from: number, to: number): readonly Delivery[] {
  return fleet.deliveries().filter(({ worker, at }) => worker === name && at >= from && at < to);
}

/** Waits until leases are shared evenly, each worker has noticed the leases that it gave up, and every lease is delivered. */
export async function ownersDeliver(fleet: Fleet, among: readonly WorkerProcess[] = fleet.workers): Promise<void> {
  // A lease that is handed over drains first. As long as its frontier moves, this may take ten times `handOverMs`.
  await fleet.balanced(among);
  await fleet.until('every lease delivered by its owner alone', async () => {
    const rows = await fleet.rows();
    const all = fleet.deliveries();
    return among.every((worker) => {
      const held = heldBy(rows, worker);
      const told = (name: string): number => worker.events(name).length;
      const gone = told('leaseLost') + told('leaseReleased') + told('leaseHandedOver') + told('shardEnded');
      const open = told('leaseTaken') - gone;
      const since = (shardId: string): number =>
        worker.events('leaseTaken').findLast(({ data }) => data.shardId === shardId)?.data.counter ?? Infinity;
      return (
        open === held.length && held.every((id) => all.some((each) => each.shardId === id && each.fence > since(id)))
      );
    });
  });
}

/** Waits until a process delivers something at or after a moment. */
export function deliversFrom(fleet: Fleet, worker: WorkerProcess, from: number): Promise<true> {
  return fleet.until(`${worker.name} delivers`, () => deliveredBetween(fleet, worker, from, Infinity).length > 0);
}

/** Waits until a process has delivered something of each of these shards. */
export async function untilItDeliversAllOf(
  fleet: Fleet,
  { name }: WorkerProcess,
  shardIds: readonly string[],
): Promise<void> {
  const delivers = (shardId: string): boolean =>
    fleet.deliveries().some((each) => each.worker === name && each.shardId === shardId);
  await fleet.until(`${name} delivers what it holds`, () => shardIds.every(delivers));
}

/** Notes the counters of these leases (default: all). The returned function waits until each was renewed `times` times since. */
export async function renewalsFrom(
  fleet: Fleet,
  leaseKeys?: readonly string[],
): Promise<(times: number) => Promise<void>> {
  const counters = async (): Promise<ReadonlyMap<string, number>> =>
    new Map([...(await fleet.rows())].map(([key, row]) => [key, Number(row['leaseCounter']?.N)]));
  const before = await counters();
  const keys = leaseKeys ?? [...before.keys()];
  return async (times) => {
    await fleet.until(`${times} renewals of each lease`, async () => {
      const now = await counters();
      return keys.every((key) => now.get(key)! >= before.get(key)! + times);
    });
  };
}

/** Prints the times of hand-overs. */
export function printTimes(what: string, handOver: readonly HandOver[]): void {
  const times = handOver.map(({ ms }) => ms).toSorted((a, b) => a - b);
  process.stdout.write(`        ${what}: ${times.join(', ')} ms\n`);
}
