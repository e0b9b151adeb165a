// The bookkeeping of the oracle: the records of a stream, the items that an application makes of them, and the state of each item.
// The only rule here is the order of checkpoints.

export interface Put {
  readonly shardId: string;
  readonly sequenceNumber: string;
  /** Per user record of the raw record, and per item made of it: its id and key. */
  readonly items: readonly (readonly { readonly id: string; readonly key: string }[])[];
}

export interface Checkpointed {
  readonly checkpoint: string;
  readonly checkpointSubSequenceNumber: number;
}

export interface ItemPlace {
  readonly shardId: string;
  readonly key: string;
  /** Its place among the items of its key in its shard. */
  readonly index: number;
  readonly sequenceNumber: string;
  readonly sub: number;
}

export interface StreamLog {
  put(record: Put, atMs?: number): void;
  item(id: string): ItemPlace;
  /** The id at this place of a key. */
  at(shardId: string, key: string, index: number): string;
  /** The first place of a key whose item is not done. */
  firstOpen(shardId: string, key: string): number;
  done(ids: Iterable<string>): void;
  excuse(ids: Iterable<string>): void;
  /** The stream of these items was deleted. They are excused, but a worker that has them may still do them. */
  gone(ids: Iterable<string>): void;
  /** Whether the stream of this record was deleted before all its items were done, and they still are not. */
  isGone(shardId: string, record: Pick<ItemPlace, 'sequenceNumber' | 'sub'>): boolean;
  isExcused(id: string): boolean;
  isOpen(id: string): boolean;
  handedOut(id: string): void;
  hasOpen(): boolean;
  /** Items of this shard that are not done. */
  openIn(shardId: string): number;
  /** When the oldest record with an item that is not done was put; undefined if all are done. */
  openSince(shardId: string): number | undefined;
  missing(): readonly string[];
  /** Items that this checkpoint passes although they are not done. */
  passed(row: Checkpointed & { readonly leaseKey: string }): readonly string[];
  isPassed(id: string, row: Checkpointed): boolean;
  /** The records after this checkpoint. Of a record that it passes in part, only the rest is included. */
  after(row: Checkpointed & { readonly leaseKey: string }): readonly Put[];
  /** Per shard, the last record that had to be done. */
  ends(): readonly { readonly shardId: string; readonly last: Checkpointed }[];
}

interface ShardLog {
  readonly records: Put[];
  readonly putAt: number[];
  open: number;
  /** All items of the records before this index are done. */
  firstOpen: number;
  /** The records before this index are covered by a checkpoint that has been checked. */
  covered: number;
}

interface KeyLog {
  readonly ids: string[];
  open: number;
}

/** An operator sets this number by mistake: no record of a world reaches it (misplacing.ts). */
export const beyondTip = '9'.repeat(56);

export const isNumber = (checkpoint: string): boolean => /^\d+$/.test(checkpoint);

/** Sequence numbers of one stream have one length. */
const compareNumbers = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

const level = ({ checkpoint }: Checkpointed): number => (checkpoint === 'SHARD_END' ? 2 : isNumber(checkpoint) ? 1 : 0);

/** Compares how far two checkpoints are. All checkpoints before the first number are equal. */
export function compareRows(a: Checkpointed, b: Checkpointed): number {
  if (level(a) !== level(b) || level(a) !== 1) return level(a) - level(b);
  return compareNumbers(a.checkpoint, b.checkpoint) || a.checkpointSubSequenceNumber - b.checkpointSubSequenceNumber;
}

export function createStreamLog(): StreamLog {
  const shards = new Map<string, ShardLog>();
  const keys = new Map<string, KeyLog>();
  const places = new Map<string, ItemPlace>();
  const open = new Set<string>();
  const excused = new Set<string>();
  const gone = new Set<string>();
  const handedOut = new Set<string>();
  const shardOf = (shardId: string): ShardLog =>
    entry(shards, shardId, () => ({ records: [], putAt: [], open: 0, firstOpen: 0, covered: 0 }));
  const keyOf = (shardId: string, key: string): KeyLog =>
    entry(keys, `${shardId}/${key}`, () => ({ ids: [], open: 0 }));
  const done = (ids: Iterable<string>): void => {
    for (const id of ids) {
      if (open.delete(id)) shardOf((places.get(id) as ItemPlace).shardId).open -= 1;
      gone.delete(id);
      handedOut.delete(id);
    }
  };
  const excuse = (ids: Iterable<string>): void => {
    const all = [...ids];
    for (const id of all) excused.add(id);
    done(all);
  };
  const isPassed = (sequenceNumber: string, sub: number, row: Checkpointed): boolean =>
    compareRows(row, { checkpoint: sequenceNumber, checkpointSubSequenceNumber: sub }) >= 0;

  return {
    put: (record, atMs = 0) => {
      const { shardId, sequenceNumber } = record;
      shardOf(shardId).records.push(record);
      shardOf(shardId).putAt.push(atMs);
      for (const [sub, items] of record.items.entries()) {
        for (const { id, key } of items) {
          const { ids } = keyOf(shardId, key);
          places.set(id, { shardId, key, index: ids.length, sequenceNumber, sub });
          ids.push(id);
          open.add(id);
          shardOf(shardId).open += 1;
        }
      }
    },
    item: (id) => places.get(id) as ItemPlace,
    at: (shardId, key, index) => keyOf(shardId, key).ids[index] as string,
    firstOpen: (shardId, key) => {
      const log = keyOf(shardId, key);
      while (log.open < log.ids.length && !open.has(log.ids[log.open] as string)) log.open += 1;
      return log.open;
    },
    done,
    excuse,
    gone: (ids) => {
      const all = [...ids].filter((id) => open.has(id));
      excuse(all);
      for (const id of all) gone.add(id);
    },
    isGone: (shardId, { sequenceNumber, sub }) =>
      [...gone].some((id) => {
        const place = places.get(id) as ItemPlace;
        return place.shardId === shardId && place.sequenceNumber === sequenceNumber && place.sub === sub;
      }),
    isExcused: (id) => excused.has(id),
    isOpen: (id) => open.has(id),
    handedOut: (id) => {
      if (open.has(id)) handedOut.add(id);
    },
    openIn: (shardId) => shardOf(shardId).open,
    openSince: (shardId) => {
      const log = shardOf(shardId);
      const isOpen = ({ items }: Put): boolean => items.flat().some(({ id }) => open.has(id));
      while (log.firstOpen < log.records.length && !isOpen(log.records[log.firstOpen] as Put)) log.firstOpen += 1;
      return log.putAt[log.firstOpen];
    },
    hasOpen: () => handedOut.size > 0,
    missing: () => [...open],
    passed: (row) => {
      // A worker that creates a deleted row again writes the checkpoint that it has read.
      if (row.checkpoint === beyondTip) return [];
      const log = shardOf(row.leaseKey);
      const found: string[] = [];
      for (let index = log.covered; index < log.records.length; index += 1) {
        const { items, sequenceNumber } = log.records[index] as Put;
        if (!isPassed(sequenceNumber, 0, row)) break;
        for (const [sub, made] of items.entries()) {
          if (!isPassed(sequenceNumber, sub, row)) return found;
          for (const { id } of made) if (open.has(id)) found.push(id);
        }
        log.covered = index + 1;
      }
      return found;
    },
    isPassed: (id, row) => {
      const { sequenceNumber, sub } = places.get(id) as ItemPlace;
      return isPassed(sequenceNumber, sub, row);
    },
    after: (row) => {
      const { records } = shardOf(row.leaseKey);
      const first = records.findLastIndex(({ sequenceNumber, items }) =>
        isPassed(sequenceNumber, items.length - 1, row),
      );
      return records.slice(first + 1).map((record) => ({
        ...record,
        items: record.items.map((made, sub) => (isPassed(record.sequenceNumber, sub, row) ? [] : made)),
      }));
    },
    ends: () =>
      [...shards].flatMap(([shardId, { records }]) => {
        const needed = ({ items }: Put): boolean => items.flat().some(({ id }) => !excused.has(id));
        const record = records.findLast(needed);
        if (record === undefined) return [];
        const last = { checkpoint: record.sequenceNumber, checkpointSubSequenceNumber: record.items.length - 1 };
        return [{ shardId, last }];
      }),
  };
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
