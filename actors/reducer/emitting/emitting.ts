// Makes messages of what calls have emitted, and divides the items among them (docs/pipes.md). What was emitted in `reduce` stands for its
// item, and what was emitted in a call for several items stands for all of them. Called when a call has succeeded, and only then.
import type { DeliveredItem } from '../../protocol/item.js';
import { noteOpen, reportSettled } from '../../protocol/open-records.js';
import { SentMessage, type ItemReferences } from '../../protocol/pipe-message.js';
import { settleItem } from '../../protocol/stage-reports.js';
import type { PipeBehind } from './pipe-behind.js';
import type { ReducerTurn } from '../state.js';
import { recordBytes } from '../../../src/core/record-bytes.js';
import { addTo, emptyBundle, isBundle, settleReferences, splitInto } from '../../../src/core/references.js';

/**
 * Emits these values for the item. `keepsShare`: the item also waits here for its flush, or its acknowledgement. Returns true if it does
 * not: then nothing of the item is left here.
 */
export function emitForItem(
  { state: { behind } }: ReducerTurn,
  item: DeliveredItem,
  values: readonly unknown[] | undefined,
  keepsShare: boolean,
): boolean {
  // The next owner of a lost lease emits for the item.
  if (behind === undefined || values === undefined || values.length === 0 || item.tenure.ended) return false;
  const share = splitInto(takeOwn(behind, item), values.length + (keepsShare ? 1 : 0));
  if (keepsShare) behind.shares.set(item, share);
  send(behind, values, share, recordBytes(item.record));
  return !keepsShare;
}

/**
 * Emits these values for all of the items. Items of ended tenures are left out, and nothing is emitted if there are no others. Returns the
 * items of which nothing is left here.
 */
export function emitForItems(
  { state: { behind } }: ReducerTurn,
  items: readonly DeliveredItem[],
  values: readonly unknown[] | undefined,
  keepsShares = false,
): ReadonlySet<DeliveredItem> {
  if (behind === undefined || values === undefined || values.length === 0) return none;
  const live = items.filter(({ tenure }) => !tenure.ended);
  if (live.length === 0 && items.length > 0) return none;
  let whole: ItemReferences | undefined;
  let sizeBytes = 0;
  for (const item of live) {
    sizeBytes += recordBytes(item.record);
    let own = takeOwn(behind, item);
    if (keepsShares) behind.shares.set(item, (own = splitInto(own, 2)));
    whole = joined(whole, own);
  }
  send(behind, values, whole === undefined ? undefined : splitInto(whole, values.length), sizeBytes);
  return keepsShares ? none : new Set(live);
}

const none: ReadonlySet<DeliveredItem> = new Set();

function joined(whole: ItemReferences | undefined, own: ItemReferences): ItemReferences {
  if (whole === undefined) return own;
  if (isBundle(whole)) {
    addTo(whole, own);
    return whole;
  }
  const bundle: ReturnType<typeof emptyBundle> = emptyBundle();
  addTo(bundle, whole);
  addTo(bundle, own);
  return bundle as ItemReferences;
}

/** Takes what the reducer has of an item: all of it, or the share that earlier calls have left. */
function takeOwn({ shares, open, marks }: PipeBehind, item: DeliveredItem): ItemReferences {
  if (marks.size > 0)
    for (const mark of marks.values())
      if (mark.punctuation.shardWorker === item.tenure.shardWorkerNumber) mark.isOvertaken = true;
  const share = shares.get(item);
  if (share === undefined) noteOpen(open, item);
  else shares.delete(item);
  return share ?? item;
}

/** `references`: those of each message. */
function send(
  behind: PipeBehind,
  values: readonly unknown[],
  references: ItemReferences | undefined,
  sizeBytes: number,
): void {
  const each = sizeBytes / values.length;
  for (const value of values) behind.outbox.push(new SentMessage(value, references, undefined, each));
  behind.untaken += values.length;
  behind.untakenBytes += sizeBytes;
}

/** Settles what the reducer has of an item. Returns true if it is settled now: nothing of it is in the pipe. */
export function settleOwn({ state: { behind, reports } }: ReducerTurn, item: DeliveredItem): boolean {
  const share = behind?.shares.get(item);
  if (behind === undefined || share === undefined) {
    settleItem(reports, item);
    return true;
  }
  behind.shares.delete(item);
  let isSettled = false;
  settleReferences(share, (tenure, stage, ordinal, index) => {
    const items = { tenure, stage, ordinals: [ordinal], items: [index] };
    isSettled = reportSettled(behind.open, reports, [items]).done > 0;
  });
  return isSettled;
}
