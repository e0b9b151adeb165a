// Every message and every effect of every actor, by the names of the nemesis. The tests compare these names with what the scenarios
// reach. A name that no scenario reaches says why. The compiler compares all names with the unions of `actors`.
import type { LeaseCoordinatorMessage, ShardEndPlan } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { ShardEndResult } from '../../actors/lease-coordinator/effect-results.js';
import type { KeeperNews, LeaseKeeperMessage } from '../../actors/lease-keeper/lease-keeper.js';
import type { PipeActorMessage } from '../../actors/pipe/pipe.js';
import type { NodeMessage } from '../../actors/pipe-node/pipe-node.js';
import type { ReducerActorMessage } from '../../actors/reducer/reducer.js';
import type { ShardWorkerMessage } from '../../actors/shard-worker/shard-worker.js';
import type { StageMessage } from '../../actors/stage/stage.js';
import type { TenureAnswer, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import type { ReadResult, WishOutcome, WriteOutcome } from '../../src/api/ports.js';
import type { Message as SupervisorMessage } from '../../supervision/supervisor-message.js';
import { vocabularies } from '../../src/testing/nemesis/vocabulary.js';

/** True if a scenario reaches the message, otherwise the reason why none does. */
type Reach = true | string;

/** The messages of one kind that need more than "reached": they have parts, or no scenario reaches them. */
type Remarks<Type extends string> = Partial<Record<Type, string | Readonly<Record<string, Reach>>>>;

/** A message with several meanings has one name for each of them: `read/records`. */
const meanings = {
  tenure: { granted: true, refused: true } satisfies Record<TenureAnswer['type'], Reach>,
  read: { records: true, shardEnd: true } satisfies Record<ReadResult['type'], Reach>,
  shardWorkerEnded: { shardEnd: true, drained: true, tenureEnded: true, stopShard: true } satisfies Record<
    ShardWorkerEnd['type'],
    Reach
  >,
  written: { written: true, refused: true } satisfies Record<WriteOutcome['type'], Reach>,
  wished: { written: true, refused: true } satisfies Record<WishOutcome['type'], Reach>,
  shardEndPlanned: { ready: true, blocked: true, readOn: true } satisfies Record<ShardEndPlan['type'], Reach>,
  keeperNotice: {
    taken: true,
    notTaken: true,
    working: true,
    advanced: true,
    idle: true,
    readsWork: true,
    readsFail: 'reads fail for a minute in no scenario; test/actors/lease-coordinator/unread-leases.test.ts has it',
    lost: true,
    workerIdInUse: true,
    released: true,
    ended: true,
    handedOver: true,
    streamDoubted: true,
  } satisfies Record<KeeperNews['type'], Reach>,
  shardEndJudged: {
    ready: true,
    blocked: true,
    readOn: true,
    changed: 'the source of another stream fails before; the coordinator’s own tests reach it',
  } satisfies Record<ShardEndResult['type'], Reach>,
};

const full = 'no shard is full for ten seconds in a scenario: test/actors/shard-worker/pending-limit.test.ts';
const stage: Remarks<StageMessage['type']> = { waitsForAck: full };
const reducer: Remarks<ReducerActorMessage['type']> = { waitsForAck: full };

const ofOrigin = 'only the origin of a pipe without a consumer sends it: test/src/consumer/open-pipe-kills.test.ts';
const pipe: Remarks<PipeActorMessage['type']> = {
  upstreamFailed: ofOrigin,
  hurry: ofOrigin,
  waitsForAck: full,
  feedFailed: 'the pipe fails with its first node, before it hears that the feed has failed',
};

const pipeNode: Remarks<NodeMessage['type']> = {
  broken: 'only a mistake in kinact’s own code throws outside of a callback',
  nextStopped: 'a node that stops takes its pipe down before the nodes above hear of it',
};

const shardWorker: Remarks<ShardWorkerMessage['type']> = {
  tenure: meanings.tenure,
  readDone: meanings.read,
  limitDue: full,
  ackWaitReported: full,
  admit: 'only an admission that takes longer than its slice of time goes on in another turn: test/issues/slow-extract',
};

const leaseKeeper: Remarks<LeaseKeeperMessage['type']> = {
  shardWorkerEnded: meanings.shardWorkerEnded,
  permitCame: 'a table on which so few write lets everybody write at once: test/issues/busy-table',
  written: meanings.written,
  wished: meanings.wished,
  shardEndPlanned: meanings.shardEndPlanned,
};

const leaseCoordinator: Remarks<LeaseCoordinatorMessage['type']> = {
  callsEnded: 'a pipeline ends for good in no scenario; test/issues/drained-is-exact.test.ts has it',
  keeperNotice: meanings.keeperNotice,
  shardEndJudged: meanings.shardEndJudged,
};

const neverSent = 'nobody starts or ends children of this supervisor by request; the supervisor’s own tests do';
const asked: Remarks<SupervisorMessage['type']> = {
  startChild: neverSent,
  terminateChild: neverSent,
  childDidNotStart: 'no child fails to start in a scenario; the supervisor’s own tests have it',
};
const atOnce = 'only a restart of the pipeline waits';
const ofCoordinators: Remarks<SupervisorMessage['type']> = {
  childDidNotStart: asked.childDidNotStart as string,
  delayOver: atOnce,
  children: 'only the root and the pipeline are asked',
};

const remarks: Readonly<Record<string, Remarks<string>>> = {
  stage,
  reducer,
  pipe,
  'pipe-node': pipeNode,
  'shard-worker': shardWorker,
  'lease-keeper': leaseKeeper,
  'lease-coordinator': leaseCoordinator,
  pipeline: asked,
  coordinators: ofCoordinators,
  consumer: { ...asked, delayOver: atOnce },
};

function reachOf(kind: string, type: string): readonly (readonly [name: string, reach: Reach])[] {
  const remark = remarks[kind]?.[type] ?? true;
  if (typeof remark !== 'object') return [[type, remark]];
  return Object.entries(remark).map(([part, reach]) => [`${type}/${part}`, reach]);
}

const kinds = Object.entries(vocabularies);

/** The messages, by the kind of the actor. */
export const messages: Readonly<Record<string, Readonly<Record<string, Reach>>>> = Object.fromEntries(
  kinds.map(([kind, known]) => [kind, Object.fromEntries(known.messages.flatMap((type) => reachOf(kind, type)))]),
);

/** The names of the effects, by the kind of the actor. */
export const effects: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  kinds.flatMap(([kind, known]) => (known.effects.length === 0 ? [] : [[kind, known.effects]])),
);
