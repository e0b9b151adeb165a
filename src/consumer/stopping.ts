// The stop of a consumer, once it is decided. Leases go first, while the pipeline still works. The actors stop when
// nothing of theirs is left to do. The report says what became of each lease. Called once per consumer.
import { ask, counters, stop as stopActor } from '../../supervision/index.js';
import type { Runtime, SupervisorMessage } from '../../supervision/index.js';
import { isBusy } from '../../supervision/supervisor.js';
import type { ReleasedLease } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { Ending, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { isKinactError } from '../api/errors.js';
import { releaseLeft, type LeftBehind } from './left-leases.js';
import type { Wiring } from './wiring.js';

/** What is to be stopped. The functions say what there is by then: a start may still be under way. */
export interface Releasing extends LeftBehind {
  readonly runtime: Runtime;
  readonly wiring: () => Wiring | undefined;
  readonly root: () => Ref<never> | undefined;
  readonly pipeline: () => Ref<SupervisorMessage> | undefined;
  readonly stopDeadlineMs: number;
}

export interface Released {
  readonly leases: readonly ReleasedLease[];
  readonly drained: boolean;
}

/** How long a pipeline that is not restarting may take to say so. */
const idleMs = 50;
/** What is kept of the deadline for releasing after a restart: one write per lease. */
const afterRestartMs = 5_000;
/** The coordinator answers by its deadline; this much later it counts as dead. */
const graceMs = 1_000;
/** What stopping the actors gets even when draining has used up the deadline. */
const minimumStopMs = 1_000;

/**
 * Stops the consumer, in this order:
 * 1. `endRestart` stops a pipeline that is in the middle of a restart. Its old calls are waited for, and no new ones begin.
 * 2. Each coordinator is asked to `releaseAll`. Keepers drain, checkpoint and release while the pipeline still works.
 * 3. `stopTree` stops the actors.
 * 4. `releaseLeft` releases what no coordinator has answered for, with keepers that are started once more.
 * 5. The report says what became of each lease.
 *
 * All of it shares the deadline. But a silent coordinator is waited for a second longer, and step 4 gets at least a second. So does
 * step 3, unless `stopDeadlineMs` is shorter. The caller then closes sources and tables. It never rejects.
 */
export async function releaseEverything(releasing: Releasing, deadlineMs: number): Promise<Released> {
  const { pipeline, runtime, wiring } = releasing;
  const { clock } = releasing.environment;
  const until = clock.now() + deadlineMs;
  await endRestart(pipeline(), deadlineMs - Math.min(deadlineMs / 2, afterRestartMs));
  const leftMs = Math.max(0, until - clock.now());
  const coordinators = [...(wiring()?.coordinators ?? [])];
  // A coordinator that does not answer, or does not know what its predecessor held, may have held anything.
  const unheard = new Set<string>();
  const reports = await Promise.all(
    coordinators.map(([table, ref]) =>
      ask(
        ref,
        (replyTo: ReplyTo<readonly ReleasedLease[] | undefined>) => ({
          type: 'releaseAll',
          deadlineMs: leftMs,
          replyTo,
        }),
        { deadlineMs: leftMs + graceMs },
      )
        .catch(() => undefined)
        .then((report) => {
          if (report === undefined) unheard.add(table);
          return report;
        }),
    ),
  );
  const leftMsNow = (): number => Math.max(minimumStopMs, until - clock.now());
  const ending = await stopTree(releasing, leftMsNow());
  const reason = isParentStopped(ending?.error) ? 'the parent was stopped' : 'stopping';
  // No coordinator could: it was down, or the application has stopped the parent, and no message arrived any more.
  const left = wiring()?.left.of(unheard) ?? [];
  const late = await releaseLeft(releasing, left, reason, leftMsNow());
  const leases = [...reports.flatMap((report) => report ?? []), ...late];
  const isReleased = leases.every(({ released, recordsLeft }) => released && recordsLeft === 0);
  return { leases, drained: unheard.size === 0 && isReleased && !hasOrphans(runtime) };
}

/**
 * A pipeline in the middle of a restart drains nothing. Its keepers would release at once, while user calls of the old
 * incarnation still run. So these calls are waited for, and the new incarnation is not started any more.
 */
async function endRestart(pipeline: ReturnType<Releasing['pipeline']>, deadlineMs: number): Promise<void> {
  if (pipeline === undefined) return;
  // Asked behind the news of a crash, if any is on its way: a shard worker's takes two steps.
  const question = (replyTo: ReplyTo<unknown>) => ({ type: 'children', replyTo }) as const;
  const idle = (): Promise<unknown> => ask(pipeline, question, { deadlineMs: idleMs });
  await idle()
    .then(idle, () => {})
    .catch(() => {});
  if (isBusy(pipeline)) await stopActor(pipeline, { deadlineMs });
}

async function stopTree({ root, stopDeadlineMs }: Releasing, leftMs: number): Promise<Ending | undefined> {
  const tree = root();
  return tree === undefined ? undefined : stopActor(tree, { deadlineMs: Math.min(leftMs, stopDeadlineMs) });
}

/** Calls of user code that outlived their deadline and have not ended since. */
function hasOrphans(runtime: Runtime): boolean {
  const { orphan = 0, orphanEnded = 0 } = counters(runtime);
  return orphan > orphanEnded;
}

const isParentStopped = (error: Error | undefined): boolean => isKinactError(error) && error.code === 'PARENT_STOPPED';
