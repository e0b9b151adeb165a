// The public surface of `kinact`: explicit, values first. What is not built yet is not here.
export { createConsumer } from './consumer.js';
export { runUntilSignal } from './signals.js';
export { kinesisStream } from './aws/kinesis-stream.js';
export { defineReducer } from './reducer.js';
export { decodeAggregate } from './aws/aggregate.js';
export { encodeAggregate } from './aws/aggregate-encoder.js';
export { KinactError, isKinactError, errorCodes } from './errors.js';

export type { Consumer, StopReport } from './consumer.js';
export type { ReleasedLease } from '../actors/lease-coordinator.js';
export type { Listener } from './emitter.js';
export type { RunOptions } from './signals.js';
export type {
  CheckpointNotice,
  ConsumerOptions,
  DynamoDbClientLike,
  LeaseOptions,
  NactParent,
  RuntimeSeams,
} from './options.js';
export type { KinesisClientLike, KinesisStreamOptions } from './source-options.js';
export type { SourceSpec } from './source.js';
export type {
  Batch,
  Extract,
  Extracted,
  FailedItem,
  FailurePolicy,
  FlushContext,
  FoldingReducer,
  Item,
  OnFailure,
  RawReducer,
  RecordContext,
  ReducerContext,
  ReducerDefinition,
  ReducerMessage,
  Token,
} from './reducer.js';
export type { AggregatedRecord } from './aws/aggregate.js';
export type { ErrorCode, ErrorData, FailureKind } from './errors.js';
export type { ConsumerEventName, ConsumerEvents } from './events.js';
export type { Logger } from './logger.js';
export type { CounterName, GaugeName, Labels, Meter } from './metrics.js';
export type { Clock, Random, Timers, UserRecord } from './ports.js';
export type { InitialPosition, Position } from './core/position.js';
export type {
  ActorSnapshot,
  ConsumerStatus,
  FailingSnapshot,
  Health,
  OldestOpen,
  ShardSnapshot,
  SourceSnapshot,
} from './status.js';
