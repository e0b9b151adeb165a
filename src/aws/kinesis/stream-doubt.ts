// Checks whether the stream is still the one that a lease row belongs to, before any record of a chain or a subscription is read.
// Invariant: what a reader has when it asks, an iterator or a subscription, belongs to that stream if the answer has no doubt. So a
// reader first begins a chain and then asks. Called by polling-step.ts and subscription-follower.ts.
import { isSameStream, streamIdentityOf } from '../../core/stream-identity.js';
import type { LeasedRead, StreamDescription } from '../../api/ports.js';
import { streamChanged } from '../../api/stream-changed.js';
import type { AwsFailure } from '../aws-errors.js';
import type { ReaderContext } from './polled-service.js';
import { judgeLateStart, type Progress } from './reading-progress.js';
import type { StreamNames } from './kinesis-client.js';
import { failureOf } from './shard-iterator.js';
import type { Ask } from '../shared-request.js';

export interface DoubtfulRead {
  readonly names: StreamNames;
  readonly shardId: string;
  readonly lease: LeasedRead | undefined;
  readonly describe: Ask<StreamDescription>;
  readonly signal: AbortSignal;
  /** Gets the description, if there is no doubt. */
  readonly onDescription?: (description: StreamDescription) => void;
}

/**
 * The doubt about what has just begun: a chain of iterators, or a subscription. The same answer shows whether records of a start time
 * may have expired.
 */
export function chainDoubt(reader: ReaderContext, progress: Progress): Promise<AwsFailure | undefined> {
  const onDescription = (description: StreamDescription): void => {
    if (!judgeLateStart(progress, reader.start, description)) return;
    reader.notice({ type: 'trimmed', shardId: reader.shardId, certain: false });
  };
  return streamDoubt({ ...reader, onDescription });
}

/** Why nothing may be read now: the stream is not the one that the lease row belongs to, or its identity is unknown. */
export async function streamDoubt(read: DoubtfulRead, known?: StreamDescription): Promise<AwsFailure | undefined> {
  const rowStream = read.lease?.stream;
  if (rowStream === undefined) return undefined;
  try {
    const description = known ?? (await read.describe(read.signal));
    const liveStream = streamIdentityOf(description);
    if (isSameStream(rowStream, liveStream)) {
      read.onDescription?.(description);
      return undefined;
    }

    const { names, shardId, lease } = read;
    const { table, multiStream } = lease as LeasedRead;
    const evidence = `${shardId} has a lease of the former`;
    const difference = {
      stream: names.StreamARN ?? names.StreamName,
      table,
      multiStream,
      rowStream,
      liveStream,
      evidence,
    };
    const error = streamChanged(difference, { shardId });
    return { kind: 'other', error, outcomeUnknown: false };
  } catch (thrown) {
    return failureOf(thrown, 'DescribeStreamSummary');
  }
}
