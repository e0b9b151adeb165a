// The options of the sinks for parked items, as tables. src/parking uses them.
import { kinesisStreamTable, placedStream } from './kinesis-stream-option-table.js';
import { defaulting, integer, required, resolveTable, text, type Resolved } from './option-table.js';

export const fileSinkTable = {
  path: required(
    text('path of a folder', /^[^\0]+$/, 'a path'),
    'The folder that gets the files. It is created if it is missing, with its parents. Put it on a disk that outlives the process.',
    "'/var/lib/orders/parked'",
  ),
  maxBytes: defaulting(
    integer(1),
    1024 ** 3,
    'How many bytes the folder may hold, in all its files, those of other processes too. An item that would pass this bound is not parked: the call rejects with PARKING_FAILED.',
    '10 * 1024 ** 3',
  ),
  maxFileBytes: defaulting(
    integer(1),
    64 * 1024 ** 2,
    'A new file begins before a file would pass this size. No file is ever deleted. An item that is larger gets a file for itself.',
    '256 * 1024 ** 2',
  ),
};

const { streamName, streamArn, region, client } = kinesisStreamTable;

export const kinesisSinkTable = { streamName, streamArn, region, client };

export type ResolvedKinesisSink = Resolved<typeof kinesisSinkTable> & {
  /** The ARN of the stream if configured, otherwise its name. */
  readonly name: string;
};

/** Throws INVALID_OPTION naming path, expected and got. */
export function resolveKinesisSink(options: unknown): ResolvedKinesisSink {
  const resolved = resolveTable(kinesisSinkTable, options, 'kinesisSink');
  return Object.freeze({ ...resolved, ...placedStream(resolved, 'kinesisSink') });
}
