// The vocabulary of kinact's own actors: the names of all their messages and effects, by kind. A fault for a misspelled name would
// wait forever. The compiler checks these lists against the actors' own types. test/kill-points checks them against what the
// actors really do, including names that exist only as text.
import type { LeaseCoordinatorMessage } from '../../../actors/lease-coordinator/lease-coordinator.js';
import type { LeaseKeeperMessage } from '../../../actors/lease-keeper/lease-keeper.js';
import type { Write } from '../../../actors/lease-keeper/state.js';
import type { ReducerActorMessage } from '../../../actors/reducer/reducer.js';
import type { ShardWorkerMessage } from '../../../actors/shard-worker/shard-worker.js';
import type { ShardWorkerSupervisorMessage } from '../../../actors/shard-worker-supervisor/shard-worker-supervisor.js';
import type { StageMessage } from '../../../actors/stage/stage.js';
import type { Message as SupervisorsMessage } from '../../../supervision/supervisor-message.js';
import type { ReducerMessage as ToBehaviour } from '../../api/reducer.js';

type Names<Union extends string> = Readonly<Record<Union, true>>;

export interface Vocabulary {
  readonly messages: readonly string[];
  readonly effects: readonly string[];
}

const vocabulary = <M extends string, E extends string>(messages: Names<M>, effects: Names<E>): Vocabulary => ({
  messages: Object.keys(messages),
  effects: Object.keys(effects),
});

const supervisorVocabulary = vocabulary<SupervisorsMessage['type'], never>(
  {
    startChild: true,
    terminateChild: true,
    children: true,
    childStarted: true,
    childEnding: true,
    childDown: true,
    childDidNotStart: true,
    delayOver: true,
  },
  {},
);

/** By the actor's kind. */
export const vocabularies: Readonly<Record<string, Vocabulary>> = {
  stage: vocabulary<StageMessage['type'], 'onFailure'>(
    {
      join: true,
      notify: true,
      extract: true,
      collect: true,
      punctuate: true,
      locate: true,
      waitsForAck: true,
      retire: true,
      disposed: true,
      punctuated: true,
      workerDown: true,
      beat: true,
      decided: true,
    },
    { onFailure: true },
  ),
  reducer: vocabulary<ReducerActorMessage['type'], ToBehaviour['type'] | 'reduce' | 'process' | 'onFailure'>(
    {
      items: true,
      punctuation: true,
      heartbeat: true,
      revoked: true,
      locate: true,
      waitsForAck: true,
      folded: true,
      flushed: true,
      behaved: true,
      processed: true,
      callsDue: true,
      broken: true,
      flushDue: true,
      contextCalled: true,
      attemptDue: true,
      decided: true,
    },
    {
      reduce: true,
      process: true,
      items: true,
      heartbeat: true,
      flush: true,
      revoked: true,
      drain: true,
      onFailure: true,
    },
  ),
  'shard-worker': vocabulary<ShardWorkerMessage['type'], 'read' | 'onFailure'>(
    {
      revoked: true,
      drain: true,
      pause: true,
      resume: true,
      tenure: true,
      read: true,
      readFailed: true,
      notice: true,
      notified: true,
      collected: true,
      punctuated: true,
      askedToFlush: true,
      admit: true,
      located: true,
      watchdog: true,
      limitDue: true,
      heldForAck: true,
      askFailed: true,
      decided: true,
    },
    { read: true, onFailure: true },
  ),
  'shard-worker-supervisor': vocabulary<ShardWorkerSupervisorMessage['type'], never>(
    { held: true, started: true, ended: true, again: true },
    {},
  ),
  'lease-keeper': vocabulary<LeaseKeeperMessage['type'], Write['kind'] | 'look' | 'onCheckpoint'>(
    {
      beginTenure: true,
      frontier: true,
      reads: true,
      workerEnded: true,
      cannotDrain: true,
      streamDoubted: true,
      release: true,
      mayStart: true,
      wake: true,
      permitCame: true,
      written: true,
      created: true,
      wished: true,
      looked: true,
      lookFailed: true,
      writeFailed: true,
      workerDown: true,
      shardEndPlanned: true,
      onCheckpointSettled: true,
      callsEnded: true,
    },
    {
      wish: true,
      unwish: true,
      look: true,
      take: true,
      create: true,
      renew: true,
      checkpoint: true,
      answer: true,
      handOver: true,
      release: true,
      shardEnd: true,
      onCheckpoint: true,
    },
  ),
  'lease-coordinator': vocabulary<LeaseCoordinatorMessage['type'], string>(
    {
      subscribe: true,
      askShardEnd: true,
      releaseAll: true,
      callsEnded: true,
      pipelineDelayed: true,
      awaitStart: true,
      keeperNotice: true,
      streamOpened: true,
      openStreamFailed: true,
      openStreamAgain: true,
      tableOpened: true,
      openTableFailed: true,
      openTableAgain: true,
      startOverdue: true,
      scanDue: true,
      scanned: true,
      scanFailed: true,
      synced: true,
      syncFailed: true,
      stamped: true,
      described: true,
      cleaned: true,
      cleanUpFailed: true,
      parentsRead: true,
      parentsReadFailed: true,
      childrenRead: true,
      childrenReadFailed: true,
      shardEndJudged: true,
      shardEndFailed: true,
      gatherDue: true,
      gathered: true,
      evidenceFailed: true,
      keeperSpawned: true,
      keeperDown: true,
      subscriberDown: true,
      releaseOverdue: true,
    },
    {
      openStream: true,
      openTable: true,
      scan: true,
      sync: true,
      stamp: true,
      describe: true,
      evidence: true,
      cleanUp: true,
      parents: true,
      children: true,
      shardEnd: true,
    },
  ),
  consumer: supervisorVocabulary,
  coordinators: supervisorVocabulary,
  pipeline: supervisorVocabulary,
};
