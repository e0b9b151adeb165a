// `kinact tail`: writes user records, or the changes of a table, as JSON lines to stdout: from the whole stream or as a member of an
// application.
import type { InitialPosition } from '../core/position.js';
import {
  applicationOf,
  pastTime,
  readOptions,
  say,
  streamOf,
  timeExpected,
  timeOf,
  UsageError,
  type Command,
  type CommandIo,
} from './command.js';
import { idleMsOf, watchOf, type TailRequest } from './idle-watch.js';
import { retryReporter } from './retry-report.js';
import { isClosedPipe, lineWriter } from './record-lines.js';
import { sourceOf } from './table-reference.js';
import { tailApplication } from './tail-application.js';
import { tailOrigin } from './tail-origin.js';
import { tailStream } from './tail-stream.js';
import { hostEnvironment } from '../consumer/host-environment.js';

export const tail: Command = {
  usage: `Usage: kinact tail --stream S|--table T [--application A] [--from TRIM_HORIZON|LATEST|ISO] [--text]
                   [--until-idle MS]

Writes every user record as one JSON line on stdout, the records of a key in their order:
{"shardId","sequenceNumber","subSequenceNumber","partitionKey","arrivedAt","data"}. subSequenceNumber is null for a
plain record, partitionKey for a record without one. arrivedAt is when Kinesis received the record (ISO 8601, UTC), or null.

With --table, every change of a DynamoDB table, the changes of an item in their order:
{"shardId","sequenceNumber","eventName","at","keys","newImage","oldImage"}, with "principalId" for a removal by TTL. Images
that the stream does not have are left out. Sets are arrays, binary is base64, a number that JavaScript cannot hold is text.

  --stream S        the stream, by name or ARN. With an ARN, stream and leases are in its region
  --table T         the DynamoDB table, by name, or one of its streams by ARN. It needs @aws-sdk/client-dynamodb-streams
  --application A   as a member of this application: leases, balance, and checkpoints of what was written
  --from P          where to begin on shards without a checkpoint: TRIM_HORIZON (default), LATEST, and with --stream a date
                    (midnight UTC), or a time with its zone: 2026-01-31T12:00:00Z, or +01:00 for Z
  --text            data as UTF-8 text instead of base64; with --stream
  --until-idle MS   end with exit code 0 once no shard has given a record for MS milliseconds

SIGTERM, SIGINT and a closed pipe end it cleanly, with exit code 0 (1 where a lease of --application could not be given
back). A signal that comes more than 2 s after the first ends it at once.
`,
  handlesSignals: true,
  async run(args, io) {
    const options = readOptions(args, {
      stream: 'string',
      table: 'string',
      application: 'string',
      from: 'string',
      text: 'boolean',
      'until-idle': 'string',
    });
    const reference = sourceOf(options, streamOf);
    if (reference === undefined) throw new UsageError('--stream or --table is missing');
    if (options.table !== undefined && options.text) throw new UsageError('--text goes with --stream');
    const from = fromOf(options.from, hostEnvironment.clock.wallNow());
    if (options.table !== undefined && from instanceof Date)
      throw new UsageError(`--from: expected TRIM_HORIZON or LATEST with --table, got '${options.from}'`);

    const request: TailRequest = {
      origin: tailOrigin(reference, options.text),
      from,
      untilIdleMs: idleOf(options['until-idle']),
    };
    if (options.application === undefined) return tailWhole(request, io);
    return tailApplication(applicationOf(options.application), request, io);
  },
};

async function tailWhole(request: TailRequest, io: CommandIo): Promise<number> {
  const writer = lineWriter(io.stdout);
  const watch = watchOf(request, writer, 0);
  const polled = request.origin.open(idleMsOf(request));

  const tell = (text: string): void => say(io, text);
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  void watch?.idle.then(() => stop.abort());

  try {
    await tailStream({
      ...request,
      ...hostEnvironment,
      source: watch?.observe(polled) ?? polled,
      writer,
      signal,
      say: tell,
      reportRetry: retryReporter(tell, hostEnvironment.clock),
    });
    return 0;
  } catch (error) {
    if (isClosedPipe(error)) return 0;
    throw error;
  } finally {
    polled.close();
  }
}

function fromOf(text: string | undefined, nowMs: number): InitialPosition {
  if (text === undefined || text === 'TRIM_HORIZON' || text === 'LATEST') return text ?? 'TRIM_HORIZON';
  const at = timeOf(text);
  if (at === undefined) throw new UsageError(`--from: expected TRIM_HORIZON, LATEST, ${timeExpected}, got '${text}'`);
  return pastTime(at, text, '--from', nowMs);
}

function idleOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new UsageError(`--until-idle: expected milliseconds, 1 to 999999999, got '${text}'`);
  return Number(text);
}
