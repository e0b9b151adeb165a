// Finds out where an item is inside a reducer, for the watchdog and for `status()`. It walks the whole queue, so it runs only for
// a stalled shard or for `status()`.
import { effect } from '../protocol/actor.js';
import type { HeldRecord, Whereabouts } from '../protocol/disposition.js';
import { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';
import type { Mark, ReducerState, ReducerTurn } from './state.js';

type Locate = Extract<ReducerRequest, { type: 'locate' }>;

/** Answers where the record is, or passes the question on to the next reducer. The last reducer answers in any case. */
export function answerLocate({ state, now, effects }: ReducerTurn, question: Locate): void {
  const found: Whereabouts | undefined = question.queued
    ? { holder: state.self.path, state: 'queued', forMs: now - state.settledAt }
    : 'punctuation' in question
      ? ofPunctuation(state, question, now)
      : whereabouts(state, question.worker, question.ordinal, now);
  const [next, ...rest] = question.next;
  if (found === undefined && next !== undefined) effects.push(effect.send(next, { ...question, next: rest }));
  else effects.push(effect.reply(question.replyTo, found ?? { holder: state.self.path, state: 'unknown', forMs: 0 }));
}

/** Finds a punctuation. It counts as `running` while it waits for a running call. */
function ofPunctuation(
  { self, job, queue, settledAt }: ReducerState,
  { stage, punctuation }: Extract<Locate, { readonly punctuation: number }>,
  now: number,
): Whereabouts | undefined {
  const is = (mark: DeliveredItem | Mark | undefined): boolean =>
    mark !== undefined &&
    !(mark instanceof DeliveredItem) &&
    mark.type === 'punctuation' &&
    mark.stage === stage &&
    mark.id === punctuation;
  let isHere = job?.type === 'raw' && is(job.mark);
  for (let place = 0; !isHere && place < queue.length; place += 1) isHere = is(queue.at(place));
  if (!isHere) return undefined;
  if (job === undefined) return { holder: self.path, state: 'queued', forMs: now - settledAt };
  const since = job.type === 'fold' ? (job.job.current?.since ?? now) : job.job.startedAt;
  return { holder: self.path, state: 'running', forMs: now - since };
}

function whereabouts(state: ReducerState, worker: number, ordinal: number, now: number): Whereabouts | undefined {
  const is = (item: DeliveredItem): boolean => item.tenure.worker === worker && item.ordinal === ordinal;
  const at = (where: Whereabouts['state'], since: number): Whereabouts => {
    return { holder: state.self.path, state: where, forMs: now - since };
  };
  const { job } = state;
  if (job?.type === 'fold') {
    const { current, items, next } = job.job;
    if (current !== undefined && is(current.item)) return at('running', current.since);
    if (items.slice(next).some(is)) return at('queued', state.settledAt);
    if (job.job.done.slice(job.job.noted).some(is)) return at('folded', current?.since ?? now);
  } else if (job?.type === 'flush') {
    if (job.job.groups.slice(job.job.noted).some((group) => group.items.some(is)))
      return at('running', job.job.startedAt);
  } else if (job?.type === 'raw' && job.job.items.some(is)) {
    return at('running', job.job.startedAt);
  }
  for (const [item, since] of state.manual) if (is(item)) return at('folded', since);
  for (const slot of state.slots.values()) if (slot.folded.some(is)) return at('folded', state.unflushedSince);
  if (state.carry.some(is)) return at('queued', state.settledAt);
  for (let place = 0; place < state.queue.length; place += 1) {
    const queued = state.queue.at(place);
    if (queued instanceof DeliveredItem && is(queued)) return at('queued', state.settledAt);
  }
  return undefined;
}

function heldBy(state: ReducerState, now: number): readonly HeldRecord[] {
  const held = new Map<number, HeldRecord>();
  for (const item of itemsOf(state)) {
    const { ordinal, tenure } = item;
    if (ordinal >= (held.get(tenure.worker)?.ordinal ?? Infinity)) continue;
    held.set(tenure.worker, { worker: tenure.worker, ordinal, state: 'unknown', forMs: 0 });
  }
  return [...held.values()].map((each) => {
    const where = whereabouts(state, each.worker, each.ordinal, now);
    return where === undefined ? each : { ...each, state: where.state, forMs: where.forMs };
  });
}

function* itemsOf(state: ReducerState): Generator<DeliveredItem> {
  const { job } = state;
  if (job?.type === 'fold') {
    if (job.job.current !== undefined) yield job.job.current.item;
    yield* job.job.items.slice(job.job.next);
  } else if (job?.type === 'flush') for (const { items } of job.job.groups.slice(job.job.noted)) yield* items;
  else if (job !== undefined) yield* job.job.items;
  yield* state.manual.keys();
  for (const { folded } of state.slots.values()) yield* folded;
  yield* state.carry;
  for (let place = 0; place < state.queue.length; place += 1) {
    const queued = state.queue.at(place);
    if (queued instanceof DeliveredItem) yield queued;
  }
}

/** A reducer as `status()` shows it. `current` names the call under way and the record that the call is about. */
export interface ReducerStatus {
  /** The oldest record of each worker in this reducer. */
  readonly holding: readonly HeldRecord[];
  readonly doing: 'idle' | 'reduce' | 'flush' | 'behaviour';
  readonly queued: number;
  readonly unflushed: number;
  readonly unacknowledged: number;
  readonly current?: {
    readonly shardId: string;
    readonly sequenceNumber: string;
    readonly key: string;
    readonly forMs: number;
  };
}

export function reducerStatus(state: ReducerState, now: number): ReducerStatus {
  const { job } = state;
  const doing =
    job === undefined ? 'idle' : job.type === 'fold' ? 'reduce' : job.type === 'raw' ? 'behaviour' : 'flush';
  const held =
    job?.type === 'fold'
      ? job.job.current
      : job?.type === 'flush'
        ? { item: job.job.groups[job.job.noted]?.items[0], since: job.job.startedAt }
        : job?.type === 'raw'
          ? { item: job.job.items[0], since: job.job.startedAt }
          : undefined;
  const item = held?.item;
  return {
    holding: heldBy(state, now),
    doing,
    queued: state.queue.length + state.carry.length,
    unflushed: state.unflushed,
    unacknowledged: state.manual.size,
    ...(item === undefined || held === undefined
      ? {}
      : {
          current: {
            shardId: item.shardId,
            sequenceNumber: item.sequenceNumber,
            key: item.key,
            forMs: now - held.since,
          },
        }),
  };
}
