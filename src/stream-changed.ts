// The error of a stream that is not the one its lease rows were made for: whoever finds the difference (start, shard sync,
// a reader or keeper) says it in the same words, with both streams and the way out.
import { createdAt } from './core/stream-identity.js';
import { KinactError } from './errors.js';

export interface StreamDifference {
  /** The source's name. */
  readonly stream: string;
  /** The lease table, where it is known. */
  readonly table?: string | undefined;
  /** Whether the table has the rows of several streams: their names are apart in it, no second application is needed. */
  readonly multiStream?: boolean | undefined;
  /** Identity in the rows, as `streamIdentityOf` writes it; undefined where a row proves the difference without naming its stream. */
  readonly rowStream: string | undefined;
  /** Identity of the stream that the service has under this name now. */
  readonly liveStream: string;
  /** What shows it, as a sentence without a full stop: "row shardId-… stands at 49…, before the first record of its shard". */
  readonly evidence: string;
}

/** STREAM_CHANGED, never retryable: no row was changed, nothing more is read. */
export function streamChanged(difference: StreamDifference, about: { readonly shardId?: string } = {}): KinactError {
  const { stream, table, multiStream = false, rowStream, liveStream, evidence } = difference;
  const rows = table === undefined ? 'The lease rows' : `The rows of lease table '${table}'`;
  const was = rowStream === undefined ? 'another stream of this name' : named(rowStream);
  const command = `kinact reset --application ${table ?? 'APPLICATION'} --stream ${stream} --to TRIM_HORIZON`;
  const apart = multiStream ? '' : '. If these are two streams, give each its own application name';
  return new KinactError(
    'STREAM_CHANGED',
    `${rows} belong to ${was}; stream '${stream}' is ${named(liveStream)} now (${evidence}). Their checkpoints mean nothing here, so nothing of it is read and no row is changed. If it was created anew, stop all workers of the application and say where they are to begin: ${command} (or LATEST, or a time; it prints what it would do, --yes does it)${apart}`,
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

function named(identity: string): string {
  const created = createdAt(identity);
  return created === undefined ? identity : `${identity} (created ${created})`;
}
