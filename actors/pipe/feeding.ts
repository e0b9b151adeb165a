// What goes into the first node: the items that have come, and the marks among them, in order. At most one feed is open. Credit goes back
// when the first node has processed an item. While a failed call holds a node, credit goes back at once: otherwise the stage could send
// nothing more, and no punctuation would come.
import { effect } from '../protocol/actor.js';
import { DeliveredItem } from '../protocol/item.js';
import { SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import type { Entry } from '../protocol/pipe-messages.js';
import { markCredited, reportEnded, returnCredit } from '../protocol/stage-reports.js';
import { endIfLate } from '../protocol/tenure.js';
import { noteTaken } from './behind-reducer.js';
import type { Message, PipeActorMessage } from './messages.js';
import { isWaiting } from './nodes.js';
import { noteOpen } from '../protocol/open-records.js';
import type { PipeState, PipeTurn } from './state.js';
import { recordBytes } from '../../src/core/record-bytes.js';
import { forEachTenure } from '../../src/core/references.js';

/** How many entries one feed has at most. */
const maxEntries = 256;

export function queueItems({ options, state }: PipeTurn, { items }: Message<'items'>): void {
  const isHeld = options.holdsCredit !== true && isWaiting(state);
  for (const item of items) {
    // The `revoked` of another stage may have come before these items.
    if (item.tenure.ended) {
      dropItem(state, item);
      continue;
    }
    state.queue.push(item);
    noteOpen(state.open, item);
    if (isHeld) creditAtOnce(state, item);
  }
}

/** Feeds the first node, if it is ready for it and something waits. */
export function feedFirstNode({ options, state, effects }: PipeTurn): void {
  const [first] = state.nodes;
  if (state.feed !== undefined || state.end !== undefined || first?.ref === undefined) return;

  const entries: Entry[] = [];
  const items: DeliveredItem[] = [];
  let [emitted, emittedBytes] = [0, 0];
  while (entries.length < maxEntries) {
    const next = state.queue.shift();
    if (next === undefined) break;
    if (SentMessage.isMessage(next)) {
      entries.push(next);
      emitted += 1;
      emittedBytes += SentMessage.sizeOf(next);
    } else if (!(next instanceof DeliveredItem)) entries.push({ type: 'flushMark', number: next.number });
    else if (endIfLate(next.tenure, options.clock)) dropItem(state, next);
    else {
      items.push(next);
      entries.push((options.messageOf ?? messageOf)(next));
    }
  }
  if (entries.length === 0) return;

  state.lastFeed += 1;
  const feed = state.lastFeed;
  state.feed = { number: feed, items, emitted, emittedBytes };
  effects.push(
    effect.ask(first.ref, (replyTo) => ({ type: 'feed', entries, replyTo }), {
      answered: (): PipeActorMessage => ({ type: 'fed', feed }),
      failed: (): PipeActorMessage => ({ type: 'feedFailed' }),
    }),
  );
}

function messageOf(item: DeliveredItem): SentMessage {
  return new SentMessage(item.value, item, undefined, recordBytes(item.record));
}

/** The first node has processed what it was fed. */
export function fed({ state }: PipeTurn, { feed }: Message<'fed'>): void {
  if (state.feed?.number !== feed) return;
  for (const item of state.feed.items) returnCredit(state.reports, item);
  if (state.feeder !== undefined) noteTaken(state.feeder, state.feed.emitted, state.feed.emittedBytes);
  state.feed = undefined;
}

/** A failed call begins to hold a node. */
export function creditAll({ options, state }: PipeTurn): void {
  if (options.holdsCredit === true) return;
  for (const item of state.feed?.items ?? []) creditAtOnce(state, item);
  for (const item of queuedItems(state)) creditAtOnce(state, item);
}

function creditAtOnce({ reports }: PipeState, item: DeliveredItem): void {
  returnCredit(reports, item);
  markCredited(reports, item);
}

/** Drops what waits here of a shard worker whose tenure has ended. */
export function dropQueued(state: PipeState, shardWorker: number): void {
  state.queue.retain((queued) => {
    if (!(queued instanceof DeliveredItem) || queued.tenure.shardWorkerNumber !== shardWorker) return true;
    returnCredit(state.reports, queued);
    return false;
  });
}

/** Drops the messages of a reducer that belong to ended tenures alone. Returns how many. */
export function dropLostMessages({ queue, feeder }: PipeState): number {
  return queue.retain((queued) => {
    if (!SentMessage.isMessage(queued)) return true;
    const references = SentMessage.referencesOf(queued);
    // What is lost is not taken out of the others here: a node that notes what is left must still find the item of its share.
    if (references === undefined || someLive(references)) return true;
    if (feeder !== undefined) noteTaken(feeder, 1, SentMessage.sizeOf(queued));
    return false;
  });
}

function someLive(references: ItemReferences): boolean {
  let isLive = false;
  forEachTenure(references, ({ ended }) => {
    if (!ended) isLive = true;
  });
  return isLive;
}

/** The tenure of an item has ended. */
function dropItem(state: PipeState, item: DeliveredItem): void {
  returnCredit(state.reports, item);
  reportEnded(state.reports, item);
  state.open.delete(item.tenure.shardWorkerNumber);
}

export function* queuedItems({ queue }: PipeState): Generator<DeliveredItem> {
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    if (queued instanceof DeliveredItem) yield queued;
  }
}
