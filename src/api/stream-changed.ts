// Makes STREAM_CHANGED, the error for lease rows that belong to another stream than the one being read. Also makes the `kinact reset`
// command that the error recommends. Start, shard sync, readers and keepers report the error in the same words: both streams, and
// what to do.
import { arnOf, isTableStream, originOf, readableIdentity } from '../core/stream-identity.js';
import { KinactError } from './errors.js';

export interface StreamDifference {
  /** The source's name: the stream's name or ARN as configured. */
  readonly stream: string;
  /**
   * The region, if it was configured beside the name. The recommended command then names the stream by its ARN, because the
   * command line looks up a name in the region of the AWS environment.
   */
  readonly region?: string | undefined;
  /** The lease table, if known. */
  readonly table?: string | undefined;
  /** Whether the table has the rows of several streams. Then their keys differ, and no second application is needed. */
  readonly multiStream?: boolean | undefined;
  /** Identity in the rows, as `streamIdentityOf` writes it; undefined if a row proves the difference without naming its stream. */
  readonly rowStream: string | undefined;
  /** Identity of the stream that the service has under this name now. */
  readonly liveStream: string;
  /** The evidence, as a sentence without a full stop: "row shardId-… stands at 49…, before the first record of its shard". */
  readonly evidence: string;
}

/** Makes STREAM_CHANGED. It is never retryable: no row was changed, and the stream is not read further. */
export function streamChanged(difference: StreamDifference, about: { readonly shardId?: string } = {}): KinactError {
  const { stream, table, rowStream, liveStream, evidence } = difference;
  const rows = table === undefined ? 'The lease rows' : `The rows of lease table '${table}'`;
  const was = rowStream === undefined ? 'another stream of this name' : readableIdentity(rowStream);
  return new KinactError(
    'STREAM_CHANGED',
    `${rows} belong to ${was}; stream '${stream}' is ${readableIdentity(liveStream)} now (${evidence}). Their checkpoints are invalid here, so the stream is not read and no row is changed. ${wayOut(difference)}`,
    {
      data: {
        stream,
        liveStream,
        ...(rowStream === undefined ? {} : { rowStream }),
        ...(table === undefined ? {} : { table }),
        ...about,
      },
    },
  );
}

/** A stream that is made again keeps its origin. So if the rows name another one, there are two streams. */
function wayOut({ multiStream = false, rowStream, liveStream, ...target }: StreamDifference): string {
  const choice = '(or LATEST, or a time; this prints the plan, --yes applies it)';
  const command = (stream: string): string => `${resetCommand({ ...target, stream, liveStream })} ${choice}`;
  const again = isTableStream(liveStream)
    ? "If the table's stream was disabled and enabled again"
    : 'If it was created again';
  const advice = `${again}, stop all workers of the application and set where they begin: ${command(target.stream)}`;

  if (rowStream === undefined || originOf(rowStream) === originOf(liveStream)) {
    const unsure = rowStream === undefined && !multiStream;
    return unsure ? `${advice}. If these are two streams, give each its own application name` : advice;
  }
  const apart = multiStream ? '' : ': give each its own application name';
  return `These are two streams${apart}. To use the rows for this stream instead, stop all workers of the application and run: ${command(arnOf(liveStream))}`;
}

export interface ResetTarget {
  /** The source's name: the stream's name or ARN as configured. */
  readonly stream: string;
  /** The region, if it was configured beside the name. */
  readonly region?: string | undefined;
  readonly table?: string | undefined;
  /** Identity of the stream, as `streamIdentityOf` writes it. */
  readonly liveStream: string;
  readonly shardId?: string;
}

/** The `kinact reset` command, ready to paste. It names the stream by ARN if the command line would not find it by name. */
export function resetCommand({ stream, region, table = 'APPLICATION', liveStream, shardId }: ResetTarget): string {
  const name = region === undefined ? stream : arnOf(liveStream);
  const option = isTableStream(liveStream) ? '--table' : '--stream';
  const only = shardId === undefined ? '' : ` --shard ${shardId}`;
  return `kinact reset --application ${table} ${option} ${name}${only} --to TRIM_HORIZON`;
}
