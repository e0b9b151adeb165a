// Random chains of library nodes, with random messages, flushes, failures, lost leases and schedules, on the naive pipe: each item is
// settled once or lost, each route keeps its order, an aggregate has exactly its messages, and nothing of a lost lease is emitted
// later.
import { expect } from 'chai';
import fc from 'fast-check';
import { isNonRetryable } from '../../../src/api/failure-policy.js';
import type { MessageLease } from '../../../src/api/pipe.js';
import { chain, nodesOf, type Kind, type Leaf, type Spec, type Value } from '../../support/drawn-chains.js';
import { naivePipe } from '../../support/naive-pipe.js';
import type { NaiveEvent, NaivePipe } from '../../support/naive-pipe-types.js';
import { NaiveMessage } from '../../support/naive-shares.js';
import { drawnRuns } from '../../support/sampled.js';
import { seeded } from '../../support/seeded.js';
import { createDice } from '../../sim/dice.js';

type Step =
  | { readonly type: 'offer'; readonly count: number; readonly shard: number }
  | { readonly type: 'steps'; readonly count: number }
  | { readonly type: 'advance'; readonly ms: number }
  | { readonly type: 'lose'; readonly shard: number }
  | { readonly type: 'flush' }
  | { readonly type: 'run' };

const shard = fc.integer({ min: 0, max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('offer' as const), count: fc.integer({ min: 1, max: 4 }), shard }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('lose' as const), shard }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('flush' as const, 'run' as const) }) },
);

/** `at`: how many events there had been. */
interface Moment {
  readonly at: number;
}

interface Run {
  readonly specs: readonly Spec[];
  readonly pipe: NaivePipe;
  readonly offered: readonly number[];
  readonly lost: ReadonlyMap<MessageLease, Moment>;
  readonly settledAt: ReadonlyMap<number, Moment>;
  /** The items of each lost lease. */
  readonly leaseOf: ReadonlyMap<number, MessageLease>;
}

async function runOf(specs: readonly Spec[], steps: readonly Step[], seed: number): Promise<Run> {
  const dice = createDice(seed);
  let isCalm = false;
  const nodes = nodesOf(specs, () => !isCalm && dice.chance(0.15));
  const pipe = await naivePipe(nodes, {
    onFailure: (error, attempt) => (!isNonRetryable(error) && attempt < 3 ? 'retry' : 'skip'),
  });
  const lost = new Map<MessageLease, Moment>();
  const settledAt = new Map<number, Moment>();
  const leaseOf = new Map<number, MessageLease>();
  const fences = [1, 1];
  const leases = fences.map((fence, shard): MessageLease => ({ source: 's', shardId: `${shard}`, fence }));
  let nextId = 0;

  const noteSettled = (): void => {
    for (const { id } of pipe.settled.slice(settledAt.size)) settledAt.set(id, { at: pipe.trace.length });
  };
  const stepOf = async (index: number): Promise<void> => {
    await pipe.step(index);
    noteSettled();
  };
  for (const each of steps) {
    if (each.type === 'offer')
      for (let left = each.count; left > 0; left -= 1) {
        const lease = leases[each.shard]!;
        const id = nextId++;
        const value: Value = { leaves: [{ id, path: `${id}`, lease }] };
        leaseOf.set(id, lease);
        pipe.offer({ id, value, lease, sizeBytes: 10 });
      }
    else if (each.type === 'steps')
      for (let left = each.count; left > 0; left -= 1) await stepOf(dice.between(0, nodes.length - 1));
    else if (each.type === 'lose') {
      const lease = leases[each.shard]!;
      pipe.lose(lease);
      lost.set(lease, { at: pipe.trace.length });
      leases[each.shard] = { ...lease, fence: lease.fence + 1 };
    } else if (each.type === 'flush') pipe.flush();
    else if (each.type === 'run') await pipe.run();
    else await pipe.advance(each.ms);
    noteSettled();
  }
  isCalm = true;
  await pipe.run();
  await pipe.advance(2_000);
  pipe.stop();
  await pipe.run();
  noteSettled();
  return { specs, pipe, offered: [...leaseOf.keys()], lost, settledAt, leaseOf };
}

const leavesOf = ({ message }: NaiveEvent): readonly Leaf[] => (message?.value as Value | undefined)?.leaves ?? [];
const isOfOneLease = (leaves: readonly Leaf[]): boolean => new Set(leaves.map(({ lease }) => lease)).size === 1;
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('.'));

/** Each item is settled once, or its lease was lost. (The naive pipe fails when one is settled twice.) */
function checkConservation({ pipe, offered, lost, settledAt, leaseOf }: Run): void {
  expect(pipe.hasEnded).to.equal(true);
  const missing = offered.filter((id) => !settledAt.has(id) && !lost.has(leaseOf.get(id)!));
  expect(missing, 'neither settled nor lost').to.deep.equal([]);
}

/** Nothing of an item that is settled travels any more. */
function checkSettledLast({ pipe, settledAt }: Run): void {
  for (const [at, event] of pipe.trace.entries())
    for (const { id } of leavesOf(event)) {
      const settled = settledAt.get(id);
      expect(settled === undefined || at < settled.at, `item ${id} travels after it was settled`).to.equal(true);
    }
}

function checkStates({ pipe }: Run): void {
  const count = new Map<string, number>();
  for (const { type, node, heads } of pipe.trace) {
    if (type !== 'init' && type !== 'terminate') continue;
    const key = `${node} ${heads.join('/')}`;
    const open = (count.get(key) ?? 0) + (type === 'init' ? 1 : -1);
    expect(open, `init and terminate of ${key}`).to.be.oneOf([0, 1]);
    count.set(key, open);
  }
  expect([...count.values()].every((open) => open === 0)).to.equal(true);
}

/**
 * The line in which a message keeps its place. A node with a group for each lease has one more for the same several leases. After a lost
 * lease there are other several leases, so theirs is another group. Neither waits for the other.
 */
function lineOf({ kind, perLease }: Spec, leases: readonly MessageLease[]): string {
  if (kind === 'list' && !perLease) return 'all';
  const hasGroups = kind === 'fold' || (perLease && ['list', 'merge', 'routeDependent'].includes(kind));
  if (leases.length !== 1 && !hasGroups) return 'several';
  const texts = leases.map(({ shardId, fence }) => `${shardId}/${fence}`);
  return texts.toSorted().join();
}

/** The laws of one node on one route. */
function checkRoute({ specs, lost }: Run, node: number, events: readonly (readonly [number, NaiveEvent])[]): void {
  const { kind, count } = specs[node]!;
  const isList = kind === 'list';
  const cameAt = new Map<string, { readonly place: number; readonly event: NaiveEvent; readonly isSingle: boolean }>();
  const newest = new Map<string, number>();
  const emitted = new Set<string>();
  const skipped = new Set<number>();
  let place = 0;
  let cause: NaiveEvent['type'] | undefined;
  for (const [at, event] of events) {
    if (event.type !== 'out') cause = event.type;
    for (const { id } of event.items ?? []) skipped.add(id);
    const leaves = leavesOf(event);
    if (event.type === 'in') place += 1;
    if (event.type === 'in')
      for (const { path } of leaves) cameAt.set(path, { place, event, isSingle: isOfOneLease(leaves) });
    if (event.type !== 'out') continue;
    for (const { path, lease } of leaves) {
      const from = cameAt.get(kind === 'unfold' ? parentOf(path) : path);
      expect(from, `${kind} sends on what did not come: ${path}`).not.to.equal(undefined);
      const line = lineOf(specs[node]!, from!.event.leases!);
      expect(from!.place, `${kind} keeps the order`).to.be.at.least(newest.get(line) ?? 0);
      newest.set(line, from!.place);
      const isLate = from!.isSingle && (lost.get(lease)?.at ?? Infinity) <= at;
      expect(isLate, `${kind} sends on ${path} of a lost lease`).to.equal(false);
      if (kind !== 'explode') {
        expect(emitted.has(path), `${kind} sends ${path} on twice`).to.equal(false);
        emitted.add(path);
      }
    }
    if (isList) {
      const messages = new Set(leaves.map(({ path }) => cameAt.get(path)!.event)).size;
      expect(messages, 'messages of an aggregate').to.be.at.most(count + 1);
      if (cause === 'in') expect(messages, 'messages of an aggregate that is full').to.equal(count + 1);
    }
  }
  if (
    ['list', 'fold', 'merge', 'map', 'tap', 'demux', 'join', 'routeDependent', 'chunks'].includes(kind) &&
    node < specs.length - 1
  )
    for (const [path, { event }] of cameAt) {
      const isLost = leavesOf(event).some((leaf) => lost.has(leaf.lease));
      const { id } = leavesOf(event).find((leaf) => leaf.path === path)!;
      expect(emitted.has(path) || isLost || skipped.has(id), `${kind} has kept ${path}`).to.equal(true);
    }
}

function checkNodes(run: Run): void {
  for (const node of run.specs.keys()) {
    const byRoute = new Map<string, (readonly [number, NaiveEvent])[]>();
    for (const [at, event] of run.pipe.trace.entries()) {
      if (event.node !== node) continue;
      const key = event.heads.join('/');
      if (!byRoute.has(key)) byRoute.set(key, []);
      byRoute.get(key)!.push([at, event]);
    }
    for (const events of byRoute.values()) checkRoute(run, node, events);
  }
}

describe('random pipes of library nodes', () => {
  it('settle each item once, keep the order of each route, and emit exactly what has come', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(chain, fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(), async (specs, steps, seed) => {
        const run = await runOf(specs, steps, seed);
        checkConservation(run);
        checkSettledLast(run);
        checkStates(run);
        checkNodes(run);
      }),
      seeded(drawnRuns(1_000)),
    );
  });

  // Three messages come to the second node, each with an item of either shard. After the first one shard 0 may lose its lease.
  const pairs = async (kind: Kind, between: readonly Step[], count: number): Promise<Run> => {
    const plain = { count: 1, perLease: false, once: false, isFlaky: false, isLater: false };
    const specs: readonly Spec[] = [
      { ...plain, kind: 'list' },
      { ...plain, kind, perLease: true, count },
      { ...plain, kind: 'sink' },
    ];
    const pair = [0, 1].map((shard): Step => ({ type: 'offer', count: 1, shard }));
    return runOf(specs, [...pair, { type: 'run' }, ...between, ...pair, ...pair], 0);
  };

  it('keep no order between several leases and those after a lost one (seed 639204045)', async () => {
    const run = await pairs('merge', [{ type: 'lose', shard: 0 }], 1);
    const sent = run.pipe.trace.filter(({ type, node }) => type === 'out' && node === 1);
    expect(sent.map((event) => leavesOf(event).map(({ id }) => id))).to.deep.equal([
      [2, 3],
      [0, 1],
      [4, 5],
    ]);
    checkNodes(run);
  });

  for (const kind of ['list', 'fold', 'merge'] as const)
    it(`break the law of order if messages of the same several leases change places in a ${kind}`, async () => {
      const run = await pairs(kind, [], 5);
      checkNodes(run);
      const trace = run.pipe.trace.map((event): NaiveEvent => {
        const { type, node, message } = event;
        if (type !== 'out' || node !== 1) return event;
        const leaves = leavesOf(event);
        expect(leaves.map(({ id }) => id)).to.deep.equal([0, 1, 2, 3, 4, 5]);
        const { shares, heads, sizeBytes } = message!;
        return { ...event, message: new NaiveMessage({ leaves: leaves.toReversed() }, shares, heads, sizeBytes) };
      });
      expect(() => checkNodes({ ...run, pipe: { ...run.pipe, trace } })).to.throw(`${kind} keeps the order`);
    });
});
