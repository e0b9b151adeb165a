// The types for pipes: messages, nodes, and what a callback of a node returns. src/pipes has the nodes that come with kinact, and `pipe()`,
// which chains nodes.
import type { MessageFormat } from './message-format.js';
import type { Item } from './reducer.js';

/** The shard grant that a message stands for: the right to deliver the items of one shard, from one start of reading to its end. */
export interface MessageLease {
  /** The source's name. */
  readonly source: string;
  /** The id of the shard in its stream. */
  readonly shardId: string;
  /** The fencing token of the lease: see `Item.fence`. */
  readonly fence: number;
}

/**
 * What travels through a pipe: a value, and hidden behind it the items that it stands for. kinact makes messages; an object of your own is
 * refused. A message is settled once, when nothing more happens to what became of it.
 */
export interface PipeMessage<Value = unknown> {
  /** The value: of the item at first, then what the node before returned. A repeated call gets the same object. */
  readonly value: Value;
  /** The head of the route: the newest name that a `demux` added and no `join` has removed. Undefined on the main route. */
  readonly route: string | undefined;
  /** The item that the message stands for, if it is one item; undefined behind an aggregate. */
  readonly item: Item<unknown> | undefined;
  /** The lease of all that the message stands for, the same object for the same lease; undefined if there are several. */
  readonly lease: MessageLease | undefined;
  /** All leases of what the message stands for, each once. None if it stands for nothing. */
  readonly leases: readonly MessageLease[];
  /** How many bytes the message counts in the queues: those of its records, shared out among the outputs of one message. */
  readonly sizeBytes: number;
}

/**
 * What a state holds back: items of messages whose values the state has taken in. Make one with `createHolding()`, keep it in the state,
 * and name it in `keep` and `of`. It holds ranges, so 10,000 messages cost no list. Use one for each lease if `handleLost` takes the
 * values of a lease out of the state.
 */
export interface Holding {
  /** How many messages were kept in it since it was last emitted or dropped. */
  readonly messages: number;
  /** The sum of their `sizeBytes`. */
  readonly sizeBytes: number;
}

/** A message of this call, or kept by an earlier one, or a holding. */
export type Held = PipeMessage | Holding;

/** Adds a head to the route of a message. */
export interface AddedHead {
  /** The new head. All messages with the same heads are on the same route. */
  readonly add: string;
}

/** A message that a node sends on. */
export interface Output<Value = unknown> {
  /** The value of the message that goes on. */
  readonly value: Value;
  /**
   * What the output stands for. Each of these is settled when the output is done. A message in several outputs is divided: it is settled
   * with the last of them. A holding is empty afterwards.
   */
  readonly of: readonly Held[];
  /** Adds a head to the route, or removes it. Default: the route stays. */
  readonly route?: AddedHead | 'remove' | undefined;
  /** The message is settled at once, and no later node sees it: the same as `drop`. Default false. */
  readonly hidden?: boolean | undefined;
  /** How many bytes the output counts. Default: those of what it stands for, shared out. */
  readonly sizeBytes?: number | undefined;
}

/** Keeps a message in a holding: the state has taken in its value. */
export interface KeptIn {
  /** The message of this call. */
  readonly message: PipeMessage;
  /** A holding of this state, or an empty one. */
  readonly in: Holding;
}

/** Keeps a message: as itself, or in a holding. */
export type Keep = PipeMessage | KeptIn;

/** What a callback of a node returns. The message of the call must be in exactly one of `of`, `keep` and `drop`. */
export interface NodeResult<State = unknown, Out = unknown> {
  /** The new state. If the member is absent, the old one stays. */
  readonly state?: State;
  /** What goes on to the next node, in this order. Default: nothing. */
  readonly outputs?: readonly Output<Out>[] | undefined;
  /** What stays here: it is open until a later call emits or drops it. */
  readonly keep?: readonly Keep[] | undefined;
  /** What is done with: it is settled now. */
  readonly drop?: readonly Held[] | undefined;
  /**
   * When `handleTimer` is called for this state, in milliseconds from now, at most 2,147,483,647; `null` clears the timer. Absent: it stays
   * as it is.
   */
  readonly timerMs?: number | null | undefined;
  /**
   * True: this state is forgotten after the result. `terminate` is called, and the next message of the route gets a state from `init`.
   * Refused while the state keeps something. Default false.
   */
  readonly forget?: boolean | undefined;
  /** True: this node flushes, sends on what it has, and ends, and so does the pipe. Default false. */
  readonly exit?: boolean | undefined;
}

/** The context that every callback of a node gets. */
export interface NodeContext {
  /** The name of the node, such as `aggregate/2`. */
  readonly node: string;
  /** The number of the pipe, from 0: there is one pipe per reducer index. */
  readonly pipe: number;
  /** The head of the route of this state; undefined on the main route. */
  readonly route: string | undefined;
  /** 1 for the first call, more after a failure. */
  readonly attempt: number;
  /** The time, milliseconds since the epoch. */
  readonly now: number;
  /**
   * Aborts when the pipe stops at once, or when the call has taken longer than `timeoutMs`. The call is still waited for. Pass the signal
   * on to your client.
   */
  readonly signal: AbortSignal;
}

/** What a state kept of a lease that has ended. */
export interface Lost {
  /** The lease that has ended. */
  readonly lease: MessageLease;
  /** The kept messages that stood for items of this lease alone. */
  readonly messages: readonly PipeMessage[];
}

/** The result of a callback, or a promise of it. */
export type NodeAnswer<State, Out> = NodeResult<State, Out> | PromiseLike<NodeResult<State, Out>>;

/**
 * A node of a pipe. Its callbacks never overlap. A call that throws goes to `onFailure`; under `retry` it is repeated with the same state
 * and the same message, and later messages of the pipe wait. Under `skip` the message of the call is settled. See `NodeFailure` for a
 * call that fails because of what the state keeps.
 */
export interface NodeDefinition<State = unknown, In = unknown, Out = unknown> {
  /** The name in status, errors and events. Default: the kind of the node. */
  readonly name?: string | undefined;
  /**
   * Makes a state: one for the main route when the pipe starts, where a failure is a failed start; and one for each route at its first
   * message.
   */
  readonly init?: ((context: NodeContext) => State | PromiseLike<State>) | undefined;
  /** Handles a message. */
  readonly handleMessage: (state: State, message: PipeMessage<In>, context: NodeContext) => NodeAnswer<State, Out>;
  /**
   * Emits what the state holds: before a stop and the end of a shard, and when a full ledger waits for it. It is called for each state, the
   * one with the oldest message first. Default: nothing is emitted, and what is kept stays kept. A stop does not wait for that.
   */
  readonly handleFlush?: ((state: State, context: NodeContext) => NodeAnswer<State, Out>) | undefined;
  /** Called when the timer of the state is due: see `NodeResult.timerMs`. */
  readonly handleTimer?: ((state: State, context: NodeContext) => NodeAnswer<State, Out>) | undefined;
  /**
   * Takes out of the state what belongs to a lease that has ended, and returns the state. It is synchronous. Default: the state stays as it
   * is, and an output that stands for the lost part is counted as `foldedAfterLoss`. In either case an output of which nothing is left is
   * not sent on.
   *
   * It is called only if the state keeps something of the lease. A state that remembers what it has passed on, to refuse repeats, must
   * remember the lease, too. What it has passed on may be lost behind it, and comes again under the next lease.
   */
  readonly handleLost?: ((state: State, lost: Lost, context: NodeContext) => State) | undefined;
  /** Ends a state. Every state that `init` made gets exactly one call. When a pipe stops at once, it is called without waiting. */
  readonly terminate?: ((state: State, context: NodeContext) => unknown) | undefined;
  /** How long one call may take, in milliseconds. Default: `callDeadlineMs` of the consumer. */
  readonly timeoutMs?: number | undefined;
  /** How many messages wait for the next node. Then this node handles no more. Default 1,000. */
  readonly maxQueueLen?: number | undefined;
  /** How many bytes of messages wait for the next node. One message is always let in. Default 8,388,608. */
  readonly maxQueueBytes?: number | undefined;
  /**
   * The longest time for which a state keeps a message without a flush, in milliseconds: the interval of a batch, say. `createConsumer`
   * refuses a pipe in which it is not less than `watchdogMs`, because each wait would look like a stall. Default: unknown.
   */
  readonly keepsForMs?: number | undefined;
  /**
   * How many routes may have a state at once. Beyond it the least recently used route is flushed and ended, of those whose state then keeps
   * nothing. If all keep something, there are more. Default 10,000.
   */
  readonly maxRoutes?: number | undefined;
  /** A route that holds nothing, and has had no message for this long, is ended. Default 60,000. */
  readonly routeIdleMs?: number | undefined;
}

/** A node of unknown types, as a pipe holds it. */
// oxlint-disable-next-line typescript/no-explicit-any -- the types of the neighbours were checked when the pipe was chained
export type AnyNode = NodeDefinition<any, any, any>;

/** A whole pipe: the option `pipe` of `createConsumer`. `In`: the values that the first node gets. */
export interface Pipe<in In = never> {
  /** The nodes in order, at least one. */
  readonly nodes: readonly AnyNode[];
  /** How its values become bytes. Absent: `park` can keep only records as they came, so it is refused as a policy. */
  readonly format?: MessageFormat | undefined;
  /** Never there; for the compiler only. */
  readonly takes?: (value: In) => void;
}
