// A pipe without actors, as a model: it does what a node's result says, to the letter, one call after another. It has queues without
// bounds, a clock that moves by hand, and no threads. It shares no code with the references of src/core. The caller decides which node
// is next (`step`).
import assert from 'node:assert/strict';
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
import { callbackOf } from './naive-callbacks.js';
import type { NaiveEvent, NaiveOptions, NaivePipe } from './naive-pipe-types.js';
import { createSettlement, divided, leasesOf, NaiveMessage, type Share } from './naive-shares.js';

type Mark = { readonly mark: number } | 'end';
type Entry = NaiveMessage | Mark;

interface State {
  readonly heads: readonly string[];
  value: unknown;
  readonly kept: Set<NaiveMessage>;
  readonly holdings: Map<Holding, Share[]>;
  timerAt: number | undefined;
  usedAt: number;
  /** The place of its last use among those of all states. */
  lastUse: number;
  /** `lastUse` when it began to keep something; Infinity if it keeps nothing. */
  keepsFrom: number;
  /** Since its last use it was to end, and keeps something that no flush emits. */
  isStuck: boolean;
}

/** What a node does next, before its queue. */
type Call = Attempts &
  (
    | { readonly type: 'message'; readonly message: NaiveMessage }
    | { readonly type: 'flush' | 'timer' | 'terminate'; readonly key: string }
    | { readonly type: 'room'; readonly key: string; ended: string | undefined }
    | { readonly type: 'pass'; readonly mark: Mark }
  );

interface Attempts {
  attempt: number;
  /** It is not made before. */
  dueAt: number;
}

const fresh = (): Attempts => ({ attempt: 1, dueAt: 0 });

interface Node {
  readonly definition: AnyNode;
  readonly queue: Entry[];
  readonly states: Map<string, State>;
  agenda: Call[];
}

const neverAborted = new AbortController().signal;

const keyOf = (heads: readonly string[]): string => JSON.stringify(heads);
const mainKey = keyOf([]);
const isHolding = (held: Held): held is Holding => HeldBundle.isHolding(held);

export async function naivePipe(definitions: readonly AnyNode[], options: NaiveOptions = {}): Promise<NaivePipe> {
  const nodes = definitions.map((definition): Node => ({ definition, queue: [], states: new Map(), agenda: [] }));
  const settlement = createSettlement();
  const withoutHandleLost = new WeakSet<Held>();
  /** What has lost something since it was empty. */
  const withLoss = new WeakSet<Held>();
  const sent: NaiveMessage[] = [];
  const flushed: number[] = [];
  const trace: NaiveEvent[] = [];
  let hasEnded = false;
  let foldedAfterLoss = 0;
  let retries = 0;
  let uses = 0;
  let endedBy: number | undefined;

  const contextOf = (node: Node, heads: readonly string[], attempt: number): NodeContext => ({
    node: `${node.definition.name}/${nodes.indexOf(node)}`,
    pipe: 0,
    route: heads.at(-1),
    attempt,
    now: pipe.now,
    signal: neverAborted,
  });

  const note = (node: Node, type: NaiveEvent['type'], heads: readonly string[], more: Partial<NaiveEvent> = {}): void =>
    void trace.push({ type, node: nodes.indexOf(node), heads, ...more });

  async function stateOf(node: Node, heads: readonly string[], attempt: number): Promise<State> {
    const key = keyOf(heads);
    let state = node.states.get(key);
    if (state === undefined) {
      const value: unknown = await node.definition.init?.(contextOf(node, heads, attempt));
      note(node, 'init', heads);
      state = {
        ...{ heads, value, kept: new Set(), holdings: new Map(), timerAt: undefined, usedAt: pipe.now },
        ...{ lastUse: (uses += 1), keepsFrom: Infinity, isStuck: false },
      };
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

  const keepsNothing = ({ kept, holdings }: State): boolean => kept.size === 0 && holdings.size === 0;

  /** Takes what is held out of the state. */
  function take(state: State, held: Held, message: NaiveMessage | undefined): readonly Share[] {
    if (isHolding(held)) {
      const shares = state.holdings.get(held) ?? [];
      withoutHandleLost.delete(held);
      withLoss.delete(held);
      state.holdings.delete(held);
      HeldBundle.take(held as HeldBundle);
      return shares;
    }
    assert(held === message || state.kept.delete(held as NaiveMessage), 'a message that is not here');
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
    assert(heads.length > 0, 'the main route has no head');
    return heads.slice(0, -1);
  }

  function apply(node: Node, state: State, result: NodeResult, message: NaiveMessage | undefined): void {
    const { outputs = [], keep = [], drop = [] } = result;
    const messageOf = (kept: (typeof keep)[number]): PipeMessage => ('in' in kept ? kept.message : kept);
    const inOutputs = new Map<Held, number>();
    for (const { of } of outputs) {
      assert.equal(new Set(of).size, of.length, 'an output names something twice');
      for (const held of of) inOutputs.set(held, (inOutputs.get(held) ?? 0) + 1);
    }
    const named = [...inOutputs.keys(), ...keep.map(messageOf), ...drop];
    assert.equal(new Set(named).size, named.length, 'named in more than one of `of`, `keep` and `drop`');
    assert(message === undefined || named.includes(message), 'the message is left out');
    for (const kept of keep) assert(messageOf(kept) === message, 'only the message of the call can be kept');

    interface Part {
      readonly shares: readonly Share[];
      readonly sizeBytes: number;
      readonly hasLost: boolean;
      readonly isGone: boolean;
    }
    const parts = new Map<Held, Part>();
    for (const [held, count] of inOutputs) {
      const [sizeBytes, hasLost, hadLoss] = [held.sizeBytes / count, withoutHandleLost.has(held), withLoss.has(held)];
      const shares = divided(take(state, held, message), count);
      parts.set(held, { shares, sizeBytes, hasLost, isGone: hadLoss && shares.length === 0 });
    }
    for (const held of drop) settlement.settle(take(state, held, message));
    for (const output of outputs) {
      const of = output.of.map((held) => parts.get(held)!);
      const shares = of.flatMap((part) => part.shares);
      const sizeBytes = output.sizeBytes ?? of.reduce((sum, part) => sum + part.sizeBytes, 0);
      // Nothing is left of it.
      if (shares.length === 0 && of.some(({ isGone }) => isGone)) continue;
      if (output.hidden === true) {
        settlement.settle(shares);
        continue;
      }
      if (of.some(({ hasLost }) => hasLost)) foldedAfterLoss += 1;
      send(node, new NaiveMessage(output.value, shares, routeOf(state.heads, output), sizeBytes), state.heads);
    }
    for (const kept of keep) {
      if (!('in' in kept)) state.kept.add(kept as NaiveMessage);
      else {
        const others = [...nodes.flatMap(({ states }) => [...states.values()])].filter((each) => each !== state);
        assert(!others.some(({ holdings }) => holdings.has(kept.in)), 'a holding of another state');
        state.holdings.set(kept.in, [...(state.holdings.get(kept.in) ?? []), ...message!.shares]);
        HeldBundle.add(kept.in as HeldBundle, undefined, { sizeBytes: message!.sizeBytes, hasLost: false });
      }
    }
    if ('state' in result) state.value = result.state;
    if (result.timerMs !== undefined) state.timerAt = result.timerMs === null ? undefined : pipe.now + result.timerMs;
  }

  /** The keys of the states, the one first that has kept something for longest. */
  function oldestFirst(node: Node): string[] {
    const states = [...node.states].toSorted(([, one], [, other]) => {
      return one.keepsFrom === other.keepsFrom ? 0 : one.keepsFrom - other.keepsFrom;
    });
    return states.map(([key]) => key);
  }

  const flushCalls = (node: Node): Call[] => oldestFirst(node).map((key) => ({ type: 'flush', key, ...fresh() }));

  function takeEntry(node: Node, entry: Entry): void {
    if (entry instanceof NaiveMessage) {
      const key = keyOf(entry.heads);
      if (!node.states.has(key)) node.agenda.push({ type: 'room', key, ended: undefined, ...fresh() });
      node.agenda.push({ type: 'message', message: entry, ...fresh() });
    } else {
      node.agenda.push(...flushCalls(node));
      if (entry === 'end')
        for (const key of node.states.keys()) node.agenda.push({ type: 'terminate', key, ...fresh() });
      node.agenda.push({ type: 'pass', mark: entry, ...fresh() });
    }
  }

  /** If there are as many routes as may be, ends the least recently used one of those that can end. */
  function makeRoom(node: Node, call: Extract<Call, { type: 'room' }>): boolean {
    const { maxRoutes = 10_000 } = node.definition;
    const routes = [...node.states].filter(([key]) => key !== mainKey);
    const left = call.ended === undefined ? undefined : node.states.get(call.ended);
    // Its flush has left something.
    if (left !== undefined && !keepsNothing(left)) left.isStuck = true;
    const [oldest] = routes
      .filter(([, { isStuck }]) => !isStuck)
      .toSorted(([, one], [, other]) => one.lastUse - other.lastUse);
    if (call.key === mainKey || routes.length < maxRoutes || oldest === undefined) return true;
    const [key, state] = oldest;
    call.ended = key;
    if (!keepsNothing(state)) node.agenda.unshift({ type: 'flush', key, ...fresh() });
    const at = node.agenda.indexOf(call);
    node.agenda.splice(at, 0, { type: 'terminate', key, ...fresh() });
    return false;
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
    call: Exclude<Call, { type: 'pass' | 'room' }>,
    state: State | undefined,
    thrown: unknown,
  ): boolean | Promise<boolean> {
    const failure = isNodeFailure(thrown) ? thrown : undefined;
    const error = failure === undefined ? thrown : failure.cause;
    const verdict = options.onFailure?.(error, call.attempt, nodes.indexOf(node)) ?? 'crash';
    if (verdict === 'crash' && options.drains !== true) throw error as Error;
    if (verdict === 'crash') {
      end(node, false);
      return true;
    }
    if (verdict === 'retry') {
      retries += 1;
      call.attempt += 1;
      call.dueAt = pipe.now + (options.pauseMs ?? 0);
      return false;
    }
    const message = call.type === 'message' ? call.message : undefined;
    if (failure === undefined || state === undefined) {
      if (message !== undefined) skip(node, message.heads, message.shares);
      return message !== undefined || state === undefined || replace(node, state);
    }
    for (const held of failure.of) skip(node, state.heads, take(state, held, message));
    state.value = failure.state;
    noteKept(state);
    call.attempt = 1;
    return message !== undefined && failure.of.includes(message);
  }

  /** A flush or a timer has failed as a whole: what the state keeps is settled, and it ends. */
  async function replace(node: Node, state: State): Promise<boolean> {
    const held: Held[] = [...state.kept, ...state.holdings.keys()];
    for (const each of held) skip(node, state.heads, take(state, each, undefined));
    await terminate(node, keyOf(state.heads));
    return true;
  }

  function noteKept(state: State): void {
    if (keepsNothing(state)) state.isStuck = false;
    if (keepsNothing(state)) state.keepsFrom = Infinity;
    else if (state.keepsFrom === Infinity) state.keepsFrom = state.lastUse;
  }

  async function make(node: Node, call: Call): Promise<boolean> {
    if (call.type === 'pass') passOn(node, call.mark);
    if (call.type === 'pass') return true;
    if (call.type === 'room') return makeRoom(node, call);
    const message = call.type === 'message' ? call.message : undefined;
    const key = call.type === 'message' ? keyOf(call.message.heads) : call.key;
    if (call.type !== 'message' && !node.states.has(key)) return true;
    if (call.type === 'terminate') {
      if (node.agenda.some((each) => each.type === 'pass') || keepsNothing(node.states.get(key)!))
        await terminate(node, key);
      return true;
    }
    if (call.type !== 'message' && callbackOf(node.definition, node.states.get(key)?.value, call.type) === undefined)
      return true;
    let state: State | undefined;
    let result: NodeResult;
    try {
      const { definition } = node;
      state = await stateOf(node, JSON.parse(key) as string[], call.attempt);
      const context = contextOf(node, state.heads, call.attempt);
      result =
        call.type === 'message'
          ? await definition.handleMessage(state.value, call.message, context)
          : ((await callbackOf(definition, state.value, call.type)?.(state.value, context)) ?? {});
    } catch (thrown) {
      return judge(node, call, state, thrown);
    }
    const came = message === undefined ? {} : { message, leases: message.leases };
    note(node, call.type === 'message' ? 'in' : call.type, state.heads, came);
    state.lastUse = uses += 1;
    state.isStuck = false;
    state.usedAt = pipe.now;
    apply(node, state, result, message);
    noteKept(state);
    if (result.forget === true) {
      assert.equal(sharesIn(state).length, 0, 'a state that keeps something is forgotten');
      await terminate(node, key);
    }
    if (result.exit === true) end(node, true);
    return true;
  }

  /** This node ends as if nothing more came, and those before it stop at once. Without a flush: it has crashed. */
  function end(node: Node, flushes: boolean): void {
    endedBy = Math.max(endedBy ?? 0, nodes.indexOf(node));
    const terminates = (each: Node): Call[] =>
      [...each.states.keys()].map((key) => ({ type: 'terminate', key, ...fresh() }));
    for (const each of nodes.slice(0, nodes.indexOf(node))) {
      each.queue.length = 0;
      each.agenda = terminates(each);
      for (const state of each.states.values()) {
        state.kept.clear();
        state.holdings.clear();
        state.timerAt = undefined;
      }
    }
    node.queue.length = 0;
    if (flushes) node.agenda = [];
    if (flushes) node.queue.push('end');
    else node.agenda = [...terminates(node), { type: 'pass', mark: 'end', ...fresh() }];
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
    const hurry = (): void => {
      const [call] = node.agenda;
      if (call?.type !== 'flush' && call?.type !== 'timer') return;
      const state = node.states.get(call.key);
      if (state === undefined || keepsNothing(state)) call.dueAt = 0;
    };
    for (const state of node.states.values()) {
      if (!leasesOf(sharesIn(state)).has(lease)) continue;
      const isTold = options.isTold?.(nodes.indexOf(node), state.heads) ?? true;
      const handleLost = isTold ? node.definition.handleLost : undefined;
      const messages = [...state.kept].filter((message) => !left(message));
      for (const message of messages) {
        withLoss.add(message);
        if (handleLost === undefined) withoutHandleLost.add(message);
        else state.kept.delete(message);
      }
      for (const [holding, shares] of state.holdings) {
        const live = shares.filter(({ item }) => item.lease !== lease);
        if (live.length < shares.length) withLoss.add(holding);
        if (live.length < shares.length && handleLost === undefined) withoutHandleLost.add(holding);
        if (live.length === 0 && handleLost !== undefined) state.holdings.delete(holding);
        else state.holdings.set(holding, live);
      }
      noteKept(state);
      note(node, 'lost', state.heads, { lease });
      if (handleLost !== undefined)
        state.value = handleLost(state.value, { lease, messages }, contextOf(node, state.heads, 1));
    }
    hurry();
  }

  const timers = (): { node: Node; key: string; at: number }[] =>
    nodes.flatMap((node) =>
      [...node.states].flatMap(([key, { timerAt }]) => (timerAt === undefined ? [] : [{ node, key, at: timerAt }])),
    );

  /** When a failed call is due again. */
  const waits = (): number[] =>
    nodes.flatMap(({ agenda }) => (agenda[0] !== undefined && agenda[0].dueAt > pipe.now ? [agenda[0].dueAt] : []));

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
      if (call.dueAt > pipe.now) return false;
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
        const dueAt = Math.min(...timers().map(({ at }) => at), ...waits());
        if (!(dueAt <= until)) break;
        pipe.now = Math.max(pipe.now, dueAt);
        for (const due of timers()) {
          if (due.at > pipe.now) continue;
          due.node.states.get(due.key)!.timerAt = undefined;
          due.node.agenda.push({ type: 'timer', key: due.key, ...fresh() });
        }
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
    get retries() {
      return retries;
    },
    get endedBy() {
      return endedBy;
    },
    get foldedAfterLoss() {
      return foldedAfterLoss;
    },
    routes: (index) => [...nodes[index]!.states.values()].map(({ heads }) => heads),
  };
  for (const node of nodes) await stateOf(node, [], 1);
  return pipe;
}
