// What an example of both kinds of streams needs: a Kinesis stream, a table with a stream, and a server for the lease tables. It sets the
// environment by which kinact finds them.
import { CreateStreamCommand, KinesisClient, PutRecordsCommand, waitUntilStreamExists } from '@aws-sdk/client-kinesis';
import { scriptedServer, startLocalServers } from 'kinact/testing';

type Attributes = Parameters<Awaited<ReturnType<typeof scriptedServer>>['tables']['put']>[1];

export interface LocalBoth extends AsyncDisposable {
  putRecords(records: readonly { readonly key: string; readonly data: string }[]): Promise<void>;
  putItem(item: Attributes): void;
  /** Closes the open shards of the table's stream, and opens a child of each. */
  rollShards(): void;
}

export async function localBoth(streamName: string, tableName: string): Promise<LocalBoth> {
  const servers = await startLocalServers();
  const server = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
  server.tables.createTable(tableName);
  process.env['AWS_ENDPOINT_URL'] = server.url;
  process.env['AWS_ENDPOINT_URL_KINESIS'] = servers.kinesis;
  process.env['AWS_REGION'] = 'us-east-1';
  process.env['AWS_ACCESS_KEY_ID'] = 'local';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
  const client = new KinesisClient(servers.clientConfig.kinesis);
  await client.send(new CreateStreamCommand({ StreamName: streamName, ShardCount: 2 }));
  await waitUntilStreamExists({ client, maxWaitTime: 10, minDelay: 1 }, { StreamName: streamName });
  return {
    putRecords: async (records) => {
      const Records = records.map(({ key, data }) => ({ PartitionKey: key, Data: Buffer.from(data) }));
      await client.send(new PutRecordsCommand({ StreamName: streamName, Records }));
    },
    putItem: (item) => server.tables.put(tableName, item),
    rollShards: () => void server.tables.rollShard(tableName),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.stop();
      await servers.stop();
    },
  };
}
