// Stops a consumer. Leases are released first, because the pipeline must still work while shards drain. Then the actors stop. The
// report shows what became of each lease. Called once per consumer.
import { ask, counters, stop as stopActor, type Runtime, type SupervisorMessage } from '../../supervision/index.js';
import { isBusy } from '../../supervision/supervisor.js';
import type { ReleaseOutcome } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { Ending, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { isKinactError } from '../api/errors.js';
import { releaseLeft, type ReleaseContext } from './left-leases.js';
import type { ReleasedLease, StopReport } from './stop-report.js';
import type { Wiring } from './wiring.js';

/** The parts to stop. They are functions, because a start that is under way may still create the parts. */
export interface StoppingConsumer extends ReleaseContext {
  readonly runtime: Runtime;
  readonly wiring: () => Wiring | undefined;
  readonly root: () => Ref<never> | undefined;
  readonly pipeline: () => Ref<SupervisorMessage> | undefined;
  readonly callDeadlineMs: number;
}

/** How long a pipeline that is not restarting may take to answer. */
const answerMs = 50;
/** The part of the deadline that a restart must leave for the releases: one write per lease. */
const afterRestartMs = 5_000;
/** The coordinator answers by its deadline; this much later it counts as dead. */
const graceMs = 1_000;
/** The least time for `stopTree` and for `releaseLeft`, even if draining has used up the deadline. */
const minStopMs = 1_000;

/**
 * Stops the consumer, in this order:
 * 1. `endRestart` stops a pipeline that is in the middle of a restart. It waits for the old calls, and no new calls begin.
 * 2. Each coordinator gets a `releaseAll`. Keepers drain, checkpoint and release while the pipeline still works.
 * 3. `stopTree` stops the actors.
 * 4. `releaseLeft` releases the leases of coordinators that did not answer. It starts their keepers again.
 * 5. The report shows what became of each lease.
 *
 * All steps share the deadline. But step 2 waits one second longer for a silent coordinator. Steps 3 and 4 get at least a
 * second each (step 3 less if `callDeadlineMs` is shorter). The caller then closes sources and tables. Never rejects.
 */
export async function releaseEverything(stopping: StoppingConsumer, deadlineMs: number): Promise<StopReport> {
  const { pipeline, runtime, wiring } = stopping;
  const { clock } = stopping.environment;
  const leftItems = wiring()?.leftItems;
  if (leftItems !== undefined) leftItems.isStopping = true;
  const until = clock.now() + deadlineMs;
  await endRestart(pipeline(), deadlineMs - Math.min(deadlineMs / 2, afterRestartMs));

  const remainingMs = Math.max(0, until - clock.now());
  const coordinators = [...(wiring()?.coordinators ?? [])];

  // Tables with a coordinator that did not answer, or does not know what its predecessor held. Any of their leases may be held.
  const unansweredTables = new Set<string>();
  const reports = await Promise.all(
    coordinators.map(([table, ref]) =>
      ask(
        ref,
        (replyTo: ReplyTo<readonly ReleaseOutcome[] | undefined>) => ({
          type: 'releaseAll',
          deadlineMs: remainingMs,
          replyTo,
        }),
        { deadlineMs: remainingMs + graceMs },
      )
        .catch(() => undefined)
        .then((report) => {
          if (report === undefined) unansweredTables.add(table);
          return report;
        }),
    ),
  );

  const remainingNow = (): number => Math.max(minStopMs, until - clock.now());
  const ending = await stopTree(stopping, remainingNow());
  const reason = isParentStopped(ending?.error) ? 'the parent was stopped' : 'stopping';

  // No coordinator could release these: it was down, or the application has stopped the parent, so no message arrived any longer.
  const left = wiring()?.leftLeases.inTables(unansweredTables) ?? [];
  const lateReleases = await releaseLeft(stopping, left, reason, remainingNow());
  const outcomes = [...reports.flatMap((report) => report ?? []), ...lateReleases];
  const allDrained = outcomes.every(({ released, recordsLeft }) => released && recordsLeft === 0);
  const open = new Set(outcomes.flatMap((each) => (each.recordsLeft === 0 ? [] : [`${each.source} ${each.shardId}`])));
  const waiting = [...(leftItems?.noted.values() ?? [])].filter((each) => open.has(`${each.source} ${each.shardId}`));
  return {
    leases: outcomes.map(releasedLease),
    drained: unansweredTables.size === 0 && allDrained && !hasOrphans(runtime),
    waiting: waiting.toSorted((one, other) => other.forMs - one.forMs),
  };
}

/** The entry in a report. */
export function releasedLease(outcome: ReleaseOutcome): ReleasedLease {
  return { ...outcome, recordsLeft: outcome.recordsLeft === 'unknown' ? -1 : outcome.recordsLeft };
}

/**
 * A pipeline in the middle of a restart cannot drain. Keepers would release at once, while user calls of the old incarnation
 * still run. So this waits for these calls, and stops the pipeline before a new incarnation starts.
 */
async function endRestart(pipeline: ReturnType<StoppingConsumer['pipeline']>, deadlineMs: number): Promise<void> {
  if (pipeline === undefined) return;
  // A message about a crash may be on its way to the pipeline, and the question queues behind it. The crash of a shard worker
  // takes two messages, so the question is asked twice.
  const question = (replyTo: ReplyTo<unknown>) => ({ type: 'children', replyTo }) as const;
  const askChildren = (): Promise<unknown> => ask(pipeline, question, { deadlineMs: answerMs });
  await askChildren()
    .then(askChildren, () => {})
    .catch(() => {});
  if (isBusy(pipeline)) await stopActor(pipeline, { deadlineMs });
}

async function stopTree({ root, callDeadlineMs }: StoppingConsumer, remainingMs: number): Promise<Ending | undefined> {
  const tree = root();
  return tree === undefined ? undefined : stopActor(tree, { deadlineMs: Math.min(remainingMs, callDeadlineMs) });
}

/** Whether calls of user code have outlived their deadline and still run. */
function hasOrphans(runtime: Runtime): boolean {
  const { orphan = 0, orphanEnded = 0 } = counters(runtime);
  return orphan > orphanEnded;
}

const isParentStopped = (error: Error | undefined): boolean => isKinactError(error) && error.code === 'PARENT_STOPPED';
