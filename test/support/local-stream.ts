// A test's operations on a stream of a local server. They use the SDK itself, not code of ours.
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import type { LocalClientConfig } from '../../src/testing/local-servers.js';

export interface StoredRecord {
  readonly partitionKey: string;
  readonly sequenceNumber: string;
  readonly data: Buffer;
}

export class LocalStream {
  readonly client: KinesisClient;
  readonly name: string;

  constructor(config: LocalClientConfig, name: string) {
    this.client = new KinesisClient(config);
    this.name = name;
  }

  async create(shards: number): Promise<void> {
    await this.client.send(new CreateStreamCommand({ StreamName: this.name, ShardCount: shards }));
    await this.active();
  }

  /** Polls until the stream is ACTIVE, because the server does not report this in any other way. */
  async active(): Promise<void> {
    for (;;) {
      const { StreamDescription: of } = await this.client.send(new DescribeStreamCommand({ StreamName: this.name }));
      if (of?.StreamStatus === 'ACTIVE') return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async shards(): Promise<readonly Shard[]> {
    return (await this.client.send(new ListShardsCommand({ StreamName: this.name }))).Shards ?? [];
  }

  async put(records: readonly { readonly key: string; readonly data: string | Uint8Array }[]): Promise<void> {
    for (let at = 0; at < records.length; at += 500) {
      const Records = records
        .slice(at, at + 500)
        .map(({ key, data }) => ({ PartitionKey: key, Data: typeof data === 'string' ? Buffer.from(data) : data }));
      const { FailedRecordCount } = await this.client.send(new PutRecordsCommand({ StreamName: this.name, Records }));
      if (FailedRecordCount !== 0) throw new Error(`${String(FailedRecordCount)} records failed`);
    }
  }

  async split(shardId: string): Promise<void> {
    const shard = (await this.shards()).find((each) => each.ShardId === shardId);
    const { StartingHashKey = '0', EndingHashKey = '0' } = shard?.HashKeyRange ?? {};
    const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n + 1n;
    const input = { StreamName: this.name, ShardToSplit: shardId, NewStartingHashKey: middle.toString() };
    await this.client.send(new SplitShardCommand(input));
    await this.active();
  }

  async merge(first: string, second: string): Promise<void> {
    const input = { StreamName: this.name, ShardToMerge: first, AdjacentShardToMerge: second };
    await this.client.send(new MergeShardsCommand(input));
    await this.active();
  }

  /** All records in the stream, by shard. */
  async read(): Promise<Map<string, StoredRecord[]>> {
    const found = new Map<string, StoredRecord[]>();
    for (const { ShardId = '' } of await this.shards()) {
      const records: StoredRecord[] = [];
      const input = { StreamName: this.name, ShardId, ShardIteratorType: 'TRIM_HORIZON' as const };
      let iterator = (await this.client.send(new GetShardIteratorCommand(input))).ShardIterator;
      while (iterator !== undefined) {
        const page = await this.client.send(new GetRecordsCommand({ ShardIterator: iterator }));
        for (const { PartitionKey = '', SequenceNumber = '', Data } of page.Records ?? [])
          records.push({ partitionKey: PartitionKey, sequenceNumber: SequenceNumber, data: Buffer.from(Data!) });
        if ((page.Records ?? []).length === 0) break;
        iterator = page.NextShardIterator;
      }
      found.set(ShardId, records);
    }
    return found;
  }

  close(): void {
    this.client.destroy();
  }
}
