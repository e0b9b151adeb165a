// Creates and reshards a stream for the demo, which needs a stream of its own on local servers. A consumer never does this.
import { CreateStreamCommand, DescribeStreamSummaryCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { HASH_KEY_DIGITS, readDecimal } from '../../core/decimal.js';
import type { Shard } from '../../api/ports.js';
import type { Environment } from '../../api/source.js';
import { withRetry } from '../retry.js';
import { createKinesisClient, kinesisCaller } from './kinesis-client.js';
import { listShards } from './stream-listing.js';

export interface StreamAdmin {
  /** Creates the stream and waits until it is ACTIVE. */
  create(shardCount: number): Promise<void>;
  /** All shards, closed ones included. */
  shards(): Promise<readonly Shard[]>;
  /** Splits an open shard in its middle and waits until the stream is ACTIVE again; resolves to the children's ids. */
  split(shardId: string): Promise<readonly string[]>;
  close(): void;
}

const pollMs = 50;
/** How long a description or listing is retried while its failure is temporary (a lost connection). */
const retryForMs = 10_000;

export function streamAdmin(streamName: string, environment: Environment, signal: AbortSignal): StreamAdmin {
  const requestTimeoutMs = 5_000;
  const client = createKinesisClient({ requestTimeoutMs });
  const caller = kinesisCaller({ client, stream: streamName, requestTimeoutMs, ...environment });
  const StreamName = streamName;
  const retry = { ...environment, retryForMs, name: `the stream ${streamName}` };
  const look = <Result>(call: () => Promise<Result>): Promise<Result> => withRetry(retry, call, signal);

  const active = async (): Promise<void> => {
    for (;;) {
      const command = new DescribeStreamSummaryCommand({ StreamName });
      const { output } = await look(() => caller.call(command, { operation: 'DescribeStreamSummary' }, signal));
      if (output.StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
      await new Promise<void>((resolve) => environment.timers.after(pollMs, resolve));
    }
  };
  const shards = async (): Promise<readonly Shard[]> =>
    (await look(() => listShards(caller, { StreamName }, { type: 'all' }, signal))).shards;

  return {
    shards,
    async create(ShardCount) {
      await caller.call(new CreateStreamCommand({ StreamName, ShardCount }), { operation: 'CreateStream' }, signal);
      await active();
    },
    async split(shardId) {
      const range = (await shards()).find((shard) => shard.shardId === shardId)?.hashKeyRange;
      const [start = 0n, end = 0n] = [range?.startingHashKey, range?.endingHashKey].map((text = '0') =>
        readDecimal(text, HASH_KEY_DIGITS),
      );
      const NewStartingHashKey = ((start + end) / 2n + 1n).toString();
      const command = new SplitShardCommand({ StreamName, ShardToSplit: shardId, NewStartingHashKey });
      await caller.call(command, { operation: 'SplitShard' }, signal);
      await active();
      return (await shards()).filter((shard) => shard.parentShardId === shardId).map((child) => child.shardId);
    },
    close: () => client.destroy(),
  };
}
