// `status()`, `ready()` and `live()`: reads the running tree, changes nothing.
import type { CoordinatorMessage } from '../../actors/lease-coordinator.js';
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { Ref } from '../../actors/actor.js';
import type { Runtime } from '../../supervision/index.js';
import { counters, stateOfActor, status as treeOf } from '../../supervision/status.js';
import { visible } from '../core/visible.js';
import { shardsOf } from '../status.js';
import type { ConsumerStatus, Health } from '../status.js';

/** Several times what lies between two scans of an idle worker: longer, and free leases are not seen by this one. */
const longestScanAgeMs = 30_000;

export interface Inspected {
  readonly state: ConsumerStatus['state'];
  readonly workerId: string;
  readonly restarts: number;
  readonly orphans: readonly string[];
  /** Of the application's logger, meter and listeners. */
  readonly failures: Readonly<Record<'logger' | 'meter' | 'listener', number>>;
  readonly runtime: Runtime;
  readonly coordinators: ReadonlyMap<string, Ref<CoordinatorMessage>> | undefined;
}

export function snapshot(inspected: Inspected): ConsumerStatus {
  const { state, workerId, restarts, orphans, failures, runtime } = inspected;
  const tree = treeOf(runtime);
  const leases = [...(inspected.coordinators ?? [])].map(([table, ref]) => ({ table, state: stateOfActor(ref) }));
  const thrown = Object.entries(failures).flatMap(([what, times]) => (times > 0 ? [[`${what}Failures`, times]] : []));
  return {
    state,
    workerId,
    restarts,
    shards: shardsOf(tree),
    sources: leases.flatMap(({ table, state: says }) =>
      ((says as Partial<CoordinatorStatus> | undefined)?.sources ?? []).map((each) => ({ ...each, table })),
    ),
    leases,
    orphans: [...orphans],
    counters: { ...counters(runtime), ...(Object.fromEntries(thrown) as Record<string, number>) },
    tree,
  };
}

export function readiness({ state, leases, sources }: ConsumerStatus): Health {
  const reasons: string[] = [];
  if (state !== 'running') reasons.push(`the consumer is ${state}`);
  for (const { table, state: coordinator } of leases) {
    const { scanAgeMs, phase, standingStill = [] } = (coordinator ?? {}) as Partial<CoordinatorStatus>;
    for (const { leaseKey, tenures, reason } of standingStill)
      reasons.push(
        `${leaseKey} stands still: ${tenures} tenures in a row ended before a record was dealt with, ${reason}`,
      );
    if (coordinator === undefined) reasons.push(`the coordinator of ${table} is not running`);
    else if (phase !== 'failed' && scanAgeMs !== undefined && scanAgeMs > longestScanAgeMs)
      reasons.push(`the lease table ${table} was last read ${Math.round(scanAgeMs)} ms ago`);
  }
  for (const { source, state: standing, error } of sources) {
    const why = error === undefined ? '' : `: ${error.message}`;
    if (standing === 'failed') reasons.push(`the source ${source} has failed for good${why}`);
    else if (standing === 'starting') reasons.push(`the source ${source} is not read yet${why}`);
  }
  return { ok: reasons.length === 0, reasons: reasons.map(visible) };
}

export function liveness(state: ConsumerStatus['state'], reason: Error | undefined): Health {
  if (reason !== undefined) return { ok: false, reasons: [visible(`the consumer ended by itself: ${reason.message}`)] };
  return { ok: true, reasons: state === 'closed' ? ['the consumer was stopped'] : [] };
}
