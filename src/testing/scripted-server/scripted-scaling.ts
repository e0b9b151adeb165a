// How the scripted Kinesis changes its number of shards: UpdateShardCount, streams that scale by themselves, and how long a stream is
// UPDATING afterwards. Called by scripted-kinesis.ts.
import { AwsAnswerError, invalidArgument } from './answer-errors.js';
import { openShards, type ScriptedShard, type ScriptedStream } from './scripted-shards.js';

/** The parts of ScriptedKinesis that change shards. */
export interface ScalingModel {
  readonly updateMs: number;
  now(): number;
  split(streamName: string, shardId: string, newStartingHashKey: string): unknown;
  merge(streamName: string, shardId: string, adjacentShardId: string): string;
}

const hashKeys = 2n ** 128n;

/** Throws the service's error unless the stream is ACTIVE: no two changes of its shards run at a time. */
export function requireActive(stream: ScriptedStream): void {
  if (stream.status !== 'ACTIVE')
    throw new AwsAnswerError('ResourceInUseException', `Stream ${stream.name} is ${stream.status}, not ACTIVE.`);
}

/** The stream is UPDATING from now on, for as long as the options say. */
export function beginUpdate(model: Pick<ScalingModel, 'now' | 'updateMs'>, stream: ScriptedStream): void {
  if (model.updateMs === 0) return;
  stream.status = 'UPDATING';
  stream.updatingUntil = model.now() + model.updateMs;
}

/** Does what is due: an update that is over, a stream that scales by itself. */
export function settle(model: ScalingModel, stream: ScriptedStream): void {
  const now = model.now();
  if (stream.updatingUntil !== undefined && stream.updatingUntil <= now) {
    delete stream.updatingUntil;
    if (stream.status === 'UPDATING') stream.status = 'ACTIVE';
  }
  while (stream.scalings[0] !== undefined && stream.scalings[0].at <= now) {
    const { shards } = stream.scalings.shift()!;
    scaleTo(model, stream, shards);
  }
}

/** UpdateShardCount. */
export function updateShardCount(
  model: ScalingModel,
  stream: ScriptedStream,
  input: Readonly<Record<string, unknown>>,
): object {
  if (stream.mode === 'ON_DEMAND')
    throw new AwsAnswerError('ValidationException', `Stream ${stream.name} is on-demand: it scales by itself.`);
  requireActive(stream);

  const current = openShards(stream).length;
  const target = Number(input['TargetShardCount']);
  if (!Number.isInteger(target) || target < 1) throw invalidArgument('TargetShardCount must be 1 or more.');
  if (input['ScalingType'] !== 'UNIFORM_SCALING') throw invalidArgument('ScalingType must be UNIFORM_SCALING.');
  if (target > current * 2 || target * 2 < current)
    throw invalidArgument(
      `UpdateShardCount cannot scale to more than double or less than half of the open shards: ${current} now, ${target} wanted.`,
    );

  scaleTo(model, stream, target);
  return {
    StreamName: stream.name,
    StreamARN: stream.arn,
    CurrentShardCount: current,
    TargetShardCount: target,
  };
}

/**
 * Splits and merges until the stream has `target` open shards of the same width. As on AWS a shard may open and close again on the
 * way, without a record.
 */
function scaleTo(model: ScalingModel, stream: ScriptedStream, target: number): void {
  beginUpdate(model, stream);
  const width = hashKeys / BigInt(target);
  const starts = Array.from({ length: target }, (_, index) => BigInt(index) * width);

  for (const start of starts) {
    const crossed = openShards(stream).find((one) => one.startingHashKey < start && start <= one.endingHashKey);
    if (crossed !== undefined) model.split(stream.name, crossed.shardId, String(start));
  }

  const parts = openShards(stream).toSorted(byHashKey);
  for (const [index, start] of starts.entries()) {
    const end = starts[index + 1] ?? hashKeys;
    const inside = parts.filter((one) => start <= one.startingHashKey && one.startingHashKey < end);
    inside.map((one) => one.shardId).reduce((merged, next) => model.merge(stream.name, merged, next));
  }
}

const byHashKey = (a: ScriptedShard, b: ScriptedShard): number => (a.startingHashKey < b.startingHashKey ? -1 : 1);
