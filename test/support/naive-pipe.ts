// A pipe without actors, as a model: it does what a node's result says, to the letter, one call after another. It has queues without
// bounds, a clock that moves by hand, and no threads. It shares no code with the references of src/core. The caller decides which node
// is next (`step`).
import { expect } from 'chai';
import { isNodeFailure } from '../../src/api/pipe-failure.js';
import type {
  AnyNode,
  Held,
  Holding,
  MessageLease,
  NodeContext,
  NodeResult,
  Output,
  PipeMessage,
} from '../../src/api/pipe.js';
import { HeldBundle } from '../../src/core/holding.js';
import { createSettlement, divided, leasesOf, NaiveMessage, type NaiveItem, type Share } from './naive-shares.js';

type Mark = { readonly mark: number } | 'end';
type Entry = NaiveMessage | Mark;

interface State {
  readonly heads: readonly string[];
  value: unknown;
  readonly kept: Set<NaiveMessage>;
  readonly holdings: Map<Holding, Share[]>;
  timerAt: number | undefined;
  usedAt: number;
}

/** What a node does next, before its queue. */
type Call =
  | { readonly type: 'message'; readonly message: NaiveMessage; attempt: number }
  | { readonly type: 'flush' | 'timer' | 'terminate'; readonly key: string; attempt: number }
  | { readonly type: 'pass'; readonly mark: Mark };

interface Node {
  readonly definition: AnyNode;
  readonly queue: Entry[];
  readonly states: Map<string, State>;
  agenda: Call[];
}

export type Verdict = 'retry' | 'skip' | 'crash';

/** `heads`: the route of the state. */
export interface NaiveEvent {
  readonly type: 'in' | 'out' | 'init' | 'terminate' | 'lost' | 'flush' | 'timer' | 'skipped';
  readonly node: number;
  readonly heads: readonly string[];
  readonly message?: NaiveMessage;
  /** The lost one, or that of the message that comes in. */
  readonly lease?: MessageLease;
  /** What was settled by the verdict. */
  readonly items?: readonly NaiveItem[];
}

export interface NaivePipe {
  now: number;
  offer(...items: NaiveItem[]): void;
  flush(mark?: number): void;
  /** Nothing more comes: every node flushes and ends. */
  stop(): void;
  /** One call of this node. False: it has nothing to do. */
  step(node: number): Promise<boolean>;
  /** Steps until no node has anything to do. */
  run(): Promise<void>;
  /** Moves the clock; timers fire at their time, and idle routes end. */
  advance(ms: number): Promise<void>;
  lose(lease: MessageLease): void;
  /** Whether the node waits to repeat a call. */
  isWaiting(node: number): boolean;
  readonly settled: readonly NaiveItem[];
  /** What the last node has sent on. */
  readonly sent: NaiveMessage[];
  readonly flushed: number[];
  readonly trace: NaiveEvent[];
  readonly hasEnded: boolean;
  /** How many outputs contained what was lost, and no `handleLost` took out. */
  readonly foldedAfterLoss: number;
  /** The heads of the routes that have a state. */
  routes(node: number): readonly (readonly string[])[];
}

export interface NaiveOptions {
  /** What follows a call that has thrown. Default: crash, and `step` throws the error. */
  readonly onFailure?: (error: unknown, attempt: number, node: number) => Verdict;
}

const keyOf = (heads: readonly string[]): string => JSON.stringify(heads);
const mainKey = keyOf([]);
const isHolding = (held: Held): held is Holding => HeldBundle.isHolding(held);

export async function naivePipe(definitions: readonly AnyNode[], options: NaiveOptions = {}): Promise<NaivePipe> {
  const nodes = definitions.map((definition): Node => ({ definition, queue: [], states: new Map(), agenda: [] }));
  const settlement = createSettlement();
  const withoutHandleLost = new WeakSet<Holding>();
  const sent: NaiveMessage[] = [];
  const flushed: number[] = [];
  const trace: NaiveEvent[] = [];
  let hasEnded = false;
  let foldedAfterLoss = 0;

  const contextOf = (node: Node, heads: readonly string[], attempt: number): NodeContext => ({
    node: `${node.definition.name}/${nodes.indexOf(node)}`,
    pipe: 0,
    route: heads.at(-1),
    attempt,
    now: pipe.now,
    signal: new AbortController().signal,
  });

  const note = (node: Node, type: NaiveEvent['type'], heads: readonly string[], more: Partial<NaiveEvent> = {}): void =>
    void trace.push({ type, node: nodes.indexOf(node), heads, ...more });

  async function stateOf(node: Node, heads: readonly string[], attempt: number): Promise<State> {
    const key = keyOf(heads);
    let state = node.states.get(key);
    if (state === undefined) {
      const value: unknown = await node.definition.init?.(contextOf(node, heads, attempt));
      note(node, 'init', heads);
      state = { heads, value, kept: new Set(), holdings: new Map(), timerAt: undefined, usedAt: pipe.now };
      node.states.set(key, state);
    }
    return state;
  }

  async function terminate(node: Node, key: string): Promise<void> {
    const state = node.states.get(key);
    if (state === undefined) return;
    node.states.delete(key);
    note(node, 'terminate', state.heads);
    await node.definition.terminate?.(state.value, contextOf(node, state.heads, 1));
  }

  const sharesIn = (state: State): readonly Share[] => [
    ...[...state.kept].flatMap(({ shares }) => shares),
    ...[...state.holdings.values()].flat(),
  ];

  /** Takes what is held out of the state. */
  function take(state: State, held: Held, message: NaiveMessage | undefined): readonly Share[] {
    if (isHolding(held)) {
      const shares = state.holdings.get(held) ?? [];
      if (withoutHandleLost.has(held)) foldedAfterLoss += 1;
      withoutHandleLost.delete(held);
      state.holdings.delete(held);
      HeldBundle.take(held as HeldBundle);
      return shares;
    }
    expect(held === message || state.kept.delete(held as NaiveMessage), 'a message that is not here').to.equal(true);
    return (held as NaiveMessage).shares;
  }

  function send(node: Node, message: NaiveMessage, from: readonly string[]): void {
    note(node, 'out', from, { message });
    const next = nodes[nodes.indexOf(node) + 1];
    if (next !== undefined) return void next.queue.push(message);
    sent.push(message);
    settlement.settle(message.shares);
  }

  function routeOf(heads: readonly string[], { route }: Output): readonly string[] {
    if (route === undefined) return heads;
    if (route !== 'remove') return [...heads, route.add];
    expect(heads, 'the main route has no head').to.not.deep.equal([]);
    return heads.slice(0, -1);
  }

  function apply(node: Node, state: State, result: NodeResult, message: NaiveMessage | undefined): void {
    const { outputs = [], keep = [], drop = [] } = result;
    const messageOf = (kept: (typeof keep)[number]): PipeMessage => ('in' in kept ? kept.message : kept);
    const inOutputs = new Map<Held, number>();
    for (const { of } of outputs) {
      expect(new Set(of).size, 'an output names something twice').to.equal(of.length);
      for (const held of of) inOutputs.set(held, (inOutputs.get(held) ?? 0) + 1);
    }
    const named = [...inOutputs.keys(), ...keep.map(messageOf), ...drop];
    expect(new Set(named).size, 'named in more than one of `of`, `keep` and `drop`').to.equal(named.length);
    if (message !== undefined) expect(named.includes(message), 'the message is left out').to.equal(true);
    for (const kept of keep) expect(messageOf(kept), 'only the message of the call can be kept').to.equal(message);

    const parts = new Map<Held, { readonly shares: readonly Share[]; readonly sizeBytes: number }>();
    for (const [held, count] of inOutputs) {
      const sizeBytes = held.sizeBytes / count;
      parts.set(held, { shares: divided(take(state, held, message), count), sizeBytes });
    }
    for (const held of drop) settlement.settle(take(state, held, message));
    for (const output of outputs) {
      const of = output.of.map((held) => parts.get(held)!);
      const shares = of.flatMap((part) => part.shares);
      const sizeBytes = output.sizeBytes ?? of.reduce((sum, part) => sum + part.sizeBytes, 0);
      if (output.hidden === true) settlement.settle(shares);
      else send(node, new NaiveMessage(output.value, shares, routeOf(state.heads, output), sizeBytes), state.heads);
    }
    for (const kept of keep) {
      if (!('in' in kept)) state.kept.add(kept as NaiveMessage);
      else {
        const others = [...nodes.flatMap(({ states }) => [...states.values()])].filter((each) => each !== state);
        expect(
          others.some(({ holdings }) => holdings.has(kept.in)),
          'a holding of another state',
        ).to.equal(false);
        state.holdings.set(kept.in, [...(state.holdings.get(kept.in) ?? []), ...message!.shares]);
        HeldBundle.add(kept.in as HeldBundle, undefined, message!.sizeBytes);
      }
    }
    if ('state' in result) state.value = result.state;
    if (result.timerMs !== undefined) state.timerAt = result.timerMs === null ? undefined : pipe.now + result.timerMs;
  }

  /** The keys of the states, the one with the oldest item first. */
  function oldestFirst(node: Node): string[] {
    const ageOf = (state: State): number => Math.min(...sharesIn(state).map(({ item }) => item.id));
    return [...node.states].toSorted(([, one], [, other]) => (ageOf(one) < ageOf(other) ? -1 : 1)).map(([key]) => key);
  }

  const flushCalls = (node: Node): Call[] => oldestFirst(node).map((key) => ({ type: 'flush', key, attempt: 1 }));

  function takeEntry(node: Node, entry: Entry): void {
    if (entry instanceof NaiveMessage) {
      const { maxRoutes = 10_000 } = node.definition;
      if (!node.states.has(keyOf(entry.heads)) && node.states.size >= maxRoutes) {
        const [oldest] = [...node.states]
          .filter(([key]) => key !== mainKey)
          .toSorted(([, a], [, b]) => a.usedAt - b.usedAt);
        if (oldest !== undefined)
          for (const type of ['flush', 'terminate'] as const) node.agenda.push({ type, key: oldest[0], attempt: 1 });
      }
      node.agenda.push({ type: 'message', message: entry, attempt: 1 });
    } else {
      node.agenda.push(...flushCalls(node));
      if (entry === 'end')
        for (const key of node.states.keys()) node.agenda.push({ type: 'terminate', key, attempt: 1 });
      node.agenda.push({ type: 'pass', mark: entry });
    }
  }

  function passOn(node: Node, mark: Mark): void {
    const next = nodes[nodes.indexOf(node) + 1];
    if (next !== undefined) next.queue.push(mark);
    else if (mark === 'end') hasEnded = true;
    else flushed.push(mark.mark);
  }

  function skip(node: Node, heads: readonly string[], shares: readonly Share[]): void {
    note(node, 'skipped', heads, { items: shares.map(({ item }) => item) });
    settlement.settle(shares);
  }

  /** What the failed call leads to. True: the call is done. */
  function judge(
    node: Node,
    call: Exclude<Call, { type: 'pass' }>,
    state: State | undefined,
    thrown: unknown,
  ): boolean {
    const failure = isNodeFailure(thrown) ? thrown : undefined;
    const error = failure === undefined ? thrown : failure.cause;
    const verdict = options.onFailure?.(error, call.attempt, nodes.indexOf(node)) ?? 'crash';
    if (verdict === 'crash') throw error as Error;
    if (verdict === 'retry') {
      call.attempt += 1;
      return false;
    }
    const message = call.type === 'message' ? call.message : undefined;
    if (failure === undefined || state === undefined) {
      if (message !== undefined) skip(node, message.heads, message.shares);
      return true;
    }
    for (const held of failure.of) skip(node, state.heads, take(state, held, message));
    state.value = failure.state;
    call.attempt = 1;
    return message !== undefined && failure.of.includes(message);
  }

  async function make(node: Node, call: Call): Promise<boolean> {
    if (call.type === 'pass') passOn(node, call.mark);
    if (call.type === 'pass') return true;
    const message = call.type === 'message' ? call.message : undefined;
    const key = call.type === 'message' ? keyOf(call.message.heads) : call.key;
    if (call.type !== 'message' && !node.states.has(key)) return true;
    if (call.type === 'terminate') {
      if (node.agenda.some((each) => each.type === 'pass') || sharesIn(node.states.get(key)!).length === 0)
        await terminate(node, key);
      return true;
    }
    let state: State | undefined;
    let result: NodeResult;
    try {
      const { definition } = node;
      state = await stateOf(node, JSON.parse(key) as string[], call.attempt);
      if (message !== undefined) state.usedAt = pipe.now;
      const context = contextOf(node, state.heads, call.attempt);
      result =
        call.type === 'message'
          ? await definition.handleMessage(state.value, call.message, context)
          : ((await definition[call.type === 'flush' ? 'handleFlush' : 'handleTimer']?.(state.value, context)) ?? {});
    } catch (thrown) {
      return judge(node, call, state, thrown);
    }
    const came =
      message === undefined ? {} : { message, ...(message.lease === undefined ? {} : { lease: message.lease }) };
    note(node, call.type === 'message' ? 'in' : call.type, state.heads, came);
    apply(node, state, result, message);
    if (result.forget === true) {
      expect(sharesIn(state), 'a state that keeps something is forgotten').to.deep.equal([]);
      await terminate(node, key);
    }
    if (result.exit === true) exit(node);
    return true;
  }

  /** This node ends as if nothing more came, and those before it stop at once. */
  function exit(node: Node): void {
    for (const each of nodes.slice(0, nodes.indexOf(node))) {
      each.queue.length = 0;
      each.agenda = [...each.states.keys()].map((key) => ({ type: 'terminate', key, attempt: 1 }));
    }
    node.queue.length = 0;
    node.queue.push('end');
  }

  function loseIn(node: Node, lease: MessageLease): void {
    const left = (message: NaiveMessage): boolean => {
      const had = message.shares.length;
      message.shares = message.shares.filter(({ item }) => item.lease !== lease);
      return had === 0 || message.shares.length > 0;
    };
    const queue = node.queue.filter((entry) => !(entry instanceof NaiveMessage) || left(entry));
    node.queue.splice(0, node.queue.length, ...queue);
    node.agenda = node.agenda.filter((call) => call.type !== 'message' || left(call.message));
    for (const state of node.states.values()) {
      if (!leasesOf(sharesIn(state)).has(lease)) continue;
      const { handleLost } = node.definition;
      const messages = [...state.kept].filter((message) => !left(message));
      for (const message of messages) state.kept.delete(message);
      for (const [holding, shares] of state.holdings) {
        const live = shares.filter(({ item }) => item.lease !== lease);
        if (live.length < shares.length && handleLost === undefined) withoutHandleLost.add(holding);
        state.holdings.set(holding, live);
      }
      note(node, 'lost', state.heads, { lease });
      if (handleLost !== undefined)
        state.value = handleLost(state.value, { lease, messages }, contextOf(node, state.heads, 1));
    }
  }

  const timers = (): { node: Node; key: string; at: number }[] =>
    nodes.flatMap((node) =>
      [...node.states].flatMap(([key, { timerAt }]) => (timerAt === undefined ? [] : [{ node, key, at: timerAt }])),
    );

  const pipe: NaivePipe = {
    now: 1_000_000,
    offer: (...items) => {
      for (const item of items)
        nodes[0]!.queue.push(new NaiveMessage(item.value, [{ item, count: 1n, of: 1n }], [], item.sizeBytes ?? 1));
    },
    flush: (mark = 1) => void nodes[0]!.queue.push({ mark }),
    stop: () => void nodes[0]!.queue.push('end'),
    step: async (index) => {
      const node = nodes[index]!;
      if (node.agenda.length === 0) {
        const entry = node.queue.shift();
        if (entry === undefined) return false;
        takeEntry(node, entry);
      }
      const call = node.agenda[0]!;
      if (await make(node, call)) node.agenda = node.agenda.filter((each) => each !== call);
      return true;
    },
    run: async () => {
      for (let isBusy = true; isBusy;) {
        isBusy = false;
        for (const index of nodes.keys()) while (await pipe.step(index)) isBusy = true;
      }
    },
    advance: async (ms) => {
      const until = pipe.now + ms;
      for (;;) {
        const due = timers()
          .filter(({ at }) => at <= until)
          .toSorted((one, other) => one.at - other.at)[0];
        if (due === undefined) break;
        pipe.now = Math.max(pipe.now, due.at);
        due.node.states.get(due.key)!.timerAt = undefined;
        due.node.agenda.push({ type: 'timer', key: due.key, attempt: 1 });
        await pipe.run();
      }
      pipe.now = until;
      for (const node of nodes)
        for (const [key, state] of node.states)
          if (
            key !== mainKey &&
            pipe.now - state.usedAt >= (node.definition.routeIdleMs ?? 60_000) &&
            sharesIn(state).length === 0
          )
            await terminate(node, key);
    },
    lose: (lease) => {
      for (const node of nodes) loseIn(node, lease);
    },
    isWaiting: (index) => {
      const [call] = nodes[index]!.agenda;
      return call !== undefined && call.type !== 'pass' && call.attempt > 1;
    },
    settled: settlement.whole,
    sent,
    flushed,
    trace,
    get hasEnded() {
      return hasEnded;
    },
    get foldedAfterLoss() {
      return foldedAfterLoss;
    },
    routes: (index) => [...nodes[index]!.states.values()].map(({ heads }) => heads),
  };
  for (const node of nodes) await stateOf(node, [], 1);
  return pipe;
}
