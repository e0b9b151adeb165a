// What must hold of consumers that read a table's stream: nothing is lost, the order per key is kept, no shard is read twice, and every
// leaf of the listing is read (I58). The laws are checked at each write to a row, and once everything is calm.
import type { LeaseStore } from '../../../src/api/ports.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { leavesOf, parentsOf } from '../../../src/core/shard-graph.js';
import { isSequenceNumber } from '../../../src/core/sequence-number.js';
import type { MemoryLeaseStore } from '../../../src/testing/memory-lease-store.js';
import type { Violation } from '../oracle.js';
import type { TableShard, TableStream } from './table-stream.js';

/** A process. Once it has died it reaches nothing. */
export interface Life {
  isOver: boolean;
}

/** What a run has seen. */
export interface History {
  readonly written: { readonly id: string; readonly key: string; readonly shardId: string; readonly at: number }[];
  /** By id, the order of the first delivery. */
  readonly delivered: Map<string, number>;
  readonly ended: Set<string>;
  checkpoints: number;
  readonly violations: Violation[];
  violate(invariant: string, text: string): void;
}

export function createHistory(): History {
  const violations: Violation[] = [];
  return {
    written: [],
    delivered: new Map(),
    ended: new Set(),
    checkpoints: 0,
    violations,
    violate: (invariant, text) => void violations.push({ invariant, text }),
  };
}

/** Whose rows are watched, and against which stream. */
export interface Watched {
  readonly store: MemoryLeaseStore;
  readonly table: TableStream;
  readonly history: History;
}

const wholeSeconds = (ms = 0): number => Math.floor(ms / 1_000) * 1_000;

/** The time from which records of the lease count while its row stands at LATEST. */
const latestOf = (row: LeaseRow | undefined): number =>
  row?.checkpoint === 'LATEST' ? wholeSeconds(row.kinactLatestAt) : 0;

function checkCheckpoint({ store, table, history }: Watched, leaseKey: string, checkpoint: string): void {
  const shard = table.shards.get(leaseKey);
  if (shard === undefined) return;
  history.checkpoints += 1;
  const latestAt = latestOf(store.rows.get(leaseKey));
  const record = shard.records.find(({ sequenceNumber }) => sequenceNumber === checkpoint);
  if (isSequenceNumber(checkpoint) && (record?.arrivedAt ?? 0) < latestAt)
    history.violate('I58', `${leaseKey} at LATEST was checkpointed at ${checkpoint}, which was left out`);
  if (checkpoint === 'SHARD_END') checkShardEnd({ store, table, history }, shard, latestAt);
}

function checkShardEnd({ store, table, history }: Watched, shard: TableShard, latestAt: number): void {
  const { shardId } = shard;
  const { delivered } = history;
  history.ended.add(shardId);
  if (shard.closed === undefined) history.violate('I58', `${shardId} has ended, but it is open`);
  const mayBeLeftOut = (arrivedAt: number): boolean =>
    arrivedAt < latestAt || [...store.rows.values()].some((row) => arrivedAt < wholeSeconds(row.kinactLatestAt));
  for (const record of shard.records) {
    const id = String(record.data);
    if (delivered.has(id) || table.isExpired(record) || mayBeLeftOut(record.arrivedAt ?? 0)) continue;
    history.violate('I1', `${shardId} has ended before record ${id} was delivered`);
  }
}

/** The rows as one process reaches them. Checks each write. */
export function watchedRows(watched: Watched, life: Life): LeaseStore {
  const { store, history } = watched;
  const gate = async <T>(call: () => Promise<T>): Promise<T> => {
    if (life.isOver) throw new Error('the process is dead');
    return call();
  };
  return {
    ...store,
    scan: (signal) => gate(() => store.scan(signal)),
    get: (leaseKey, signal) => gate(() => store.get(leaseKey, signal)),
    create: (row, signal) =>
      gate(async () => {
        const made = await store.create(row, signal);
        if (made === 'created' && history.ended.has(row.leaseKey))
          history.violate('I58', `${row.leaseKey} is created again`);
        return made;
      }),
    update: (leaseKey, update, signal) =>
      gate(async () => {
        const to = update.change.checkpoint?.checkpoint;
        if (to !== undefined && store.rows.get(leaseKey)?.leaseCounter === update.expected.counter)
          checkCheckpoint(watched, leaseKey, to);
        return store.update(leaseKey, update, signal);
      }),
    wish: (leaseKey, expected, wish, signal) => gate(() => store.wish(leaseKey, expected, wish, signal)),
    updateMeta: (leaseKey, meta, signal) => gate(() => store.updateMeta(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => gate(() => store.delete(leaseKey, counter, signal)),
  };
}

/** Judges a run that has come to rest. Records from before `readFrom` need not be read. */
export function judge({ store, table, history }: Watched, now: number, readFrom: number): void {
  const orderOf = new Map<string, number>();
  for (const { id, key, at, shardId } of history.written) {
    const order = history.delivered.get(id);
    if (order === undefined) {
      const age = Math.round((now - at) / 1_000);
      if (at >= readFrom) history.violate('I3', `${id} of ${shardId}, ${age} s old, was never delivered`);
      continue;
    }
    const before = orderOf.get(key) ?? -1;
    if (order < before) history.violate('I6', `${id} was delivered before an older record of ${key}`);
    orderOf.set(key, Math.max(order, before));
  }
  for (const shardId of unreadLeaves(store, table)) history.violate('I58', `nobody reads the leaf ${shardId}`);
}

/** The listed leaves without a row whose every ancestor has ended, or has no row either. */
function unreadLeaves(store: MemoryLeaseStore, table: TableStream): readonly string[] {
  const listed = new Map(table.settledListing().map((shard) => [shard.shardId, shard]));
  return leavesOf([...listed.values()])
    .filter((leaf) => {
      let isCovered = store.rows.has(leaf.shardId);
      for (let [at] = parentsOf(leaf); at !== undefined && !isCovered;) {
        const row = store.rows.get(at);
        isCovered = row !== undefined && row.checkpoint !== 'SHARD_END';
        const next = listed.get(at);
        [at] = next === undefined ? [] : parentsOf(next);
      }
      return !isCovered;
    })
    .map(({ shardId }) => shardId);
}

/** Checks that the listings of a run grow with its shards and minutes, not with its workers. */
export function judgeListings({ table, history }: Watched, minutes: number): void {
  const shards = table.shards.size;
  const bound = 4 * minutes + 12 * shards + 4 * table.falseEnds;
  if (table.listings > bound)
    history.violate('I38', `${table.listings} listings for ${shards} shards, at most ${bound} expected`);
}
