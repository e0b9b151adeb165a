// Random chains of nodes as actors, beside the naive pipe: after each step, the same calls were made in each node, with the same values,
// and the same items are settled. After a crash, an exit or a kill, nothing is settled that was not done, and nothing that the naive pipe
// has open.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isNonRetryable, NonRetryableError, type FailurePolicy } from '../../src/api/failure-policy.js';
import type { AnyNode, Lost, NodeDefinition, PipeMessage } from '../../src/api/pipe.js';
import { messageConservation } from '../../src/testing/pipe-trace/message-conservation.js';
import { initTerminate, stateContinuity } from '../../src/testing/pipe-trace/state-continuity.js';
import { pathOf, pathPoints } from '../../src/testing/pipe-trace/message-paths.js';
import { createPipeTrace, type PipeTrace } from '../../src/testing/pipe-trace/pipe-trace.js';
import { tracePipe } from '../../src/testing/pipe-trace/trace-pipe.js';
import { pointText, type TracePoint } from '../../src/testing/pipe-trace/trace-point.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import { SentMessage } from '../../actors/protocol/pipe-message.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import { routeDependent } from '../../src/pipes/route-dependent.js';
import { createDice, type Dice } from '../sim/dice.js';
import { recordOf, ref, tenureOf } from '../support/direct.js';
import { chain, nodeOf, type Spec, type Value } from '../support/drawn-chains.js';
import { naivePipe } from '../support/naive-pipe.js';
import type { NaiveOptions, NaivePipe } from '../support/naive-pipe-types.js';
import { nodeChain, type NodeChain } from '../support/node-chain.js';
import { isWhole } from '../support/sampled.js';
import { seeded } from '../support/seeded.js';

type Step =
  | { readonly type: 'offer'; readonly shards: readonly number[] }
  | { readonly type: 'advance'; readonly tens: number }
  | { readonly type: 'lose'; readonly shard: number }
  | { readonly type: 'flush' };

const shard = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('offer' as const),
      shards: fc.array(shard, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('advance' as const), tens: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('lose' as const), shard }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('flush' as const) }) },
);

/**
 * `skip`: failures are repeated at once, and then skipped. `wait`: they are repeated after a pause, and no timer comes in between.
 * `crash`: the policy says `crash` in the end. `exit`: a callback asks for it. `kill`: an actor is killed in the middle of its work.
 */
const modes = ['skip', 'skip', 'wait', 'crash', 'exit', 'kill'] as const;
type Mode = (typeof modes)[number];

interface Drawn {
  readonly specs: readonly Spec[];
  readonly steps: readonly Step[];
  readonly seed: number;
  readonly mode: Mode;
  /** The place of a node that keeps messages themselves, and whose flush may fail as a whole. */
  readonly keeperAt: number;
  readonly isNarrow: boolean;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  specs: chain,
  steps: fc.array(step, { minLength: 1, maxLength: 16 }),
  seed: fc.nat(),
  mode: fc.constantFrom<Mode>(...modes),
  keeperAt: fc.integer({ min: 0, max: 7 }),
  isNarrow: fc.boolean(),
});

interface KeeperParts {
  readonly fails: () => boolean;
  readonly initFails: () => boolean;
  readonly exits: () => boolean;
  readonly unitMs: number;
}

/** Keeps messages as themselves, and emits them together. Errors of `handleFlush` and `handleTimer` name nothing. */
function keeper(dice: Dice, { fails, initFails, exits, unitMs }: KeeperParts): AnyNode {
  const at = dice.between(2, 4);
  const subtracts = dice.chance(0.7);
  const hides = dice.chance(0.3);
  type Kept = readonly PipeMessage<Value>[];
  const emit = (kept: Kept) => {
    if (fails()) throw new Error('flaky');
    const value = { leaves: kept.flatMap((message) => message.value.leaves) };
    const outputs = kept.length === 0 ? [] : [{ value, of: kept }];
    const hidden = hides ? outputs.map((output) => ({ ...output, hidden: true })) : [];
    return { state: [], outputs: [...outputs, ...hidden], timerMs: null };
  };
  const node: NodeDefinition<Kept, Value, Value> = {
    name: 'keeper',
    init: ({ route }) => {
      if (route !== undefined && initFails()) throw new NonRetryableError('flaky');
      return [];
    },
    handleMessage: async (kept, message) => {
      if (fails()) throw new Error('flaky');
      const all = [...kept, message];
      if (exits()) return { state: all, keep: [message], exit: true };
      return all.length >= at ? emit(all) : { state: all, keep: [message], timerMs: 3 * unitMs };
    },
    handleFlush: emit,
    handleTimer: emit,
    ...(subtracts
      ? { handleLost: (kept: Kept, { messages }: Lost) => kept.filter((each) => !messages.includes(each)) }
      : {}),
  };
  return node as AnyNode;
}

interface Side {
  readonly trace: PipeTrace;
  readonly nodes: readonly AnyNode[];
  readonly calm: () => void;
  /** The place of the keeper if it cannot subtract what is lost, also if `routeDependent` has built it. */
  readonly untold: number | undefined;
}

function sideOf({ specs, seed, mode, keeperAt, isNarrow }: Drawn): Side {
  let isCalm = false;
  const dice = createDice(seed);
  const unitMs = mode === 'wait' ? 1_000_000 : 50;
  const failsOf = (probability = 0.1) => {
    const own = dice.split();
    return () => !isCalm && own.chance(probability);
  };
  let untold: number | undefined;
  const nodes = specs.map((spec): AnyNode => ({
    ...nodeOf(spec, failsOf(), unitMs),
    ...(isNarrow ? narrowOf(mode) : {}),
  }));
  if (keeperAt < specs.length) {
    const exits = dice.split();
    const own = dice.split();
    // Behind `explode` the chunks must stay chunks.
    const isFree = specs[keeperAt - 1]?.kind !== 'explode';
    const fails = failsOf(0.3);
    const parts: KeeperParts = {
      fails,
      // It leaves no call of the message. So if the run is cut off, nobody knows whether the message was skipped.
      initFails: () => (mode === 'skip' || mode === 'wait') && fails(),
      exits: () => mode === 'exit' && !isCalm && exits.chance(0.05),
      unitMs,
    };
    if (isFree) {
      const made = keeper(own, parts);
      const isBuilt = depthOf(specs.slice(0, keeperAt)) > 0 && own.chance(0.5);
      nodes.splice(keeperAt, 0, isBuilt ? { ...routeDependent(() => made), name: 'keeper' } : made);
      if (made.handleLost === undefined) untold = keeperAt;
    }
  }
  const trace = createPipeTrace();
  return { trace, nodes: tracePipe({ nodes }, trace).nodes, calm: () => void (isCalm = true), untold };
}

/** How many heads the route of a message has behind these nodes. */
function depthOf(specs: readonly Spec[]): number {
  let depth = 0;
  for (const { kind } of specs) depth += kind === 'demux' ? 1 : kind === 'join' ? -1 : 0;
  return depth;
}

/** While a call waits, a short queue would hold the nodes before it, and the naive pipe has no such bound. */
const narrowOf = (mode: Mode): Partial<AnyNode> => ({ maxRoutes: 2, ...(mode === 'wait' ? {} : { maxQueueLen: 2 }) });

const pauseMs = 50;

function verdict(mode: Mode, error: unknown, attempt: number): 'retry' | 'skip' | 'crash' {
  if (!isNonRetryable(error) && attempt < 3) return 'retry';
  return mode === 'crash' ? 'crash' : 'skip';
}

const pauseOf = (mode: Mode): number => (mode === 'wait' ? pauseMs : 0);

const retryOf = (ms: number): FailurePolicy => ({
  ...{ type: 'retry', attempts: Infinity, minMs: ms, maxMs: ms, then: 'crash' },
});

interface Both extends Drawn {
  readonly real: Side;
  readonly naive: Side;
  readonly chain: NodeChain;
  readonly pipe: NaivePipe;
  /** The lease of each item. */
  readonly leaseOf: Map<number, Tenure>;
  /** How far the traces have been compared, by node. */
  readonly compared: { real: number; naive: number };
  /** How long the trace was when each item was settled. */
  readonly settledAt: Map<number, number>;
}

async function bothOf(each: Drawn): Promise<Both> {
  const real = sideOf(each);
  const naive = sideOf(each);
  const options: NaiveOptions = {
    pauseMs: pauseOf(each.mode),
    drains: true,
    isTold: (node) => node !== naive.untold,
    onFailure: (error, attempt) => verdict(each.mode, error, attempt),
  };
  return {
    ...each,
    real,
    naive,
    chain: await nodeChain(real.nodes, {
      endsNodes: true,
      onFailure: (error, _, attempt) => {
        const answer = verdict(each.mode, error, attempt);
        return answer === 'retry' ? retryOf(pauseOf(each.mode)) : answer;
      },
    }),
    pipe: await naivePipe(naive.nodes, options),
    leaseOf: new Map(),
    compared: { real: 0, naive: 0 },
    settledAt: new Map(),
  };
}

const texts = new WeakMap<object, string>();

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  let text = texts.get(value);
  if (text === undefined) {
    const { leaves, chunk } = value as Value;
    texts.set(value, (text = `${leaves.map(({ path }) => path).join('+')}${chunk === undefined ? '' : `(${chunk})`}`));
  }
  return text;
}

/** What the same call leaves in both traces. */
function callText({ callback, phase, route, attempt, value, outputs, keep, drop, error }: TracePoint): string {
  const outs = outputs.map((output) => `${textOf(output.value)} of ${output.of.length}`).join(' & ');
  const thrown = phase === 'threw' ? String(error) : '';
  return `${callback} ${route ?? '-'} ${attempt}: ${textOf(value)} → ${phase} ${outs} ${keep.length} ${drop.length} ${thrown}`;
}

/** A state may be told once more of a lease that it has lost, and the time of `init` and `terminate` is checked by `initTerminate`. */
const isCompared = ({ callback, phase }: TracePoint): boolean =>
  phase !== 'called' && callback !== 'init' && callback !== 'terminate' && callback !== 'handleLost';

/** The calls of each node since the last comparison, from node `from` on. */
function newCalls(points: readonly TracePoint[], since: number, from: number): Record<string, string[]> {
  const calls: Record<string, string[]> = {};
  for (let at = since; at < points.length; at += 1) {
    const point = points[at]!;
    if (point.index >= from && isCompared(point)) (calls[point.index] ??= []).push(callText(point));
  }
  return calls;
}

/** What the actors have settled since, but for lost leases. */
function noteSettled({ chain, real, settledAt, leaseOf }: Both, position: number): void {
  for (const each of chain.settled().slice(settledAt.size)) {
    const id = Number(each.slice(each.indexOf(':') + 1));
    assert.equal(settledAt.has(id), false, `item ${id} is settled twice`);
    assert.equal(leaseOf.has(id), true);
    settledAt.set(id, Math.min(position, real.trace.points.length));
  }
}

const liveOf = ({ leaseOf }: Both, ids: Iterable<number>): number[] =>
  [...ids].filter((id) => leaseOf.get(id)!.ended === false).sort((one, other) => one - other);

function compare(both: Both): void {
  const { real, naive, compared, pipe, settledAt } = both;
  noteSettled(both, real.trace.points.length);
  const from = pipe.endedBy ?? 0;
  assert.deepEqual(
    newCalls(real.trace.points, compared.real, from),
    newCalls(naive.trace.points, compared.naive, from),
    'the calls of each node',
  );
  compared.real = real.trace.points.length;
  compared.naive = naive.trace.points.length;
  const ofReal = liveOf(both, settledAt.keys());
  const ofNaive = liveOf(
    both,
    pipe.settled.map(({ id }) => id),
  );
  if (pipe.endedBy === undefined) {
    assert.deepEqual(ofReal, ofNaive, 'what is settled');
    assert.equal(both.chain.harness.counts.get('retries') ?? 0, pipe.retries, 'retries');
  } else checkWithin(ofReal, ofNaive);
}

function checkWithin(real: readonly number[], naive: readonly number[]): void {
  const known = new Set(naive);
  assert.deepEqual(
    real.filter((id) => !known.has(id)),
    [],
    'settled, and open in the naive pipe',
  );
}

const stage = ref<StageMessage>('stage/0#1');

class Scene {
  readonly #both: Both;
  readonly #leases: Tenure[] = [0, 1, 2].map((shard) => tenureOf(shard));
  #workers = 2;
  #ordinal = 0;
  #marks = 0;

  constructor(both: Both) {
    this.#both = both;
  }

  async take(step: Step): Promise<void> {
    const { chain, pipe, leaseOf } = this.#both;
    if (step.type === 'offer') {
      const entries = step.shards.map((shard) => {
        const lease = this.#leases[shard]!;
        const id = (this.#ordinal += 1);
        const value: Value = { leaves: [{ id, path: `${id}`, lease }] };
        leaseOf.set(id, lease);
        pipe.offer({ id, value, lease, sizeBytes: 12 });
        const item = new DeliveredItem(stage, 'k', value, lease, id, 0, recordOf(id), undefined);
        return new SentMessage(value, item, undefined, 12);
      });
      await chain.feedEntries(entries);
      await pipe.run();
    } else if (step.type === 'flush') await this.flush();
    else if (step.type === 'advance') await this.advance(step.tens * 10);
    else {
      const lease = this.#leases[step.shard]!;
      this.#leases[step.shard] = tenureOf((this.#workers += 1), { shardId: lease.shardId, fence: lease.fence + 10 });
      await chain.lose(lease.shardWorkerNumber, lease);
      pipe.lose(lease);
      await pipe.run();
    }
  }

  async flush(): Promise<void> {
    const { chain, pipe } = this.#both;
    this.#marks += 1;
    await chain.feedEntries([{ type: 'flushMark', number: this.#marks }]);
    pipe.flush(this.#marks);
    await pipe.run();
  }

  async advance(ms: number): Promise<void> {
    await this.#both.chain.harness.advance(ms);
    await this.#both.pipe.advance(ms);
  }
}

/** Committed ≤ processed: nothing of a settled item travels later, and nothing of it is left anywhere. */
function checkProcessed(both: Both): void {
  const { settledAt, real } = both;
  const { points } = real.trace;
  const leavesOf = (value: unknown): Value['leaves'] => (value as Value | undefined)?.leaves ?? [];
  for (const { number, value, phase } of points)
    if (phase === 'called')
      for (const { id } of leavesOf(value))
        assert.equal((settledAt.get(id) ?? Infinity) > number, true, `item ${id} travels after it was settled`);
  const open = new Set<number>();
  const mark = (value: unknown): void => {
    for (const { id } of leavesOf(value)) open.add(id);
  };
  const paths = pathPoints(points).map((each) => pathOf('processed', each));
  for (const { index, cameIn, wentOut } of paths) {
    for (const { fate, point } of cameIn.values()) if (fate === 'open' || fate === 'kept') mark(point.value);
    const next = paths.find((path) => path.index === index + 1);
    if (next === undefined) continue;
    const arrived = new Set([...next.cameIn.values()].map(({ point }) => point.value));
    const missing = wentOut.filter(({ output }) => {
      const isLive = leavesOf(output.value).some(({ lease }) => !(lease as Tenure).ended);
      return isLive && !output.hidden && !arrived.has(output.value);
    });
    // A message whose route could not be made was skipped without a call.
    const failedInits = next.points.filter(({ callback, phase }) => callback === 'init' && phase === 'threw').length;
    if (missing.length > failedInits) for (const { output } of missing) mark(output.value);
  }
  for (const id of liveOf(both, settledAt.keys()))
    assert.equal(open.has(id), false, `item ${id} is settled, and is open`);
}

async function runOf(each: Drawn): Promise<void> {
  const both = await bothOf(each);
  try {
    await runBoth(each, both);
  } catch (cause) {
    const tail = both.real.trace.points.slice(-30).map(pointText).join('\n');
    throw new Error(`${(cause as Error).message}\n${tail}`, { cause });
  }
}

async function runBoth(each: Drawn, both: Both): Promise<void> {
  const { chain, pipe, real, naive } = both;
  const scene = new Scene(both);
  const killing = killer(both);
  for (const step of each.steps) {
    await scene.take(step);
    if (killing.hasKilled()) {
      noteSettled(both, real.trace.points.length);
      checkWithin(
        liveOf(both, both.settledAt.keys()),
        liveOf(
          both,
          pipe.settled.map(({ id }) => id),
        ),
      );
      checkProcessed(both);
      return;
    }
    compare(both);
    if (pipe.endedBy !== undefined) break;
  }
  if (pipe.endedBy === undefined) {
    killing.stop();
    real.calm();
    naive.calm();
    for (let left = 20; left > 0; left -= 1) await scene.advance(pauseMs);
    await scene.flush();
    compare(both);
    await chain.end();
    pipe.stop();
    await pipe.run();
    compare(both);
    assert.equal(pipe.hasEnded, true);
    for (const ref of chain.refs) assert.equal(chain.harness.endingOf(ref as never)?.reason, 'normal');
  }
  const { points } = real.trace;
  checkProcessed(both);
  stateContinuity(points);
  initTerminate(points);
  messageConservation(points, { mayLose: true });
}

/** Kills a node at one of its calls. */
function killer({ chain, real, seed, mode }: Both): { readonly hasKilled: () => boolean; readonly stop: () => void } {
  const dice = createDice(seed + 1);
  const victim = dice.between(0, chain.refs.length - 1);
  let left = dice.between(1, 30);
  let isKilled = mode !== 'kill';
  const injection = real.trace.injectCrash(
    ({ index }) => {
      if (index === victim && !isKilled && (left -= 1) === 0) {
        isKilled = true;
        queueMicrotask(() => void chain.harness.kill(chain.refs[victim] as never));
      }
      return false;
    },
    () => true,
  );
  return { hasKilled: () => mode === 'kill' && isKilled, stop: () => injection.stop() };
}

describe('random chains of node actors', () => {
  it('call, send on and settle what the naive pipe does, and after a crash nothing that was not done', async function () {
    this.timeout(240_000);
    await fc.assert(fc.asyncProperty(drawn, runOf), seeded(isWhole ? 4_000 : 2_000));
  });
});
