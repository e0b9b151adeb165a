// The public surface of `kinact`: every export by name, values before types.
export { createConsumer } from './consumer/consumer.js';
export { runUntilSignal } from './consumer/signals.js';
export { kinesisStream } from './aws/kinesis/kinesis-stream.js';
export { dynamodbStream } from './aws/dynamodb-streams/dynamodb-stream.js';
export { isTtlRemoval } from './api/change.js';
export { defineReducer } from './api/reducer.js';
export { openPipe } from './consumer/open-pipe.js';
export { pipe } from './pipes/pipe.js';
export { defineNode } from './pipes/define-node.js';
export { filter, map, mapFilter, sink, tap, unfold } from './pipes/single-nodes.js';
export { aggregate } from './pipes/aggregate.js';
export { demux, join } from './pipes/routes.js';
export { routeDependent } from './pipes/route-dependent.js';
export { assembleChunks } from './pipes/assemble-chunks.js';
export { batchSink } from './pipes/batch-sink.js';
export { createHolding } from './pipes/holding.js';
export { json } from './pipes/json.js';
export { NodeFailure } from './api/pipe-failure.js';
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
export type { OpenPipe, OpenPipeEventName, OpenPipeStatus, PipeEnding } from './consumer/open-pipe.js';
export type { NodeFigures } from '../actors/pipe-node/pipe-node.js';
export type { Listener } from './consumer/emitter.js';
export type {
  CheckpointNotice,
  EndedShard,
  StartedShard,
  ConsumerOptions,
  DrainOptions,
  DynamoDbClientLike,
  DynamodbStreamOptions,
  DynamodbStreamsClientLike,
  TableOrStreamArn,
  FeedOptions,
  FileSinkOptions,
  FlushOptions,
  KinesisClientLike,
  KinesisSinkOptions,
  KinesisStreamOptions,
  LeaseOptions,
  RateLimitOptions,
  NactParent,
  OpenPipeOptions,
  ParkOptions,
  RetryOptions,
  RunOptions,
  RuntimeSeams,
  StopOptions,
} from './api/options.js';
export type { Change, ChangeAuthor, ChangedAttribute, ChangeRecord, RawChange } from './api/change.js';
export type { AnySource, SourceSpec } from './api/source.js';
export type {
  BatchLimits,
  ExtractFunction,
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
  ItemToken,
} from './api/reducer.js';
export type {
  AddedHead,
  AnyNode,
  Held,
  Holding,
  Keep,
  KeptIn,
  Lost,
  MessageLease,
  NodeAnswer,
  NodeContext,
  NodeDefinition,
  NodeResult,
  Output,
  Pipe,
  PipeMessage,
} from './api/pipe.js';
export type { PipeBuilder, PipeOptions } from './pipes/pipe.js';
export type { MessageFormat, MessagePlace } from './api/message-format.js';
export type { NodeOptions } from './pipes/define-node.js';
export type { MessageFunction } from './pipes/answer.js';
export type { AggregateOptions } from './pipes/aggregate.js';
export type { Aggregation } from './pipes/folded-parts.js';
export type { AggregateDecision } from './pipes/collection.js';
export type { AggregateFunction } from './pipes/value-list.js';
export type { DemuxOptions } from './pipes/routes.js';
export type { Chunk } from './pipes/chunked-object.js';
export type { AssembleChunksOptions } from './pipes/assemble-chunks.js';
export type { BatchSinkOptions } from './pipes/batch-sink.js';
export type { FailedItem } from './api/failed-item.js';
export type { FailurePolicy, FinalPolicy, OnFailure, Park, PlainPolicy, Retry } from './api/failure-policy.js';
export type {
  NamedStream,
  ParkContext,
  ParkedItem,
  ParkedMessage,
  ParkedRange,
  ParkingSink,
  ParkingSinkCheck,
} from './api/parking.js';
export type { PackedRecord } from './aws/aggregation/aggregate.js';
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
