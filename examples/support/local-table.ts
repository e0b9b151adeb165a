// What an example of a table's changes needs: a table with a stream in the scripted server, and a local server for the lease table. It
// also sets the environment by which kinact finds both.
import { scriptedServer, startLocalServers } from 'kinact/testing';

type Attributes = Parameters<Awaited<ReturnType<typeof scriptedServer>>['tables']['put']>[1];

export interface LocalTable extends AsyncDisposable {
  put(item: Attributes): void;
  /** TTL removes the item. */
  expire(key: Attributes): void;
  /** Closes the open shards, and opens a child of each: on AWS about every four hours. */
  rollShards(): void;
}

export async function localTable(name: string): Promise<LocalTable> {
  const servers = await startLocalServers();
  const server = await scriptedServer({ proxy: { upstream: servers.dynamodb } });
  server.tables.createTable(name);
  process.env['AWS_ENDPOINT_URL'] = server.url;
  process.env['AWS_REGION'] = 'us-east-1';
  process.env['AWS_ACCESS_KEY_ID'] = 'local';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
  return {
    put: (item) => server.tables.put(name, item),
    expire: (key) => server.tables.expire(name, key),
    rollShards: () => void server.tables.rollShard(name),
    async [Symbol.asyncDispose]() {
      await server.stop();
      await servers.stop();
    },
  };
}
