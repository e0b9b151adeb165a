// Every option that applications give, and what options are made of: one place to import them from.
export type { ConsumerOptions } from './generated/consumer-options.js';
export type { KinesisStreamOptions } from './generated/kinesis-stream-options.js';
export type { LeaseOptions } from './generated/lease-options.js';
export type { RuntimeSeams } from './generated/runtime-seams.js';
export type { CheckpointNotice, DynamoDbClientLike, KinesisClientLike, NactParent } from './option-values.js';
