// A stream without hash ranges lives by the rules of the core: shards roll over and split, listings omit the newest shards, old ones are
// trimmed, workers sync, end and clean up in any order. Each shard is read once, after its parent, and none is left out (I58).
import { expect } from 'chai';
import fc from 'fast-check';
import {
  awaitedParents,
  childLeases,
  childrenIn,
  hasEnded,
  leavesOf,
  parentsOf,
  removable,
  type ListedShard,
} from '../../../src/core/shard-graph.js';
import { findInListing } from '../../../src/core/shard-proof.js';
import { childRow, newLeaseRow, planSync, type RowContext } from '../../../src/core/shard-sync-plan.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const rowContext: RowContext = {
  keyPrefix: undefined,
  entityType: undefined,
  writer: 'w/0',
  serviceTimeMs: 1,
  stream: 'arn:aws:dynamodb:x:1:table/orders/stream/2026-01-01T00:00:00.000',
};

interface World {
  readonly initial: 'TRIM_HORIZON' | 'LATEST';
  shards: ListedShard[];
  readonly rows: Map<string, LeaseRow>;
  /** How often the row of each shard was created. */
  readonly created: Map<string, number>;
  /** Shards that a worker has read to the end. */
  readonly read: Set<string>;
  /** Shards that the service trimmed before a worker had read them. */
  readonly trimmed: Set<string>;
  number: number;
}

const nameOf = (number: number): string => `s${String(number).padStart(4, '0')}`;

function addShard(world: World, parent?: string): void {
  const number = (world.number += 1);
  world.shards.push({
    shardId: nameOf(number),
    startingSequenceNumber: String(number * 10),
    ...(parent === undefined ? {} : { parentShardId: parent }),
  });
}

function put(world: World, row: LeaseRow): void {
  if (world.rows.has(row.leaseKey)) return;
  world.rows.set(row.leaseKey, row);
  world.created.set(row.leaseKey, (world.created.get(row.leaseKey) ?? 0) + 1);
}

/** A listing in which some of the newest shards are missing yet. A shard whose parent is trimmed is a day old, so it is listed. */
function listed({ shards }: World, hidden: number): ListedShard[] {
  const known = new Set(shards.map(({ shardId }) => shardId));
  const leaves = leavesOf(shards).filter((shard) => parentsOf(shard).some((parent) => known.has(parent)));
  const isLate = ({ shardId }: ListedShard): boolean => ((hidden >> (Number(shardId.slice(1)) % 16)) & 1) === 1;
  const late = new Set(leaves.filter(isLate));
  return shards.filter((shard) => !late.has(shard));
}

const pick = <T>(from: readonly T[], at: number): T | undefined => from[at % Math.max(1, from.length)];

const acts: Readonly<Record<string, (world: World, at: number, view: readonly ListedShard[]) => void>> = {
  roll(world, at) {
    const open = pick(leavesOf(world.shards), at);
    if (open === undefined || open.endingSequenceNumber !== undefined) return;
    world.shards = world.shards.map((shard) =>
      shard === open ? { ...shard, endingSequenceNumber: String(world.number * 10 + 9) } : shard,
    );
    addShard(world, open.shardId);
    if (at % 2 === 0) addShard(world, open.shardId);
  },
  trim(world) {
    const [oldest] = world.shards;
    if (oldest?.endingSequenceNumber === undefined || world.shards.length < 4) return;
    if (!world.read.has(oldest.shardId)) world.trimmed.add(oldest.shardId);
    world.shards = world.shards.slice(1);
  },
  sync(world, _, shards) {
    const { rows, initial } = world;
    const plan = planSync({ shards, rows, malformed: new Set(), initial, listingProof: 'lineage', rowContext });
    if (plan.type === 'create') for (const row of plan.rows) put(world, row);
  },
  begin(world, at) {
    const row = pick(
      [...world.rows.values()].filter(({ checkpoint }) => checkpoint === 'TRIM_HORIZON'),
      at,
    );
    if (row === undefined || awaitedParents(row, (parent) => world.rows.get(parent)).length > 0) return;
    world.rows.set(row.leaseKey, { ...row, checkpoint: '17' });
  },
  end(world, at, shards) {
    const row = pick(
      [...world.rows.values()].filter((each) => !hasEnded(each)),
      at,
    );
    if (row === undefined || awaitedParents(row, (parent) => world.rows.get(parent)).length > 0) return;
    const found = findInListing(shards, row.leaseKey, row.parentShardIds, 'lineage');
    if (found.type === 'open' || found.type === 'unclear') return;
    const real = world.shards.find(({ shardId }) => shardId === row.leaseKey);
    // A hidden shard is absent from this listing; the second listing, which the coordinator demands, shows it.
    if (found.type === 'absent' && real !== undefined) return;
    const plan = childLeases(row.leaseKey, childrenIn(shards, row.leaseKey), (shardId) => world.rows.has(shardId));
    if (plan.type === 'create') for (const child of plan.children) put(world, childRow(rowContext, child, undefined));
    world.rows.set(row.leaseKey, { ...row, checkpoint: 'SHARD_END' });
    world.read.add(row.leaseKey);
    for (const child of world.rows.values())
      if (child.parentShardIds.includes(row.leaseKey) && child.checkpoint !== 'TRIM_HORIZON')
        throw new Error(`${child.leaseKey} began before the end of ${row.leaseKey}`);
  },
  cleanUp(world, _, shards) {
    for (const shardId of removable(world.rows, shards, 'lineage')) world.rows.delete(shardId);
  },
  /** As the Java adapter does at its start: a row for every listed shard, at once. */
  javaStart(world, _, shards) {
    if (world.rows.size > 0 || world.read.size > 0) return;
    for (const shard of shards) {
      const fields = { shardId: shard.shardId, parentShardIds: parentsOf(shard), hashKeyRange: undefined };
      put(world, newLeaseRow(rowContext, { ...fields, checkpoint: 'TRIM_HORIZON', latestAt: undefined }));
    }
  },
  disable(world, at) {
    if (at % 7 === 0) world.shards = world.shards.map((shard) => ({ endingSequenceNumber: '99999', ...shard }));
  },
};

function expectOnce(world: World): void {
  for (const [shardId, times] of world.created) expect(times, `rows created for ${shardId}`).to.equal(1);
}

describe('a stream without hash ranges', () => {
  for (const java of [false, true])
    it(`is read whole, each shard once and after its parent${java ? ', from rows that a Java worker created' : ''}`, () => {
      const step = fc.record({ act: fc.constantFrom(...Object.keys(acts)), at: fc.nat(999) });
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 3 }),
          fc.array(step, { minLength: 20, maxLength: 120 }),
          fc.array(fc.nat(65_535), { minLength: 8, maxLength: 8 }),
          (roots, steps, masks) => {
            const base = { initial: 'TRIM_HORIZON' as const, shards: [], rows: new Map(), created: new Map() };
            const world: World = { ...base, read: new Set(), trimmed: new Set(), number: 0 };
            for (let root = 0; root < roots; root += 1) addShard(world);
            for (let age = 0; age < 6; age += 1) acts['roll']!(world, age * 3 + roots, []);
            if (java) acts['javaStart']!(world, 0, world.shards);
            const all = new Set(world.shards.map(({ shardId }) => shardId));
            for (const [index, { act, at }] of steps.entries()) {
              // The service keeps records for longer than a row needs to begin, so nothing is trimmed before the first sync.
              if (act === 'trim' && world.created.size === 0) continue;
              acts[act]!(world, at, listed(world, masks[index >> 4]!));
              for (const { shardId } of world.shards) all.add(shardId);
              expectOnce(world);
            }

            // Quiet: every listing is up to date, all shards close, and workers go on.
            for (let round = 0; round < 3 * all.size + 3; round += 1) {
              acts['disable']!(world, 0, []);
              for (const act of ['sync', 'cleanUp']) acts[act]!(world, 0, world.shards);
              for (let at = 0; at < world.rows.size; at += 1) acts['end']!(world, at, world.shards);
            }
            expectOnce(world);
            const left = [...all].filter((shardId) => !world.read.has(shardId) && !world.trimmed.has(shardId));
            expect(left, 'shards that were never read').to.deep.equal([]);
          },
        ),
        { numRuns: 120, seed: java ? 2 : 1 },
      );
    });
});
