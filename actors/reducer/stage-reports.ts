// Collects what a reducer returns to its stages: credit for items folded or dropped, and settled items by worker. At the end of
// each turn it sends one message per stage, never one per item.
import { effect, type Effect, type Ref } from '../protocol/actor.js';
import type { Disposed, WorkerDispositions } from '../protocol/disposition.js';
import type { DeliveredItem } from '../protocol/item.js';

interface ToStage {
  credit: number;
  readonly dispositions: Map<number, WorkerDispositions>;
}

export interface Returns {
  readonly open: Map<Ref<Disposed>, ToStage>;
  /** The number of the last numbered message to each stage: `disposed` or `punctuated`. */
  readonly sent: Map<Ref<Disposed>, number>;
}

export function createReturns(): Returns {
  return { open: new Map(), sent: new Map() };
}

function toStage(returns: Returns, stage: Ref<Disposed>): ToStage {
  let to = returns.open.get(stage);
  if (to === undefined) {
    to = { credit: 0, dispositions: new Map() };
    returns.open.set(stage, to);
  }
  return to;
}

function dispositionsOf(returns: Returns, item: DeliveredItem): WorkerDispositions {
  const { dispositions } = toStage(returns, item.stage);
  const { worker } = item.tenure;
  let ofWorker = dispositions.get(worker);
  if (ofWorker === undefined) {
    ofWorker = { worker, ordinals: [], items: [] };
    dispositions.set(worker, ofWorker);
  }
  return ofWorker;
}

/** Called once for each item folded, skipped or dropped: the stage may send another. */
export function returnCredit(returns: Returns, item: DeliveredItem): void {
  toStage(returns, item.stage).credit += 1;
}

export function settleItem(returns: Returns, item: DeliveredItem): void {
  const ofWorker = dispositionsOf(returns, item);
  ofWorker.ordinals.push(item.ordinal);
  ofWorker.items.push(item.index);
}

/** Reports a dead tenure to its worker, which gets no more dispositions. */
export function reportDead(returns: Returns, item: DeliveredItem): void {
  dispositionsOf(returns, item).dead = true;
}

/** The next number for a stage, which drops repeated numbers. */
export function nextNumber(returns: Returns, stage: Ref<Disposed>): number {
  const number = (returns.sent.get(stage) ?? 0) + 1;
  returns.sent.set(stage, number);
  return number;
}

/** Sends everything that was collected. Returns true if an item was settled. */
export function sendReturns<Message>(returns: Returns, reducer: number, effects: Effect<Message>[]): boolean {
  let settled = false;
  for (const [stage, to] of returns.open) {
    const dispositions = [...to.dispositions.values()];
    settled ||= dispositions.some(({ ordinals }) => ordinals.length > 0);
    effects.push(
      effect.send(stage, {
        type: 'disposed',
        reducer,
        number: nextNumber(returns, stage),
        credit: to.credit,
        dispositions,
      }),
    );
  }
  returns.open.clear();
  return settled;
}
