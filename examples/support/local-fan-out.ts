// What the example of enhanced fan-out needs: a stream in the scripted server, which pushes records over HTTP/2 as AWS does, and a local
// server for the lease table. It also sets the environment by which kinact finds both.
import { DeregisterStreamConsumerCommand, KinesisClient, ListStreamConsumersCommand } from '@aws-sdk/client-kinesis';
import { scriptedServer, startLocalServers } from 'kinact/testing';

export interface LocalFanOut extends AsyncDisposable {
  put(key: string, data: string): void;
  /** The names of the stream's registered consumers. */
  consumers(): Promise<readonly string[]>;
  /** As `aws kinesis deregister-stream-consumer`. */
  deregister(consumerName: string): Promise<void>;
}

export async function localFanOut(streamName: string, shards: number): Promise<LocalFanOut> {
  const servers = await startLocalServers();
  const server = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
  const { arn: StreamARN } = server.kinesis.createStream(streamName, shards);
  process.env['AWS_ENDPOINT_URL'] = server.url;
  process.env['AWS_REGION'] = 'us-east-1';
  process.env['AWS_ACCESS_KEY_ID'] = 'local';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
  const client = new KinesisClient(server.clientConfig);
  return {
    put: (partitionKey, data) => void server.kinesis.put(streamName, { partitionKey, data }),
    consumers: async () => {
      const { Consumers = [] } = await client.send(new ListStreamConsumersCommand({ StreamARN }));
      return Consumers.map(({ ConsumerName }) => ConsumerName ?? '');
    },
    deregister: async (ConsumerName) => {
      await client.send(new DeregisterStreamConsumerCommand({ StreamARN, ConsumerName }));
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.stop();
      await servers.stop();
    },
  };
}
