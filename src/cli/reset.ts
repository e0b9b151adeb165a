// `kinact reset`: sets in the lease rows where an application begins to read a stream. This file reads the command line;
// reset-run.ts does the work, by the plan of src/core/reset-plan.ts.
import { openLeaseRewriter } from '../aws/dynamodb/lease-rewriter.js';
import { applicationOf, readOptions, required, say, streamOf, UsageError, type Command } from './command.js';
import { positionOf, shardArguments } from './reset-arguments.js';
import { retryReporter } from './retry-report.js';
import { minWatchMs, runReset, type ResetRequest } from './reset-run.js';
import { openSource, sourceOf } from './table-reference.js';
import { hostEnvironment } from '../consumer/host-environment.js';

export const reset: Command = {
  usage: `Usage: kinact reset --application A [--stream S|--table T] [--shard ID...] --to TRIM_HORIZON|LATEST|ISO|SEQUENCE_NUMBER
                    [--failover-ms MS] [--yes]

Sets where an application begins on a stream: after the stream was deleted and created again, after the stream of a table was
disabled and enabled again, or to read a part of it again.
Stop the application first. Without --yes it only prints what it would do to each lease row.

  --application A   the application, which is the name of its lease table
  --stream S        the stream, by name or ARN. It may be left out where the rows name one stream only. With an ARN, stream
                    and table are in its region, and rows of another stream are rewritten too
  --table T         for an application that reads the changes of a DynamoDB table: the table by name, or one of its streams by
                    ARN. Rows of the table's former streams become rows of the stream that it has now
  --shard ID...     these shards only; default: all of the stream. Rows of shards that the stream does not have are removed
  --to P            where to begin: TRIM_HORIZON, LATEST (now), a date (midnight UTC), or a time with its zone, such as
                    2026-01-31T12:00:00Z. The row has a time as LATEST from that time on. With one --shard, P may also be
                    a sequence number: reading begins after that record
  --failover-ms MS  the application's leases.failoverMs, if it is above 30000 and rows do not say it (a Java worker's do
                    not): counters are watched for that long
  --yes             do it. Nothing is written when a worker holds one of the leases
`,
  handlesSignals: false,
  async run(args, io) {
    const { shards, rest } = shardArguments(args);
    const options = readOptions(rest, {
      application: 'string',
      stream: 'string',
      table: 'string',
      to: 'string',
      'failover-ms': 'string',
      yes: 'boolean',
    });

    const failover = options['failover-ms'] ?? '0';
    if (!/^\d{1,9}$/.test(failover)) throw new UsageError(`--failover-ms: expected milliseconds, got '${failover}'`);
    const onRetry = retryReporter((text) => say(io, text), hostEnvironment.clock);

    const request: ResetRequest = {
      tableName: applicationOf(required(options.application, 'application')),
      stream: sourceOf(options, streamOf),
      only: shards,
      to: positionOf(required(options.to, 'to'), hostEnvironment.clock.wallNow()),
      watchMs: Math.max(minWatchMs, Number(failover)),
      yes: options.yes,
      retry: { ...hostEnvironment, retryForMs: 20_000, name: 'the stream', onRetry },
    };

    if (request.to.type === 'after' && shards?.size !== 1)
      throw new UsageError('--to: a sequence number belongs to one shard, so give one --shard');

    // As in a consumer: if the stream is given by ARN, the lease table is in the ARN's region.
    const region = request.stream?.streamArn?.split(':')[3];
    const table = openLeaseRewriter({ tableName: request.tableName, region, ...hostEnvironment, onRetry });
    try {
      return await runReset(
        request,
        { environment: hostEnvironment, table, open: (stream) => openSource(stream, hostEnvironment) },
        io,
      );
    } finally {
      table.close();
    }
  },
};
