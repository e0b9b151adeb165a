// The records that are open in a pipe, by shard worker: those of which an item has come and is not settled. One step per item, whatever
// is open. A pipe keeps them, or the reducer that it stands behind.
import type { Ref } from './actor.js';
import type { Disposed } from './disposition.js';
import type { DeliveredItem } from './item.js';
import type { SettledItems } from './pipe-messages.js';
import { dispositionsFor, type StageReports } from './stage-reports.js';
import type { Tenure } from './tenure.js';

/** The open records of one shard worker. */
interface ShardWorkerRecords {
  readonly tenure: Tenure;
  /** The stage that sent the first of them. */
  readonly stage: Ref<Disposed>;
  /** By ordinal: how many items are open. */
  readonly items: Map<number, number>;
}

/** By shard worker. */
export type OpenRecords = Map<number, ShardWorkerRecords>;

export function noteOpen(open: OpenRecords, { tenure, stage, ordinal }: DeliveredItem): void {
  let records = open.get(tenure.shardWorkerNumber);
  if (records === undefined) open.set(tenure.shardWorkerNumber, (records = { tenure, stage, items: new Map() }));
  records.items.set(ordinal, (records.items.get(ordinal) ?? 0) + 1);
}

/** Returns false if no item of the record is open. */
function noteSettled(open: OpenRecords, shardWorker: number, ordinal: number): boolean {
  const records = open.get(shardWorker);
  const items = records?.items.get(ordinal);
  if (records === undefined || items === undefined) return false;
  if (items > 1) records.items.set(ordinal, items - 1);
  else {
    records.items.delete(ordinal);
    if (records.items.size === 0) open.delete(shardWorker);
  }
  return true;
}

export function isOpen(open: OpenRecords, shardWorker: number, ordinal: number): boolean {
  return open.get(shardWorker)?.items.has(ordinal) === true;
}

/** The ordinals of the shard worker's open records. */
export function openOrdinals(open: OpenRecords, shardWorker: number): readonly number[] {
  return [...(open.get(shardWorker)?.items.keys() ?? [])];
}

/** The lowest of them. It looks at all: only a full ledger, the watchdog and `status()` ask. */
export function oldestOrdinal(open: OpenRecords, shardWorker: number): number | undefined {
  let oldest: number | undefined;
  for (const ordinal of open.get(shardWorker)?.items.keys() ?? [])
    if (oldest === undefined || ordinal < oldest) oldest = ordinal;
  return oldest;
}

/** Forgets the shard workers whose tenures have ended, and returns their records. */
function takeEnded(open: OpenRecords): readonly ShardWorkerRecords[] {
  const ended: ShardWorkerRecords[] = [];
  for (const [shardWorker, records] of open) {
    if (!records.tenure.ended) continue;
    open.delete(shardWorker);
    ended.push(records);
  }
  return ended;
}

/**
 * Reports items that are done to their stages. An item whose tenure has ended is not settled: the next owner processes it, too. Returns
 * how many are settled, and how many were not open.
 */
export function reportSettled(
  open: OpenRecords,
  reports: StageReports,
  settled: readonly SettledItems[],
): { readonly done: number; readonly stale: number } {
  let [done, stale] = [0, 0];
  for (const { tenure, stage, ordinals, items } of settled) {
    const dispositions = dispositionsFor(reports, stage, tenure.shardWorkerNumber);
    if (tenure.ended) {
      dispositions.ended = true;
      open.delete(tenure.shardWorkerNumber);
      continue;
    }
    for (const [place, ordinal] of ordinals.entries()) {
      if (noteSettled(open, tenure.shardWorkerNumber, ordinal)) {
        dispositions.ordinals.push(ordinal);
        dispositions.items.push(items[place] as number);
        done += 1;
      } else stale += 1;
    }
  }
  return { done, stale };
}

/** Tells the stages of ended tenures with open records. */
export function reportEndedOf(open: OpenRecords, reports: StageReports): void {
  for (const { tenure, stage } of takeEnded(open))
    dispositionsFor(reports, stage, tenure.shardWorkerNumber).ended = true;
}
