// What every example needs: real local servers, streams on them, and the environment by which kinact finds them.
import { CreateStreamCommand, KinesisClient, PutRecordsCommand, waitUntilStreamExists } from '@aws-sdk/client-kinesis';
import { startLocalServers } from 'kinact/testing';

export interface LocalStreams extends AsyncDisposable {
  put(streamName: string, records: readonly { readonly key: string; readonly data: string }[]): Promise<void>;
}

export async function localStreams(...streamNames: readonly string[]): Promise<LocalStreams> {
  const servers = await startLocalServers();
  process.env['AWS_ENDPOINT_URL_KINESIS'] = servers.kinesis;
  process.env['AWS_ENDPOINT_URL_DYNAMODB'] = servers.dynamodb;
  process.env['AWS_REGION'] = 'us-east-1';
  process.env['AWS_ACCESS_KEY_ID'] = 'local';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
  const client = new KinesisClient(servers.clientConfig.kinesis);
  for (const StreamName of streamNames) {
    await client.send(new CreateStreamCommand({ StreamName, ShardCount: 2 }));
    await waitUntilStreamExists({ client, maxWaitTime: 10, minDelay: 1 }, { StreamName });
  }
  return {
    put: async (StreamName, records) => {
      for (let from = 0; from < records.length; from += 500) {
        const Records = records
          .slice(from, from + 500)
          .map(({ key, data }) => ({ PartitionKey: key, Data: Buffer.from(data) }));
        await client.send(new PutRecordsCommand({ StreamName, Records }));
      }
    },
    [Symbol.asyncDispose]: () => servers.stop(),
  };
}
