// A lost connection does not end the demo: the shards of its stream are listed again.
import { expect } from 'chai';
import { streamAdmin } from '../../../../src/aws/kinesis/stream-admin.js';
import { hostEnvironment } from '../../../../src/consumer/host-environment.js';
import { scriptedServer } from '../../../../src/testing/scripted-server/scripted-server.js';

const settings = ['AWS_ENDPOINT_URL_KINESIS', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

describe('the stream of the demo', () => {
  const before = settings.map((name) => process.env[name]);
  afterEach(() => {
    for (const [place, name] of settings.entries()) {
      const value = before[place];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('is listed again after a lost connection', async () => {
    const server = await scriptedServer();
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_KINESIS: server.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    });
    const admin = streamAdmin(
      'orders',
      { ...hostEnvironment, random: { next: () => 0 } },
      new AbortController().signal,
    );
    try {
      server.kinesis.createStream('orders');
      server.respond('ListShards', 2, { type: 'reset' });
      expect(await admin.shards()).to.have.length(1);
    } finally {
      admin.close();
      await server.stop();
    }
  });
});
