// Random chains of nodes whose calls fail, under `park` with a sink that refuses now and then. A value lists leaves: an item, and the
// copies that were made of it. When an item is settled, each of its leaves has come out, or is in exactly one entry that the sink keeps.
// The entries, handed to the nodes on which they failed, bring out exactly what is missing.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AnyNode } from '../../src/api/pipe.js';
import type { ParkedItem } from '../../src/api/parking.js';
import { park } from '../../src/options/park-policy.js';
import { aggregate } from '../../src/pipes/aggregate.js';
import { batchSink } from '../../src/pipes/batch-sink.js';
import { json } from '../../src/pipes/json.js';
import { demux, join } from '../../src/pipes/routes.js';
import { map, sink, unfold } from '../../src/pipes/single-nodes.js';
import { addHead, SentMessage, type Route } from '../../actors/protocol/pipe-message.js';
import { createDice } from '../sim/dice.js';
import { nodeChain, type NodeChain } from '../support/node-chain.js';
import { drawnRuns } from '../support/sampled.js';
import { seeded } from '../support/seeded.js';

const kinds = ['map', 'unfold', 'list', 'list', 'demux', 'join'] as const;
type Kind = (typeof kinds)[number];
type Leaves = readonly string[];

interface Drawn {
  readonly kinds: readonly Kind[];
  readonly isBatched: boolean;
  /** By turns: the workers of the items that come. None: a flush. */
  readonly steps: readonly (readonly number[])[];
  /** A worker may lose its lease. */
  readonly loses: boolean;
  readonly seed: number;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  kinds: fc.array(fc.constantFrom<Kind>(...kinds), { maxLength: 6 }),
  isBatched: fc.boolean(),
  steps: fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 }), { minLength: 1, maxLength: 8 }),
  loses: fc.boolean(),
  seed: fc.nat(),
});

/** The nodes, and what comes out. `fails` is asked at each call. */
function nodesOf({ kinds: wanted, isBatched }: Drawn, fails: () => boolean, out: string[]): AnyNode[] {
  const may = <Returned>(make: () => Returned): Returned => {
    if (fails()) throw new Error('flaky');
    return make();
  };
  let depth = 0;
  let unfolds = 0;
  const nodes = wanted.map((kind): AnyNode => {
    if (kind === 'demux') depth += 1;
    if (kind === 'join' && depth > 0) {
      depth -= 1;
      return join();
    }
    if (kind === 'demux') return demux((leaves: Leaves) => may(() => `r${(leaves[0] ?? '').length % 3}`));
    if (kind === 'list')
      return aggregate({ count: 3, intervalMs: 60_000 }, (values: readonly Leaves[]) => may(() => values.flat()));
    if (kind === 'unfold' && (unfolds += 1) <= 3)
      return unfold((leaves: Leaves) => may(() => ['a', 'b'].map((copy) => leaves.map((leaf) => leaf + copy))));
    return map((leaves: Leaves) => may(() => [...leaves]));
  });
  const write = (leaves: Leaves): void => void may(() => out.push(...leaves));
  const last = isBatched
    ? batchSink<Leaves>({ size: 4, intervalMs: 60_000 }, (batch) => write(batch.flat()))
    : sink<Leaves>(write);
  return [...nodes, last as AnyNode];
}

/** A record as it came has the value that was fed. Its sequence number is the place of the item among all. */
const valuesOf = ({ data, message, sequenceNumber }: ParkedItem, fed: readonly string[]): Leaves[] => {
  let end = 0;
  if (message?.valueBytes === undefined) return [[fed[Number(sequenceNumber) - 1] as string]];
  return message.valueBytes.map((bytes) => JSON.parse(data.subarray(end, (end += bytes)).toString()) as Leaves);
};

/** All leaves of an item, when nothing more is made of it. */
const leavesOf = (item: string, unfolds: number): string[] => {
  let leaves = [item];
  for (let each = 0; each < unfolds; each += 1) leaves = leaves.flatMap((leaf) => [`${leaf}a`, `${leaf}b`]);
  return leaves;
};

const itemOf = (leaf: string): string => leaf.replaceAll(/[ab]+$/g, '');

/** The ranges say which leases and items the leaves come from. */
function checkRanges(entry: ParkedItem, fed: readonly string[], chain: NodeChain): void {
  const leaves = valuesOf(entry, fed).flat().map(itemOf);
  const byShardWorker = new Map<number, string[]>();
  for (const item of new Set(leaves)) {
    const shardWorker = Number(item.split(':')[0]);
    byShardWorker.set(shardWorker, [...(byShardWorker.get(shardWorker) ?? []), item]);
  }
  const expected = [...byShardWorker].flatMap(([shardWorker, items]) => {
    const { fence, ended } = chain.tenures[shardWorker]!;
    const numbers = items.map((item) => Number(item.split(':')[1])).toSorted((one, other) => one - other);
    return ended ? [] : [[fence, String(numbers[0]), String(numbers.at(-1)), items.length]];
  });
  const found = entry.message?.standsFor.map(({ fence, first, last, items }) => [fence, first, last, items]) ?? [];
  assert.deepEqual(found.toSorted(), expected.toSorted());
}

async function replay(given: Drawn, entry: ParkedItem, values: readonly Leaves[], out: string[]): Promise<void> {
  const { index = 0, route: heads = [] } = entry.message ?? {};
  const nodes = nodesOf(given, () => false, out).slice(index);
  const chain = await nodeChain(nodes);
  const route = heads.reduce<Route | undefined>(addHead, undefined);
  await chain.feedEntries(values.map((value) => new SentMessage(value, undefined, route, 1)));
  assert.equal(await chain.flush(), true);
}

async function run(given: Drawn): Promise<void> {
  const dice = createDice(given.seed);
  const out: string[] = [];
  const kept: ParkedItem[] = [];
  let isIll = true;
  const nodes = nodesOf(given, () => isIll && dice.chance(0.15), out);
  const chain = await nodeChain(nodes, {
    format: json,
    onFailure: park((item) => {
      if (dice.chance(0.3)) return Promise.reject(new Error('full'));
      kept.push(item);
      return dice.chance(0.1) ? Promise.reject(new Error('kept, and not said')) : Promise.resolve();
    }),
  });
  const unfolds = Math.min(3, given.kinds.filter((kind) => kind === 'unfold').length);
  const lost = new Set<number>();
  const fed: string[] = [];
  let ordinal = 0;

  /** By the key: what a sink has kept twice is there once. */
  const entries = (): ParkedItem[] => [...new Map(kept.map((entry) => [entry.idempotencyKey, entry])).values()];
  const check = (): void => {
    const covering = entries().flatMap((entry) => valuesOf(entry, fed).flat());
    for (const settled of chain.settled()) {
      for (const leaf of leavesOf(settled, unfolds)) {
        const times =
          out.filter((each) => each === leaf).length +
          covering.filter((each) => leaf.startsWith(each) && itemOf(each) === settled).length;
        assert.ok(lost.size === 0 ? times === 1 : times >= 1, `${leaf} is there ${times} times`);
      }
    }
  };

  for (const shardWorkers of given.steps) {
    for (const shardWorker of shardWorkers) {
      if (lost.has(shardWorker)) continue;
      ordinal += 1;
      fed.push(`${shardWorker}:${ordinal}`);
      await chain.feedOf(shardWorker, [`${shardWorker}:${ordinal}`]);
    }
    if (shardWorkers.length === 0) void (await chain.flush());
    check();
    if (given.loses && lost.size === 0 && dice.chance(0.2)) {
      const shardWorker = dice.between(0, 2);
      lost.add(shardWorker);
      await chain.lose(shardWorker);
    }
    await chain.harness.advance(dice.between(0, 20_000));
    check();
  }
  isIll = false;
  for (let each = 0; each < 3; each += 1) {
    await chain.harness.advance(200_000);
    await chain.flush();
  }
  check();
  const settled = chain.settled();
  const live = fed.filter((item) => !lost.has(Number(item.split(':')[0])));
  assert.deepEqual(settled.filter((item) => live.includes(item)).toSorted(), live.toSorted());
  if (lost.size === 0) for (const entry of entries()) checkRanges(entry, fed, chain);
  for (const entry of entries()) await replay(given, entry, valuesOf(entry, fed), out);
  const wanted = live.flatMap((item) => leavesOf(item, unfolds)).toSorted();
  const found = out.filter((leaf) => live.includes(itemOf(leaf))).toSorted();
  if (lost.size === 0) assert.deepEqual(found, wanted);
  else assert.deepEqual([...new Set(found)], wanted);
}

describe('a chain of nodes whose failures are parked', function () {
  this.timeout(120_000);
  it('settles an item when each part of it has come out or is kept, and a replay brings out what is missing', async () => {
    await fc.assert(fc.asyncProperty(drawn, run), seeded(drawnRuns(400)));
  });
});
