// Re-exports the types of all options, and of their values.
export type { ConsumerOptions } from './generated/consumer-options.js';
export type { DrainOptions } from './generated/drain-options.js';
export type { DynamodbStreamOptions } from './generated/dynamodb-stream-options.js';
export type { FeedOptions } from './generated/feed-options.js';
export type { FileSinkOptions } from './generated/file-sink-options.js';
export type { FlushOptions } from './generated/flush-options.js';
export type { KinesisSinkOptions } from './generated/kinesis-sink-options.js';
export type { KinesisStreamOptions } from './generated/kinesis-stream-options.js';
export type { LeaseOptions } from './generated/lease-options.js';
export type { RateLimitOptions } from './generated/rate-limit-options.js';
export type { OpenPipeOptions } from './generated/open-pipe-options.js';
export type { ParkOptions } from './generated/park-options.js';
export type { RetryOptions } from './generated/retry-options.js';
export type { RunOptions } from './generated/run-options.js';
export type { RuntimeSeams } from './generated/runtime-seams.js';
export type { StopOptions } from './generated/stop-options.js';
export type {
  CheckpointNotice,
  EndedShard,
  StartedShard,
  DynamoDbClientLike,
  DynamodbStreamsClientLike,
  KinesisClientLike,
  NactParent,
  TableOrStreamArn,
} from './option-values.js';
