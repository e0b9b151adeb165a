// Collects what a reducer or a pipe reports to its stages: credit for items taken in or dropped, and settled items by shard worker. At the
// end of each turn it sends one message per stage, never one per item.
import { effect, type Effect, type Ref } from './actor.js';
import type { Disposed, ShardWorkerDispositions } from './disposition.js';
import type { DeliveredItem } from './item.js';
import type { StageMessage } from './pipeline-messages.js';

/** What the next message to one stage says. */
interface StageReport {
  credit: number;
  readonly dispositions: Map<number, ShardWorkerDispositions>;
}

export interface StageReports {
  readonly open: Map<Ref<Disposed>, StageReport>;
  /** The number of the last numbered message to each stage: `disposed` or `punctuated`. */
  readonly lastSent: Map<Ref<Disposed>, number>;
  /** Items that wait here and have given their credit back already. */
  readonly credited: Set<DeliveredItem>;
}

export function createStageReports(): StageReports {
  return { open: new Map(), lastSent: new Map(), credited: new Set() };
}

function reportTo(reports: StageReports, stage: Ref<Disposed>): StageReport {
  let report = reports.open.get(stage);
  if (report === undefined) {
    report = { credit: 0, dispositions: new Map() };
    reports.open.set(stage, report);
  }
  return report;
}

/** What the next message to this stage says of this shard worker. */
export function dispositionsFor(
  reports: StageReports,
  stage: Ref<Disposed>,
  shardWorker: number,
): ShardWorkerDispositions {
  const { dispositions } = reportTo(reports, stage);
  let shardWorkerDispositions = dispositions.get(shardWorker);
  if (shardWorkerDispositions === undefined) {
    shardWorkerDispositions = { shardWorker, ordinals: [], items: [] };
    dispositions.set(shardWorker, shardWorkerDispositions);
  }
  return shardWorkerDispositions;
}

/** Called for each item folded, skipped or dropped: the stage may send another. Only the first call for an item counts. */
export function returnCredit(reports: StageReports, item: DeliveredItem): void {
  if (reports.credited.size > 0 && reports.credited.delete(item)) return;
  reportTo(reports, item.stage).credit += 1;
}

/** Notes that this item has given its credit back, and will come to a call (again). */
export function markCredited(reports: StageReports, item: DeliveredItem): void {
  reports.credited.add(item);
}

/** Forgets an item that comes to no call any more. */
export function forgetCredit(reports: StageReports, item: DeliveredItem): void {
  reports.credited.delete(item);
}

export function settleItem(reports: StageReports, item: DeliveredItem): void {
  const shardWorkerDispositions = dispositionsFor(reports, item.stage, item.tenure.shardWorkerNumber);
  shardWorkerDispositions.ordinals.push(item.ordinal);
  shardWorkerDispositions.items.push(item.index);
}

/** Reports to a shard worker that its tenure has ended: the shard worker gets no more dispositions. */
export function reportEnded(reports: StageReports, item: DeliveredItem): void {
  dispositionsFor(reports, item.stage, item.tenure.shardWorkerNumber).ended = true;
}

/** The next number for a stage, which drops repeated numbers. */
export function nextNumber(reports: StageReports, stage: Ref<Disposed>): number {
  const number = (reports.lastSent.get(stage) ?? 0) + 1;
  reports.lastSent.set(stage, number);
  return number;
}

/** What a punctuation is answered to, and its number there. */
interface Punctuated {
  readonly stage: Ref<StageMessage>;
  readonly id: number;
}

/** Answers a punctuation: what came before it is done. The dispositions go first. `waiting`: the ordinals that wait for another attempt. */
export function sendPunctuated<Message>(
  reports: StageReports,
  { stage, id }: Punctuated,
  { reducer, waiting }: { readonly reducer: number; readonly waiting: readonly number[] },
  effects: Effect<Message>[],
): void {
  sendStageReports(reports, reducer, effects);
  effects.push(effect.send(stage, { type: 'punctuated', reducer, number: nextNumber(reports, stage), id, waiting }));
}

/** Sends everything that was collected. Returns true if an item was settled. */
export function sendStageReports<Message>(reports: StageReports, reducer: number, effects: Effect<Message>[]): boolean {
  let settled = false;

  for (const [stage, report] of reports.open) {
    const dispositions = [...report.dispositions.values()];
    settled ||= dispositions.some(({ ordinals }) => ordinals.length > 0);
    effects.push(
      effect.send(stage, {
        type: 'disposed',
        reducer,
        number: nextNumber(reports, stage),
        credit: report.credit,
        dispositions,
      }),
    );
  }

  reports.open.clear();
  return settled;
}
