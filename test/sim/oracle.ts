// What must hold, written down without a look at how kinact does it: which records there are, what was done with each, what
// every checkpoint claims. It is told everything by the services and by the application's own reducer.
import type { LeaseRow } from '../../src/core/lease.js';

export interface Put {
  readonly shardId: string;
  readonly sequenceNumber: string;
  /** Per user record of the raw record: the ids of the items made of it. */
  readonly items: readonly (readonly string[])[];
  /** Per user record: its key. */
  readonly keys: readonly string[];
}

export interface Delivery {
  readonly process: string;
  readonly id: string;
  readonly key: string;
  readonly shardId: string;
  readonly fence: number;
  readonly isOver: boolean;
}

export interface Violation {
  readonly invariant: string;
  readonly text: string;
}

export interface Oracle {
  readonly violations: Violation[];
  readonly checkpoints: () => number;
  readonly deliveries: () => number;
  put(record: Put): void;
  delivered(delivery: Delivery): void;
  /** The application has acknowledged, or returned from what acknowledges. */
  acknowledged(ids: readonly string[]): void;
  /** A row was written. */
  wrote(before: LeaseRow | undefined, after: LeaseRow): void;
  missing(): readonly string[];
  openOf(process: string): number;
}

interface ShardLog {
  readonly records: Put[];
  /** Records before this one are covered by a checkpoint that was found good. */
  covered: number;
}

/** Trims leading zeros away by comparing length first: sequence numbers of one stream have one length. */
const compare = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

export function createOracle(): Oracle {
  const violations: Violation[] = [];
  const shards = new Map<string, ShardLog>();
  const expected = new Set<string>();
  const done = new Set<string>();
  const delivered = new Map<string, Set<string>>();
  const orderOf = new Map<string, number>();
  /** Per key and process and fence: the place of the last first-delivered item. */
  const lastOf = new Map<string, { place: number; ids: Set<string> }>();
  let places = 0;
  let checkpoints = 0;
  let deliveries = 0;
  const violate = (invariant: string, text: string): void => void violations.push({ invariant, text });
  const logOf = (shardId: string): ShardLog => {
    const log = shards.get(shardId) ?? { records: [], covered: 0 };
    shards.set(shardId, log);
    return log;
  };

  const covers = (row: LeaseRow): void => {
    const log = logOf(row.leaseKey);
    const isEnd = row.checkpoint === 'SHARD_END';
    if (!isEnd && !/^\d+$/.test(row.checkpoint)) return;
    checkpoints += 1;
    for (let index = log.covered; index < log.records.length; index += 1) {
      const record = log.records[index] as Put;
      const order = isEnd ? -1 : compare(record.sequenceNumber, row.checkpoint);
      if (order > 0) break;
      const upTo = order < 0 ? record.items.length - 1 : row.checkpointSubSequenceNumber;
      for (let sub = 0; sub <= Math.min(upTo, record.items.length - 1); sub += 1) {
        for (const id of record.items[sub] ?? []) {
          if (!done.has(id)) {
            violate(
              'I1',
              `checkpoint ${row.checkpoint}/${row.checkpointSubSequenceNumber} of ${row.leaseKey} passes ${id}`,
            );
          }
        }
      }
      if (order < 0) log.covered = index + 1;
    }
  };

  const rank = (row: LeaseRow): string => {
    if (row.checkpoint === 'SHARD_END') return 'z';
    if (!/^\d+$/.test(row.checkpoint)) return '';
    return `${row.checkpoint.padStart(60, '0')}/${String(row.checkpointSubSequenceNumber).padStart(6, '0')}`;
  };

  return {
    violations,
    checkpoints: () => checkpoints,
    deliveries: () => deliveries,
    put: (record) => {
      logOf(record.shardId).records.push(record);
      for (const items of record.items) {
        for (const id of items) {
          expected.add(id);
          orderOf.set(id, (places += 1));
        }
      }
    },
    delivered: ({ process, id, key, shardId, fence, isOver }) => {
      deliveries += 1;
      const ids = delivered.get(process) ?? new Set();
      delivered.set(process, ids.add(id));
      if (isOver)
        violate('I27', `${id} of ${shardId} was handed out by ${process} after its tenure (fence ${fence}) had ended`);
      // First attempts of a key come in the order of the stream; a replay is a run in order from an earlier record.
      const name = `${shardId}/${key}/${fence}/${process}`;
      const place = orderOf.get(id) ?? 0;
      const last = lastOf.get(name);
      if (last !== undefined && place <= last.place) {
        violate('I6', `${id} of key ${key} came after a later one within fence ${fence} of ${process}`);
      }
      lastOf.set(name, { place, ids: new Set() });
    },
    acknowledged: (ids) => {
      for (const id of ids) done.add(id);
    },
    wrote: (before, after) => {
      if (before !== undefined && rank(after) < rank(before)) {
        violate('I2', `the checkpoint of ${after.leaseKey} fell from ${before.checkpoint} to ${after.checkpoint}`);
      }
      if (
        before === undefined ||
        before.checkpoint !== after.checkpoint ||
        before.checkpointSubSequenceNumber !== after.checkpointSubSequenceNumber
      ) {
        covers(after);
      }
    },
    missing: () => [...expected].filter((id) => !done.has(id)),
    openOf: (process) => [...(delivered.get(process) ?? [])].filter((id) => !done.has(id)).length,
  };
}
