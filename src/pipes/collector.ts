// Decides when what was collected is emitted, for aggregates and batched sinks. A state has one group, or one for each lease.
//
// The state changes in place, and only when nothing more of the call can fail. The one exception is `push` of a custom aggregate, which
// changes its part before the output is made. If the output fails then, `pending` remembers that the message is in the part: the
// repeated call does not push it again.
import { NonRetryableError } from '../api/failure-policy.js';
import { NodeFailure } from '../api/pipe-failure.js';
import type { Held, Keep, NodeDefinition, NodeResult, NodeContext, PipeMessage } from '../api/pipe.js';
import { answered, type MaybeLater } from './answer.js';
import type { Collection, AggregateDecision } from './collection.js';
import { leasesKeyOf } from './lease-holdings.js';
import { setTimer, timeOf, type Timed } from './due-timer.js';

interface Group<In, Out> {
  /** What `groups` knows it by. */
  readonly key: string;
  readonly collected: Collection<In, Out>;
  /** When its first message came, epoch milliseconds. */
  readonly firstAt: number;
}

interface Pending<In, Out> {
  readonly message: PipeMessage<In>;
  readonly group: Group<In, Out>;
  readonly decision: AggregateDecision;
}

/** What a collecting node has collected. */
export interface Collected<In, Out> extends Timed {
  /** Groups that are not empty, the oldest first, by their leases; one for all leases unless `perLease`. */
  readonly groups: Map<string, Group<In, Out>>;
  pending: Pending<In, Out> | undefined;
}

export interface CollectorOptions<In, Out> {
  /** For texts. */
  readonly kind: string;
  readonly count: number;
  readonly bytes: number;
  readonly intervalMs: number;
  /** Each lease has a group of its own. */
  readonly perLease: boolean;
  /** The state is forgotten once it has emitted everything. */
  readonly once: boolean;
  readonly collect: () => Collection<In, Out>;
  /** What a result says of values that are emitted, each with what it stands for. */
  readonly emit: (emitted: readonly Emitted<Out>[]) => NodeResult<never, Out>;
}

export interface Emitted<Out> {
  readonly value: Out;
  readonly of: readonly Held[];
}

/** A group to emit. `offered`: a message that belongs to it, and that is not kept. */
interface Due<In, Out> {
  readonly group: Group<In, Out>;
  readonly offered?: PipeMessage<In> | undefined;
}

type Callbacks<In, Out> = Pick<
  NodeDefinition<Collected<In, Out>, In, Out>,
  'init' | 'handleMessage' | 'handleFlush' | 'handleTimer' | 'handleLost' | 'keepsForMs'
>;

export function collector<In, Out>(options: CollectorOptions<In, Out>): Callbacks<In, Out> {
  return {
    keepsForMs: options.intervalMs,
    init: () => ({ groups: new Map(), pending: undefined, dueAt: undefined }),
    handleMessage: (state, message, context) => takeIn(options, state, message, context),
    handleFlush: (state, context) => {
      forgetPending(state);
      return emitThenKeep(options, { state, due: [...state.groups.values()].map((group) => ({ group })), context });
    },
    handleTimer: (state, context) => {
      forgetPending(state);
      const now = timeOf(state, context.now);
      const groups = [...state.groups.values()].filter(({ firstAt }) => firstAt + options.intervalMs <= now);
      return emitThenKeep(options, { state, due: groups.map((group) => ({ group })), context });
    },
    handleLost: (state, { lease }) => {
      for (const [key, { collected }] of state.groups) {
        collected.lose(lease);
        if (collected.count() === 0) state.groups.delete(key);
      }
      return state;
    },
  };
}

function takeIn<In, Out>(
  options: CollectorOptions<In, Out>,
  state: Collected<In, Out>,
  message: PipeMessage<In>,
  context: NodeContext,
): MaybeLater<NodeResult<Collected<In, Out>, Out>> {
  const { group, decision, rejecting } = offer(options, state, message, context.now);
  const { collected } = group;
  const isComplete =
    decision === 'flush' ||
    collected.count() + 1 >= options.count ||
    collected.sizeBytes() + message.sizeBytes >= options.bytes;
  const due: Due<In, Out>[] = [];
  if (rejecting !== undefined) due.push({ group: rejecting });
  if (isComplete) due.push({ group, offered: message });
  return emitThenKeep(options, {
    state,
    due,
    context,
    keep: () => {
      if (isComplete) return [];
      state.groups.set(group.key, group);
      return [collected.keep(message)];
    },
  });
}

/** Where a message goes: the group that takes it, and the one that has rejected it. */
interface Placement<In, Out> {
  readonly group: Group<In, Out>;
  readonly decision: AggregateDecision;
  readonly rejecting?: Group<In, Out>;
}

function offer<In, Out>(
  options: CollectorOptions<In, Out>,
  state: Collected<In, Out>,
  message: PipeMessage<In>,
  now: number,
): Placement<In, Out> {
  if (state.pending?.message === message) return state.pending;
  forgetPending(state);
  const key = options.perLease ? leasesKeyOf(message) : '';
  const empty = (): Group<In, Out> => ({ key, collected: options.collect(), firstAt: now });
  const current = state.groups.get(key);
  if (current !== undefined) {
    const decision = current.collected.offer(message);
    if (decision !== 'reject') return pendingIn(state, { message, group: current, decision });
  }
  const group = empty();
  const decision = group.collected.offer(message);
  if (decision === 'reject')
    throw new NonRetryableError(`${options.kind}: an empty aggregate has rejected the message`);
  if (current !== undefined) return { group, decision, rejecting: current };
  return pendingIn(state, { message, group, decision });
}

/** The call of the pending message is over, and has not succeeded: the message was lost with its leases. */
function forgetPending<In, Out>(state: Collected<In, Out>): void {
  state.pending?.group.collected.forgetOffered();
  state.pending = undefined;
}

function pendingIn<In, Out>(state: Collected<In, Out>, pending: Pending<In, Out>): Pending<In, Out> {
  state.pending = pending;
  return pending;
}

/** Makes all outputs. Only then does the state change: groups that were emitted go, and a message is kept. */
function emitThenKeep<In, Out>(
  options: CollectorOptions<In, Out>,
  call: {
    readonly state: Collected<In, Out>;
    readonly due: readonly Due<In, Out>[];
    readonly context: NodeContext;
    readonly keep?: () => readonly Keep[];
  },
): MaybeLater<NodeResult<Collected<In, Out>, Out>> {
  const { state, due, context, keep } = call;
  const emitted: Emitted<Out>[] = [];
  const finish = (): NodeResult<Collected<In, Out>, Out> => {
    for (const { group } of due) state.groups.delete(group.key);
    const kept = keep?.() ?? [];
    state.pending = undefined;
    return {
      ...(due.length === 0 ? {} : options.emit(emitted)),
      keep: kept,
      timerMs: setTimer(state, state.groups.values().next().value?.firstAt, {
        forMs: options.intervalMs,
        now: context.now,
      }),
      forget: options.once && due.length > 0 && state.groups.size === 0,
    };
  };
  const makeFrom = (at: number): MaybeLater<NodeResult<Collected<In, Out>, Out>> => {
    const next = due[at];
    if (next === undefined) return finish();
    const of = [...next.group.collected.held(), ...(next.offered === undefined ? [] : [next.offered])];
    return answered(
      () => next.group.collected.output(next.offered, context),
      (value) => {
        emitted.push({ value, of });
        return makeFrom(at + 1);
      },
      (error) => {
        const kept = next.group.collected.values();
        const values = kept === undefined || next.offered === undefined ? kept : [...kept, next.offered.value];
        throw new NodeFailure(error, { of, state: without(state, next.group), values });
      },
    );
  };
  return makeFrom(0);
}

function without<In, Out>(state: Collected<In, Out>, failed: Group<In, Out>): Collected<In, Out> {
  const groups = new Map([...state.groups].filter(([, group]) => group !== failed));
  return { groups, pending: undefined, dueAt: state.dueAt };
}
