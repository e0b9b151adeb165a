// A KinesisClient without `clientConfig` fails against a local server with "Protocol error", and nothing names the reason. Cause: the
// client speaks HTTP/2 by default, and kinesalite does not. Now kinact's error and a warning of the process say so, with the cure.
import { once } from 'node:events';
import { KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { kinesisProducer } from '../../src/aws/kinesis/kinesis-producer.js';
import { hostEnvironment } from '../../src/consumer/host-environment.js';
import { startLocalServers } from '../../src/testing/local-servers.js';
import { never } from '../support/parked.js';

describe('a client that speaks HTTP/2 to a local server', function () {
  this.timeout(30_000);

  it('is told the cure', async () => {
    const servers = await startLocalServers();
    const endpoint = servers.kinesis;
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = new KinesisClient({ region: 'us-east-1', endpoint, credentials, maxAttempts: 1 });
    try {
      const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>;
      const thrown: unknown = await client.send(new ListStreamsCommand({})).catch((error: unknown) => error);
      expect(thrown).to.include({ message: 'Protocol error' });
      const [{ message, code }] = await warned;
      expect(code).to.equal('KINACT_HTTP2');
      expect(message).to.include('HTTP/2 to a local server').and.to.include('new NodeHttpHandler()');

      const producer = kinesisProducer({ ...hostEnvironment, streamName: 'orders', client });
      const error: unknown = await producer.describe(never).catch((reason: unknown) => reason);
      expect((error as Error).message).to.match(
        /does not speak HTTP\/2; give the client `requestHandler: new NodeHttpHandler\(\)`/,
      );
    } finally {
      client.destroy();
      await servers.stop();
    }
  });
});
