// The local servers serve the real SDK on loopback, outlive clients that break off, and are gone once stopped.
import { connect } from 'node:net';
import { expect } from 'chai';
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { isKinactError } from '../../../src/api/errors.js';
import { resolveServerPeers, startLocalServers, type LocalServers } from '../../../src/testing/local-servers.js';

describe('startLocalServers', () => {
  let servers: LocalServers;
  before(async () => {
    servers = await startLocalServers();
  });
  after(() => servers.stop());

  it('serves Kinesis and DynamoDB on loopback to SDK clients made from its clientConfig', async () => {
    expect(servers.kinesis).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(servers.dynamodb).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
    const kinesis = new KinesisClient(servers.clientConfig.kinesis);
    await kinesis.send(new CreateStreamCommand({ StreamName: 'orders', ShardCount: 2 }));
    expect((await kinesis.send(new ListStreamsCommand({}))).StreamNames).to.deep.equal(['orders']);
    const dynamodb = new DynamoDBClient(servers.clientConfig.dynamodb);
    await dynamodb.send(
      new CreateTableCommand({
        TableName: 'leases',
        KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    expect((await dynamodb.send(new ListTablesCommand({}))).TableNames).to.deep.equal(['leases']);
  });

  it('keeps serving after clients abort in the middle of a request body', async () => {
    for (const url of [servers.kinesis, servers.dynamodb]) {
      await abortMidBody(Number(new URL(url).port));
      const alive = await fetch(url, { method: 'POST', body: '{}' });
      expect(alive.status).to.be.greaterThan(0);
      await alive.body?.cancel();
    }
  });

  it('refuses connections once stopped, and may be stopped twice', async () => {
    const short = await startLocalServers({ createMs: 10, shardLimit: 3 });
    await short.stop();
    await short.stop();
    const error = await fetch(short.kinesis).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(TypeError);
  });

  it('fails with PEER_MISSING and the install command if a package is missing', () => {
    for (const missing of ['kinesalite', 'dynalite']) {
      let thrown: unknown;
      try {
        resolveServerPeers((name) => {
          if (name === missing) throw new Error('Cannot find module');
          return name;
        });
      } catch (error) {
        thrown = error;
      }
      if (!isKinactError(thrown)) throw new Error('expected a KinactError');
      expect(thrown.code).to.equal('PEER_MISSING');
      expect(thrown.message).to.contain(missing).and.to.contain('npm install --save-dev kinesalite@3 dynalite@4');
    }
  });
});

/** Sends a tenth of a request and resets the connection. */
async function abortMidBody(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve) =>
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789', () => resolve()),
  );
  await new Promise((resolve) => socket.once('close', resolve).resetAndDestroy());
}
