// The error of a node's call that fails because of more than its own message: of what the state keeps.
import type { Held } from './pipe.js';
import { isBranded, isError, messageOf } from '../core/thrown.js';

const brand = Symbol.for('kinact.nodeFailure');

/**
 * Throw it from a callback of a node, to say what has failed: a batch that cannot be written, say, and not only the message that made it
 * full. `onFailure` gets `cause`. One verdict holds for all of `of`:
 * - `retry`: the call is repeated, with the old state and the same message.
 * - `skip`: everything in `of` is settled, and the state becomes `state`. Then the call is repeated with it, unless `of` has the
 *   message of the call. So `handleFlush` and `handleTimer` are called again, because they may have more to do.
 * - `stopShard`: the shards of what is in `of` stop, and what belongs to them is taken out of the state.
 * - `park`: the sink keeps `values`, as one entry, and then it goes on as under `skip`. Without `values`, messages in `of` are parked each
 *   for itself. A holding cannot be parked without them, because only the state knows what is in it: `crash` applies.
 * - `crash`: the pipeline restarts, and everything comes again.
 *
 * A call that throws any other error has failed because of its message alone. `handleFlush` and `handleTimer` have no message: under
 * `skip` or `park` all that the state keeps is settled, and the state ends; the next message gets a state from `init`. So throw a
 * `NodeFailure` there, if less has failed.
 */
export class NodeFailure<State = unknown> extends Error {
  /** Always `NodeFailure`. */
  override readonly name = 'NodeFailure';
  /** What has failed: the message of the call, messages or holdings that the state keeps. */
  readonly of: readonly Held[];
  /** The state without them. */
  readonly state: State;
  /** The values of the messages in `of`, as they came to this node. Undefined: not known. */
  readonly values: readonly unknown[] | undefined;
  /** Marks the errors of every copy of the package. */
  readonly [brand] = true;

  /** `cause` is what was thrown: a `NonRetryableError` is not retried. */
  constructor(
    cause: unknown,
    what: {
      /** What has failed; it must be here, as for `Output.of`. */
      readonly of: readonly Held[];
      /** The state to go on with once these are settled. */
      readonly state: State;
      /**
       * The values of all messages in `of`, in order, as this node got them: one for each, or the call fails with a NonRetryableError.
       * Those of lost leases may be left out, and may be there. With `park`, a replay hands each to `handleMessage` again. Default: not
       * known.
       */
      readonly values?: readonly unknown[] | undefined;
    },
  ) {
    super(isError(cause) ? messageOf(cause) : 'a call of a node failed', { cause });
    this.of = what.of;
    this.state = what.state;
    this.values = what.values;
  }
}

/** Whether the error is a NodeFailure, of this or another copy of the package. */
export function isNodeFailure(error: unknown): error is NodeFailure {
  return isBranded(error, brand);
}
