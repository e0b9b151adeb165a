// Finds rows that have ended although their stream lists the shard as open: no worker will ever read that shard. For `kinact
// leases`; a running consumer finds them by itself (`leaseContradiction`). As there, two listings a minute apart must agree,
// because a listing may be older than the row. If the first shows no open shard, there is no wait.
import { kinesisSource } from '../aws/kinesis/kinesis-source.js';
import type { LeaseRow } from '../core/lease.js';
import { hasEnded } from '../core/shard-graph.js';
import { arnOf, isSameStream, streamIdentityOf } from '../core/stream-identity.js';
import { KinactError } from '../api/errors.js';
import type { StreamSource } from '../api/ports.js';
import type { Environment } from '../api/source.js';
import { errorLine } from './command.js';

/** The same as in the coordinator. */
const believedAfterMs = 60_000;
const requestTimeoutMs = 5_000;

export interface Contradictions {
  readonly leaseKeys: ReadonlySet<string>;
  /** Why some streams could not be asked. */
  readonly unasked: readonly string[];
}

interface AskedStream {
  readonly streamArn: string;
  readonly source: StreamSource;
  /** Ended rows; after a listing, only those of shards that are listed as open. */
  suspects: readonly LeaseRow[];
}

/**
 * Asks the streams that ended rows name by ARN, and skips rows without one. Tells `say` why the wait takes a minute. Never
 * rejects.
 */
export async function findContradictions(
  rows: readonly LeaseRow[],
  environment: Environment,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<Contradictions> {
  const unasked: string[] = [];
  const asked = suspectsByStream(rows, environment);

  const narrow = async (): Promise<void> => {
    await Promise.all(
      asked.map(async (each) => {
        try {
          if (each.suspects.length > 0) each.suspects = await stillOpen(each, signal);
        } catch (error) {
          unasked.push(`cannot tell if shards of ${each.streamArn} are open: ${errorLine(error)}`);
          each.suspects = [];
        }
      }),
    );
  };
  try {
    await narrow();
    const suspects = asked.flatMap((each) => each.suspects.map(({ leaseKey }) => leaseKey));
    if (suspects.length > 0) {
      const subject = suspects.length === 1 ? `lease ${suspects[0]} has ended` : `${suspects.length} leases have ended`;
      say(
        `${subject}, but the stream lists the shard as open; a listing may be old, so a second follows in ${believedAfterMs / 1_000} s`,
      );
      await new Promise<void>((resolve) => void environment.timers.after(believedAfterMs, resolve));
      await narrow();
    }
  } finally {
    for (const { source } of asked) source.close();
  }
  return { leaseKeys: new Set(asked.flatMap(({ suspects }) => suspects.map(({ leaseKey }) => leaseKey))), unasked };
}

function suspectsByStream(rows: readonly LeaseRow[], environment: Environment): readonly AskedStream[] {
  const byArn = new Map<string, LeaseRow[]>();
  for (const row of rows) {
    if (row.kinactStream === undefined || !hasEnded(row)) continue;
    const arn = arnOf(row.kinactStream);
    byArn.set(arn, [...(byArn.get(arn) ?? []), row]);
  }
  return [...byArn].flatMap(([streamArn, suspects]) => {
    try {
      return [{ streamArn, source: kinesisSource({ streamArn, requestTimeoutMs }, environment), suspects }];
    } catch {
      // The row may contain any text as its ARN.
      return [];
    }
  });
}

/** The suspects that are open. Rows of an earlier stream of that name are left out: a consumer reports those at its start. */
async function stillOpen(
  { streamArn, source, suspects }: AskedStream,
  signal: AbortSignal,
): Promise<readonly LeaseRow[]> {
  const description = await source.describe(signal);
  // A stream that is being deleted still lists its shards.
  if (description.status === 'DELETING')
    throw new KinactError('STREAM_NOT_FOUND', `Stream ${streamArn} is being deleted.`);
  const identity = streamIdentityOf(description);
  const own = suspects.filter(({ kinactStream = '' }) => isSameStream(kinactStream, identity));
  if (own.length === 0) return [];

  const { shards } = await source.listShards({ type: 'all' }, signal);
  const open = new Set(shards.flatMap((shard) => (shard.endingSequenceNumber === undefined ? [shard.shardId] : [])));
  return own.filter((row) => open.has(row.shardId ?? row.leaseKey));
}
