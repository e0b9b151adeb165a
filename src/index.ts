// The public surface of `kinact`: every export by name, values before types.
export { createConsumer } from './consumer/consumer.js';
export { runUntilSignal } from './consumer/signals.js';
export { kinesisStream } from './aws/kinesis/kinesis-stream.js';
export { dynamodbStream } from './aws/dynamodb-streams/dynamodb-stream.js';
export { isTtlRemoval } from './api/change.js';
export { defineReducer } from './api/reducer.js';
export { park } from './options/park-policy.js';
export { retry } from './options/retry-policy.js';
export { fileSink } from './parking/file-sink.js';
export { kinesisSink } from './parking/kinesis-sink.js';
export { NonRetryableError } from './api/failure-policy.js';
export { decodeAggregate } from './aws/aggregation/aggregate.js';
export { encodeAggregate } from './aws/aggregation/aggregate-encoder.js';
export { KinactError, isKinactError, errorCodes } from './api/errors.js';

export type { Consumer, RemovalReport, StopReport } from './consumer/consumer.js';
export type { ReleasedLease } from './consumer/stop-report.js';
export type { Listener } from './consumer/emitter.js';
export type {
  CheckpointNotice,
  EndedShard,
  StartedShard,
  ConsumerOptions,
  DynamoDbClientLike,
  DynamodbStreamOptions,
  DynamodbStreamsClientLike,
  TableOrStreamArn,
  FileSinkOptions,
  KinesisClientLike,
  KinesisSinkOptions,
  KinesisStreamOptions,
  LeaseOptions,
  LimitOptions,
  NactParent,
  ParkOptions,
  RetryOptions,
  RunOptions,
  RuntimeSeams,
  StopOptions,
} from './api/options.js';
export type { Change, ChangeAuthor, ChangedAttribute, ChangeRecord, RawChange } from './api/change.js';
export type { AnySource, SourceSpec } from './api/source.js';
export type {
  Batch,
  Extract,
  Extracted,
  FlushContext,
  FoldingReducer,
  Item,
  ProcessReducer,
  RawReducer,
  RecordContext,
  ReducerContext,
  ReducerDefinition,
  ReducerMessage,
  Token,
} from './api/reducer.js';
export type { FailedItem } from './api/failed-item.js';
export type { FailurePolicy, FinalPolicy, OnFailure, Park, PlainPolicy, Retry } from './api/failure-policy.js';
export type { NamedStream, ParkContext, ParkedItem, ParkSink, SinkCheck } from './api/parking.js';
export type { AggregatedRecord } from './aws/aggregation/aggregate.js';
export type { ErrorCode, ErrorData, FailureKind } from './api/errors.js';
export type { ConsumerEventName, ConsumerEvents } from './api/events.js';
export type { Logger } from './api/logger.js';
export type { CounterName, GaugeName, Labels, Meter } from './api/metrics.js';
export type { Clock, Random, Timers, UserRecord } from './api/ports.js';
export type { IntakePart } from './core/intake.js';
export type { InitialPosition, Position } from './core/position.js';
export type {
  ActorSnapshot,
  ConsumerStatus,
  FailingSnapshot,
  Health,
  OldestOpen,
  PauseSnapshot,
  RetrievalSnapshot,
  ShardSnapshot,
  SourceSnapshot,
  WaitingSnapshot,
} from './api/status.js';
