// The options of a shard worker.
import type { Ref } from '../protocol/actor.js';
import type { HeldLease } from '../protocol/lease-messages.js';
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { ShardWorkerMessage } from './messages.js';
import type { ByteBudget } from '../../src/core/byte-budget.js';
import type { ShardIntake } from '../../src/core/intake.js';
import type { TallyEntry } from '../../src/core/settled-tally.js';
import type { SourceHistory } from '../../src/api/source-history.js';
import type { StartedShard } from '../../src/api/option-values.js';
import type { HashKeyRange, RawRecord, StreamSource, Unpacked } from '../../src/api/ports.js';

export interface ShardWorkerOptions extends FailureOptions {
  readonly unpack: (record: RawRecord<Buffer>, range: HashKeyRange | undefined) => Unpacked;
  readonly onDuplicate: 'skip' | 'crash';
  readonly lease: HeldLease;
  /** The shard worker's number, unique in the process. */
  readonly shardWorkerNumber: number;
  readonly source: StreamSource;
  readonly stages: readonly Ref<StageMessage>[];
  readonly spread: 'by-shard' | 'round-robin';
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  /** The byte budget that all shard workers of the process share. Default: a budget without a bound. */
  readonly budget?: ByteBudget;
  /** Whether the application has paused the reading of this shard: by itself, with its source, or with all shards. Default: never. */
  readonly intake?: ShardIntake;
  /** The history of the source, with the stream's retention. Default: the retention is not known. */
  readonly history?: SourceHistory;
  /** Counts the settled records for the meter. Absent if there is no meter. */
  readonly tallyEntry?: TallyEntry;
  readonly watchdogMs: number;
  /** The application's hook, called before the shard is read. */
  readonly onShardStarted?: ((shard: StartedShard) => unknown) | undefined;
  /** Whether acknowledgements may wait for a flush. If so, a shard worker with a full ledger asks for one. */
  readonly flushes: boolean;
  /** Whether the application may acknowledge an item before its call has ended. */
  readonly acksEarly: boolean;
  /** Sends a message from outside any behaviour: the reader's notices come at any time. */
  readonly sendFromOutside: (to: Ref<ShardWorkerMessage>, message: ShardWorkerMessage) => void;
}

/** Whether the application has paused the reading of this shard, its source or all. */
export function isIntakePaused({ intake }: Pick<ShardWorkerOptions, 'intake'>): boolean {
  return intake !== undefined && intake.pausedAt !== undefined;
}
