// The custom form of an aggregate: one state for each lease, since nothing can be subtracted from a fold. They are combined at output.
// Messages of the same several leases have one state, too, which goes with the last of these leases.
import { NonRetryableError } from '../api/failure-policy.js';
import type { NodeContext, PipeMessage } from '../api/pipe.js';
import { show } from '../api/refusal.js';
import { atOnce, type MaybeLater } from './answer.js';
import type { Collection, AggregateDecision } from './collection.js';
import { holdingsIn, keepUnder, leasesKeyOf, loseLease, sizeBytesOf, type LeaseHoldings } from './lease-holdings.js';

/** A custom aggregate. The states are yours: `init` makes them, and `push` changes them. */
export interface Aggregation<State, In, Out> {
  /** Makes an empty aggregate. Synchronous. */
  readonly init: () => State;
  /**
   * Takes the value into the state, which it changes in place, and says what follows. It is synchronous. It changes nothing but the state,
   * and the same calls give the same answers. If it throws or answers `reject`, it must not have changed the state; the message alone has
   * failed then.
   */
  readonly push: (state: State, value: In, message: PipeMessage<In>) => AggregateDecision;
  /**
   * The value that the aggregate sends on. It may be async. It must not change the state, because it is called again after a failure.
   * If it fails, all messages of the aggregate have failed together.
   */
  readonly output: (state: State, context: NodeContext) => MaybeLater<Out>;
  /**
   * Combines the states of several leases, in the order of their first messages, into a new one. It must not change them. Without it each
   * lease has an aggregate and outputs of its own, as with `perLease`.
   */
  readonly merge?: ((states: readonly State[]) => State) | undefined;
}

const decisions: ReadonlySet<unknown> = new Set<AggregateDecision>(['keep', 'flush', 'reject']);

export function foldedParts<State, In, Out>({
  init,
  push,
  output,
  merge,
}: Aggregation<State, In, Out>): Collection<In, Out> {
  const parts = new Map<string, State>();
  const holdings: LeaseHoldings = new Map();
  let count = 0;
  /** The key of the message that was offered last. It may lose a lease before it is kept. */
  let offeredUnder = '';

  return {
    count: () => count,
    sizeBytes: () => sizeBytesOf(holdings),
    offer: (message) => {
      const key = leasesKeyOf(message);
      const isNew = !parts.has(key);
      const state = isNew ? atOnce(init(), 'aggregate: init') : (parts.get(key) as State);
      const decision: unknown = atOnce(push(state, message.value, message), 'aggregate: push');
      if (!decisions.has(decision))
        throw new NonRetryableError(`aggregate: push must return keep, flush or reject, got ${show(decision)}`);
      if (decision !== 'reject') {
        offeredUnder = key;
        if (isNew) parts.set(key, state);
      }
      return decision as AggregateDecision;
    },
    output: (_offered, context) => {
      const states = [...parts.values()];
      const isOne = states.length === 1 || merge === undefined;
      return output(isOne ? (states[0] as State) : atOnce(merge(states), 'aggregate: merge'), context);
    },
    keep: (message) => {
      count += 1;
      return keepUnder(holdings, offeredUnder, message);
    },
    held: () => holdingsIn(holdings),
    values: () => undefined,
    forgetOffered: () => {
      // Of a part that keeps more, nothing can be taken out. It goes as a whole with its lease.
      if (!holdings.has(offeredUnder)) parts.delete(offeredUnder);
    },
    lose: (lease) => {
      const { gone, messages } = loseLease(holdings, lease);
      for (const key of gone) parts.delete(key);
      count -= messages;
    },
  };
}
