// I9 and I10, checked at every frontier report of a shard worker. The frontier passes a record only if all its items were done under
// the same tenure: late dispositions of an older tenure change nothing. A fence belongs to one tenure alone, and fences rise.
import type { Item } from '../../src/api/reducer.js';
import { compareRows } from './stream-log.js';

export interface Notify {
  readonly type: 'notify';
  readonly tenure: {
    readonly shardWorkerNumber: number;
    readonly fence: number;
    readonly source: string;
    readonly shardId: string;
  };
  readonly ordinals: readonly number[];
  readonly records: readonly {
    readonly sequenceNumber: string;
    readonly subSequenceNumber?: number;
    readonly data: Uint8Array;
  }[];
}

export interface FrontierReport {
  readonly type: 'frontier';
  readonly frontier: {
    readonly shardWorker: number;
    readonly fence: number;
    readonly position: { readonly sequenceNumber: string; readonly subSequenceNumber: number };
    readonly records: number;
  };
}

/** The keeper's answer to a new worker. `tenure` is absent if it refuses. */
export interface Granted {
  readonly type: 'tenure';
  readonly answer: { readonly tenure?: Notify['tenure'] };
}

/** The tenures of one process. */
export interface Tenures {
  granted(message: Granted): void;
  /** The fence of the last tenure of this shard. */
  fenceOf(source: string, shardId: string): number | undefined;
  notified(message: Notify): void;
  acknowledged(items: Iterable<Item<string>>): void;
  /** This user record failed and was skipped, so it gave no items. */
  skipped(sequenceNumber: string, sub: number): void;
  reported(message: FrontierReport): void;
}

/** The messages that the laws look at, with the fields that they use. */
export type Seen =
  | Notify
  | FrontierReport
  | Granted
  | { readonly type: 'beginTenure' | 'retire' }
  | { readonly type: 'release'; readonly reason: string; readonly deadlineMs: number }
  | { readonly type: 'shardWorkerDown'; readonly how?: { readonly error?: unknown } }
  | { readonly type: 'shardWorkerEnded'; readonly shardWorker: number; readonly end: { readonly type: string } };

/** Which worker delivers under which fence, over all processes. */
export type Fences = Map<string, string>;

interface Open {
  readonly sequenceNumber: string;
  readonly sub: number;
  items: number;
}

interface TenureLog {
  /** In the order of the ordinals. */
  readonly open: Map<number, Open>;
  readonly acknowledged: Set<number>;
  readonly before: TenureLog | undefined;
  newest: number;
}

type Violate = (invariant: string, text: string) => void;

export function createTenures(process: string, fences: Fences, violate: Violate): Tenures {
  const tenures = new Map<string, TenureLog>();
  const fenceOf = new Map<string, number>();
  const lastOf = new Map<string, { readonly fence: number; readonly log: TenureLog }>();

  const begin = ({ shardWorkerNumber: shardWorker, fence, ...of }: Notify['tenure']): TenureLog => {
    const shardId = `${of.source}/${of.shardId}`;
    const last = lastOf.get(shardId);
    if (last !== undefined && last.fence >= fence)
      violate('I9', `the fence of ${shardId} at ${process} was ${last.fence} and is now ${fence}`);
    const name = `${shardId}/${fence}`;
    const mine = `${process}/${shardWorker}`;
    const other = fences.get(name) ?? mine;
    if (other !== mine) violate('I9', `fence ${fence} of ${shardId} is that of ${other} and of ${mine}`);
    fences.set(name, mine);
    // Only messages of the previous tenure are ever late. A longer chain would keep every tenure in memory.
    const before = last === undefined ? undefined : { ...last.log, before: undefined };
    const log = { open: new Map<number, Open>(), acknowledged: new Set<number>(), before, newest: -1 };
    lastOf.set(shardId, { fence, log });
    return log;
  };

  const nameOf = (shardWorker: number, fence: number): string => `${shardWorker}/${fence}`;

  return {
    granted: ({ answer: { tenure } }) => {
      if (tenure !== undefined) fenceOf.set(`${tenure.source}/${tenure.shardId}`, tenure.fence);
    },
    fenceOf: (source, shardId) => fenceOf.get(`${source}/${shardId}`),
    notified: ({ tenure, ordinals, records }) => {
      const name = nameOf(tenure.shardWorkerNumber, tenure.fence);
      const log = tenures.get(name) ?? begin(tenure);
      tenures.set(name, log);
      for (const [at, { sequenceNumber, subSequenceNumber, data }] of records.entries()) {
        const ordinal = ordinals[at] as number;
        if (ordinal <= log.newest) continue;
        log.newest = ordinal;
        const items = (JSON.parse(Buffer.from(data).toString()) as unknown[]).length;
        if (items > 0) log.open.set(ordinal, { sequenceNumber, sub: subSequenceNumber ?? 0, items });
      }
    },
    acknowledged: (items) => {
      for (const item of items) {
        const { tenure, ordinal } = item as unknown as { readonly tenure: Notify['tenure']; readonly ordinal: number };
        const log = tenures.get(nameOf(tenure.shardWorkerNumber, tenure.fence));
        const record = log?.open.get(ordinal);
        if (log === undefined || record === undefined) continue;
        log.acknowledged.add(ordinal);
        record.items -= 1;
        if (record.items === 0) log.open.delete(ordinal);
      }
    },
    skipped: (sequenceNumber, sub) => {
      for (const { open } of tenures.values()) {
        for (const [ordinal, record] of open)
          if (record.sequenceNumber === sequenceNumber && record.sub === sub) open.delete(ordinal);
      }
    },
    reported: ({ frontier: { shardWorker, fence, position } }) => {
      const log = tenures.get(nameOf(shardWorker, fence));
      const at = { checkpoint: position.sequenceNumber, checkpointSubSequenceNumber: position.subSequenceNumber };
      for (const [ordinal, { sequenceNumber, sub, items }] of log?.open ?? []) {
        if (compareRows({ checkpoint: sequenceNumber, checkpointSubSequenceNumber: sub }, at) > 0) break;
        const isOld = log?.before?.acknowledged.has(ordinal) === true;
        const cause = isOld ? '; the tenure before it has acknowledged its own record of that ordinal' : '';
        violate(
          isOld ? 'I9' : 'I10',
          `the frontier of worker ${shardWorker} (fence ${fence}) of ${process} passes record ${ordinal}, of which ${items} items are open${cause}`,
        );
        log?.open.delete(ordinal);
      }
    },
  };
}
