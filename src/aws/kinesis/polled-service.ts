// What the reader of a shard needs of the service that it reads: Kinesis (kinesis-service.ts), or DynamoDB Streams. The rules of
// reading (prefetch, quotas, retries, the proof of an end) are the reader's, and the same for both.
import type { GetRecordsOutput } from '@aws-sdk/client-kinesis';
import type { StartPosition } from '../../core/position.js';
import type {
  Clock,
  LeasedRead,
  Random,
  RawRecord,
  RecordList,
  ShardListing,
  SourceNotice,
  StreamDescription,
  Timers,
} from '../../api/ports.js';
import type { SourceSlots } from '../../core/call-slots.js';
import type { AwsFailure } from '../aws-errors.js';
import type { Ask } from '../shared-request.js';
import type { BacklogMeaning } from './end-verdict.js';
import type { Subscriptions } from './fan-out/subscription.js';
import type { IdleShard } from './idle-reads.js';
import type { StreamNames } from './kinesis-client.js';
import type { PrefetchBounds, PrefetchBuffer } from './prefetch-buffer.js';
import type { ReadAllowance, RecordSizes } from './read-allowance.js';
import type { Progress, RecordTraits } from './reading-progress.js';
import type { FoundIterator, IteratorPosition, ReadOperation } from './shard-iterator.js';

/** An answer of GetRecords. */
export interface Answer {
  readonly output: Pick<Partial<GetRecordsOutput>, 'MillisBehindLatest' | 'NextShardIterator' | 'ChildShards'>;
  readonly records: RecordList<RawRecord<Buffer>>;
  readonly bytes: number;
  /** The service does not report MillisBehindLatest, and these records suggest that there are more. */
  readonly isBehind?: boolean;
  /** Milliseconds behind the tip, for a service that does not report it. */
  readonly lagMs?: number;
  /** The time of the answer, by the clock of the service. */
  readonly serviceTimeMs?: number;
}

type Reading = Pick<ReaderContext, 'shardId' | 'signal'>;

export interface PolledService extends RecordTraits {
  /** The service's name in IAM actions. */
  readonly name: 'kinesis' | 'dynamodb';
  /** The calls behind the reader's `describe` and `list`, for messages. */
  readonly operations: { readonly describe: ReadOperation; readonly list: ReadOperation };
  readonly bytesPerSecond: number;
  getRecords(reading: Reading, iterator: string, limit: number): Promise<Answer | { readonly failure: AwsFailure }>;
  findIterator(reading: Reading, position: IteratorPosition): Promise<FoundIterator>;
  /** Handles an answer that the records at the position have expired, for a service that gives it. */
  readonly onTrimmed?: (reader: ReaderContext, progress: Progress) => Promise<Next>;
}

export interface ReaderDeps {
  readonly service: PolledService;
  readonly names: StreamNames;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly maxRecords: number;
  readonly idleMs: number;
  readonly prefetch: PrefetchBounds;
  readonly describe: Ask<StreamDescription>;
  readonly list: Ask<ShardListing>;
  readonly sizes: RecordSizes;
  readonly backlogMeaning: BacklogMeaning;
  /** Bounds the calls under way. Default: no bound. */
  readonly slots?: SourceSlots | undefined;
  /** How to subscribe to shards. Absent if shards are only polled. */
  readonly subscriptions?: Subscriptions | undefined;
}

/** Which shard is read, from where, and under which lease. */
export interface Opening {
  readonly shardId: string;
  readonly start: StartPosition;
  readonly notice: (notice: SourceNotice) => void;
  readonly lease: LeasedRead | undefined;
}

export interface ReaderContext extends ReaderDeps, Opening {
  readonly buffer: PrefetchBuffer;
  readonly allowance: ReadAllowance;
  readonly idle: IdleShard;
  readonly signal: AbortSignal;
}

/** Whether the reader continues, after a step. `over`: the buffer has the end of the shard, and nothing more is to be read. */
export type Next = 'readOn' | 'over';
