// The whole tree on one screen: child specs and strategies. wiring.ts makes the actors (`TreeParts`).
//
//   consumer                               rest-for-one: a crashed coordinator takes the pipeline with it
//   ├─ coordinators                        one-for-all, no restarts of its own: it escalates to the line above
//   │   └─ lease-coordinator/<table>
//   │       └─ lease-keeper/<shard>
//   └─ pipeline                            one-for-all; escalation.ts may end it; temporary
//       ├─ stage/0 … S-1
//       ├─ pipe/0 … R-1                  if there is a pipe: each with its pipe-nodes below it
//       ├─ reducer/0 … R-1               unless the pipes stand in their place. Each knows the pipe behind it, if there is one
//       └─ shard-worker-supervisor
//           └─ shard-worker/<shard>
//
// A pipeline that escalation.ts has ended is not started again: the consumer releases its leases and ends. A restart is a stop and a
// spawn under new names. The stop waits for the user effects of the old incarnation, so an old `save` cannot overwrite a new one.
import type { Effect, Ref } from '../../actors/protocol/actor.js';
import type { LeaseCoordinatorRequest } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { PipeFeed } from '../../actors/protocol/pipe-feed.js';
import type { ReducerRequest } from '../../actors/protocol/pipeline-messages.js';
import type { StageMessage } from '../../actors/stage/stage.js';
import type { ChildSpec, Siblings } from '../../supervision/child-spec.js';
import { onStart, type AnyBehaviour } from './start-notice.js';
import { supervisor } from '../../supervision/supervisor.js';
import { type SupervisorMessage } from '../../supervision/supervisor-message.js';

/** How to make each actor of the tree; `wiring.ts` provides it. */
export interface TreeParts {
  readonly restart: { readonly intensity: number; readonly periodMs: number };
  /** How long a restart or stop waits for running user effects. */
  readonly callDeadlineMs: number;
  /** The lease tables now. Every incarnation of the coordinators calls this again. */
  readonly tables: () => readonly string[];
  readonly stages: number;
  readonly reducers: number;
  /** What runs the application's code, in the order of the start. Each reducer gets the pipe of its index. */
  readonly runners: readonly ('reducer' | 'pipe')[];
  readonly coordinator: (table: string) => AnyBehaviour;
  readonly stage: (index: number) => AnyBehaviour;
  readonly pipe: (index: number, stages: readonly Ref<StageMessage>[]) => AnyBehaviour;
  readonly reducer: (
    index: number,
    stages: readonly Ref<StageMessage>[],
    pipe: Ref<PipeFeed | ReducerRequest> | undefined,
  ) => AnyBehaviour;
  readonly shardWorkerSupervisor: (
    stages: readonly Ref<StageMessage>[],
    coordinators: () => readonly Ref<LeaseCoordinatorRequest>[],
  ) => AnyBehaviour;
  /** The current coordinators. The shard workers of every incarnation of the pipeline ask for them. */
  readonly coordinators: () => readonly Ref<LeaseCoordinatorRequest>[];
  /** Called when the supervisor of the coordinators has started. */
  readonly coordinatorsStarted: (coordinators: Ref<SupervisorMessage>) => void;
  /** Called when a pipeline supervisor has started. The consumer then watches for its end. */
  readonly pipelineStarted: (pipeline: Ref<SupervisorMessage>) => void;
  /**
   * What to do when the pipeline restarts. A `fail` effect among the returned effects ends the pipeline for good.
   */
  readonly pipelineRestarting: (error: Error) => readonly Effect<never>[];
  /** How long this restart waits, in milliseconds. It is called after `pipelineRestarting`. */
  readonly pipelineDelayMs: () => number;
  /** What to do when coordinators restart, and the pipeline with them. */
  readonly coordinatorsRestarting: (error: Error) => readonly Effect<never>[];
}

export function consumerTree(parts: TreeParts): AnyBehaviour {
  return supervisor({
    kind: 'consumer',
    strategy: 'rest-for-one',
    ...parts.restart,
    children: [{ id: 'coordinators', start: () => coordinators(parts), shutdown: 'infinity' }],
    dynamic: () => [{ id: 'pipeline', start: () => pipeline(parts), restart: 'temporary', shutdown: 'infinity' }],
    restarting: (_, error) => parts.coordinatorsRestarting(error),
  });
}

function coordinators(parts: TreeParts): AnyBehaviour {
  const children = parts.tables().map((table) => coordinatorSpec(parts, table));
  const behaviour = supervisor({ kind: 'coordinators', strategy: 'one-for-all', intensity: 0, children });
  return onStart(behaviour as AnyBehaviour, parts.coordinatorsStarted);
}

/** The child for one lease table. It may also be started later, when a source is added. */
export function coordinatorSpec({ coordinator }: Pick<TreeParts, 'coordinator'>, table: string): ChildSpec {
  return { id: table, start: () => coordinator(table), shutdown: 'infinity' };
}

function pipeline(parts: TreeParts): AnyBehaviour {
  const { callDeadlineMs } = parts;
  const stageIds = Array.from({ length: parts.stages }, (_, index) => `stage/${index}`);
  const stagesOf = (siblings: Siblings): readonly Ref<StageMessage>[] => {
    return stageIds.map((id) => siblings.ref<StageMessage>(id) as Ref<StageMessage>);
  };
  const behaviour = supervisor({
    kind: 'pipeline',
    strategy: 'one-for-all',
    // Restarts are counted by escalation.ts: failures of user code have limits of their own.
    intensity: Infinity,
    children: [
      ...stageIds.map((id, index): ChildSpec => ({ id, start: () => parts.stage(index), shutdown: callDeadlineMs })),
      ...parts.runners.flatMap((runner) =>
        Array.from({ length: parts.reducers }, (_, index): ChildSpec => {
          const start = (siblings: Siblings): AnyBehaviour =>
            runner === 'pipe'
              ? parts.pipe(index, stagesOf(siblings))
              : parts.reducer(index, stagesOf(siblings), siblings.ref(`pipe/${index}`));
          return { id: `${runner}/${index}`, start, shutdown: callDeadlineMs };
        }),
      ),
      {
        id: 'shard-worker-supervisor',
        start: (siblings) => parts.shardWorkerSupervisor(stagesOf(siblings), parts.coordinators),
        shutdown: callDeadlineMs,
      },
    ],
    stopChildren: 'together',
    restarting: (_, error) => parts.pipelineRestarting(error),
    restartDelayMs: () => parts.pipelineDelayMs(),
  });
  return onStart(behaviour, parts.pipelineStarted);
}
