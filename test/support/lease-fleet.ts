// A fleet of workers over one lease table, round by round, without any I/O. The decisions of planLeases are carried out like conditional
// writes. In each round all workers plan from the same picture, which is the worst case for collisions.
import { leaseRow } from './memory-lease-store.js';
import {
  observe,
  planLeases,
  updateObservations,
  type LeasePlan,
  type Observation,
} from '../../src/core/lease-plan.js';
import { writerPrefixOf, writerOf } from '../../src/core/writer-signature.js';
import type { LeaseRow } from '../../src/core/lease.js';

export interface FleetWorker {
  readonly id: string;
  readonly maxLeases: number;
  observations: Map<string, Observation>;
  readonly held: Set<string>;
}

export interface Fleet {
  readonly rows: Map<string, LeaseRow>;
  readonly workers: FleetWorker[];
  now: number;
  moves: number;
  join(id: string, maxLeases?: number): void;
  /** The worker dies without releasing its leases. */
  kill(id: string): void;
  /** The worker releases every lease, then leaves. */
  leave(id: string): void;
  round(): void;
  counts(): number[];
}

export const failoverMs = 10_000;
export const roundMs = 1_000;

export function fleet(leases: number, random: () => number): Fleet {
  const rows = new Map<string, LeaseRow>();
  for (let index = 0; index < leases; index++) rows.set(`s${index}`, leaseRow({ leaseKey: `s${index}` }));
  const workers: FleetWorker[] = [];

  const write = (seen: LeaseRow, owner: string | undefined): boolean => {
    if (rows.get(seen.leaseKey)?.leaseCounter !== seen.leaseCounter) return false;
    const { leaseOwner: _, ...rest } = seen;
    rows.set(seen.leaseKey, {
      ...rest,
      leaseCounter: seen.leaseCounter + 1,
      ...(owner === undefined ? {} : { leaseOwner: owner, kinactWriter: writerOf(writerPrefixOf(owner, 'n'), 1) }),
    });
    return true;
  };

  const plan = (worker: FleetWorker, picture: readonly LeaseRow[]): LeasePlan => {
    worker.observations = updateObservations(worker.observations, picture, self.now);
    return planLeases({
      leases: observe(picture, worker.observations, self.now, failoverMs),
      workerId: worker.id,
      maxLeases: worker.maxLeases,
      held: worker.held,
      avoid: new Set(),
      reclaim: new Set(),
      belowTargetOnlyMs: roundMs / 2,
      random,
    });
  };

  const self: Fleet = {
    rows,
    workers,
    now: 0,
    moves: 0,
    join(id, maxLeases = Infinity) {
      workers.push({ id, maxLeases, observations: new Map(), held: new Set() });
    },
    kill(id) {
      workers.splice(
        workers.findIndex((worker) => worker.id === id),
        1,
      );
    },
    leave(id) {
      for (const row of rows.values()) if (row.leaseOwner === id) write(row, undefined);
      self.kill(id);
    },
    round() {
      self.now += roundMs;
      for (const worker of workers) {
        for (const key of worker.held) {
          const row = rows.get(key)!;
          if (row.leaseOwner === worker.id) write(row, worker.id);
          else worker.held.delete(key);
        }
      }
      const picture = [...rows.values()];
      for (const [worker, { take, fromPeers }] of workers.map((each) => [each, plan(each, picture)] as const)) {
        for (const row of [...take, ...fromPeers]) {
          if (!write(row, worker.id)) continue;
          self.moves++;
          worker.held.add(row.leaseKey);
          for (const other of workers) if (other !== worker) other.held.delete(row.leaseKey);
        }
      }
    },
    counts: () =>
      workers
        .map((worker) => [...rows.values()].filter((row) => row.leaseOwner === worker.id).length)
        .sort((a, b) => a - b),
  };
  return self;
}
