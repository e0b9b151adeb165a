// What an aggregate collects until it emits. There are two forms: a list of values, and parts that a custom aggregate has folded.
import type { Holding, Keep, MessageLease, NodeContext, PipeMessage } from '../api/pipe.js';
import type { MaybeLater } from './answer.js';

/**
 * What becomes of a message that is offered to an aggregate. `keep`: it waits for more. `flush`: with it the aggregate is complete.
 * `reject`: it does not belong to this one, which is emitted; then the message is offered to an empty one.
 */
export type AggregateDecision = 'keep' | 'flush' | 'reject';

/** It changes in place, but `keep` and `lose` cannot fail, and `offer` throws before it changes anything. */
export interface Collection<In, Out> {
  /** How many messages are kept. */
  count(): number;
  sizeBytes(): number;
  offer(message: PipeMessage<In>): AggregateDecision;
  /** The value to emit. `offered`: a message that belongs to it, and that is not kept. It may be called again after a failure. */
  output(offered: PipeMessage<In> | undefined, context: NodeContext): MaybeLater<Out>;
  /** Keeps the message that was offered last. */
  keep(message: PipeMessage<In>): Keep;
  held(): readonly Holding[];
  /** The values of all that is kept, in order; undefined if they were folded. */
  values(): readonly In[] | undefined;
  /** The message that was offered last is neither kept nor emitted: its leases have ended. */
  forgetOffered(): void;
  /** Takes out what belongs to the lease. */
  lose(lease: MessageLease): void;
}
