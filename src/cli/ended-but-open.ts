// Ended rows of shards that their stream still lists as open: nobody will ever read those again. For `kinact leases`; a running
// consumer finds them by itself (`leaseContradiction`).
import { kinesisPollingSource } from '../aws/kinesis-polling.js';
import type { LeaseRow } from '../core/lease.js';
import { hasEnded } from '../core/shard-graph.js';
import { isSameStream, streamIdentityOf } from '../core/stream-identity.js';
import type { World } from '../source.js';
import { errorLine } from './command.js';

/** A listing may be older than the row. */
const apartMs = 2_000;
const requestTimeoutMs = 5_000;

export interface EndedButOpen {
  readonly leaseKeys: ReadonlySet<string>;
  /** Of streams that could not be asked: why. */
  readonly unasked: readonly string[];
}

/** Asks the streams that ended rows name, by their ARN. Rows that name none are passed over. Never rejects. */
export async function endedButOpen(
  rows: readonly LeaseRow[],
  world: World,
  signal: AbortSignal,
): Promise<EndedButOpen> {
  const byArn = new Map<string, LeaseRow[]>();
  for (const row of rows) {
    const arn = row.kinactStream?.split('#')[0];
    if (arn !== undefined && hasEnded(row)) byArn.set(arn, [...(byArn.get(arn) ?? []), row]);
  }
  const leaseKeys = new Set<string>();
  const unasked: string[] = [];
  for (const [streamArn, ended] of byArn) {
    try {
      for (const leaseKey of await contradicting(streamArn, ended, world, signal)) leaseKeys.add(leaseKey);
    } catch (error) {
      unasked.push(`whether shards of ${streamArn} are open is not known: ${errorLine(error)}`);
    }
  }
  return { leaseKeys, unasked };
}

async function contradicting(
  streamArn: string,
  ended: readonly LeaseRow[],
  world: World,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const source = kinesisPollingSource({ streamArn, requestTimeoutMs }, world);
  const stillOpen = async (among: readonly LeaseRow[]): Promise<readonly LeaseRow[]> => {
    const { shards } = await source.listShards({ type: 'all' }, signal);
    const open = new Set(shards.flatMap((shard) => (shard.endingSequenceNumber === undefined ? [shard.shardId] : [])));
    return among.filter((row) => open.has(row.shardId ?? row.leaseKey));
  };
  try {
    const identity = streamIdentityOf(await source.describe(signal));
    // A row of an earlier stream of that name is another matter, which a consumer says at its start.
    const own = ended.filter(({ kinactStream }) => kinactStream !== undefined && isSameStream(kinactStream, identity));
    const suspects = await stillOpen(own);
    if (suspects.length === 0) return [];
    await new Promise<void>((resolve) => void world.timers.after(apartMs, resolve));
    return (await stillOpen(suspects)).map(({ leaseKey }) => leaseKey);
  } finally {
    source.close();
  }
}
