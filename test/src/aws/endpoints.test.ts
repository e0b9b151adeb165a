// Clients that kinact makes follow region, ARN and AWS settings; a client of the application follows its own. Nothing is sent.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { GetRecordsCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { createDynamoDbClient } from '../../../src/aws/dynamodb/dynamodb-client.js';
import { createKinesisClient } from '../../../src/aws/kinesis/kinesis-client.js';

const region = 'us-east-1';
const requestTimeoutMs = 1_000;
const keys: Readonly<Record<string, string>> = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

interface Layered {
  readonly middlewareStack: { add(layer: unknown, options: object): void };
  send(command: never): Promise<unknown>;
}

/** The host to which a client would send this command; nothing is sent. */
async function hostOf(client: object, command: object): Promise<string> {
  let host = '';
  const layered = client as Layered;
  const layer = () => (args: { readonly request: { readonly hostname: string } }) => {
    host = args.request.hostname;
    return Promise.reject(new Error('far enough'));
  };
  layered.middlewareStack.add(layer, { step: 'finalizeRequest', priority: 'low', name: 'stopHere' });
  await layered.send(command as never).catch(() => undefined);
  return host;
}

/** Runs in an environment of these AWS variables and no others. */
async function within<T>(env: Readonly<Record<string, string>>, run: () => Promise<T>): Promise<T> {
  const saved = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  // A profile brings its own keys.
  Object.assign(process.env, env['AWS_PROFILE'] === undefined ? keys : {}, env, { AWS_EC2_METADATA_DISABLED: 'true' });
  try {
    return await run();
  } finally {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
  }
}

const getRecords = (StreamARN?: string): GetRecordsCommand =>
  new GetRecordsCommand({ ShardIterator: 'x', ...(StreamARN === undefined ? {} : { StreamARN }) });
const ownHosts = async (): Promise<string[]> => [
  await hostOf(createKinesisClient({ region, requestTimeoutMs }), getRecords()),
  await hostOf(createDynamoDbClient({ region, requestTimeoutMs }), new DescribeTableCommand({ TableName: 't' })),
];

describe('the endpoints of AWS clients', () => {
  it('are those of the region, or of the stream’s account if a request names the ARN', async () => {
    await within({}, async () => {
      expect(await ownHosts()).to.deep.equal(['kinesis.us-east-1.amazonaws.com', 'dynamodb.us-east-1.amazonaws.com']);
      const arn = `arn:aws:kinesis:${region}:999988887777:stream/orders`;
      expect(await hostOf(createKinesisClient({ region, requestTimeoutMs }), getRecords(arn))).to.equal(
        '999988887777.data-kinesis.us-east-1.amazonaws.com',
      );
    });
  });

  it('are dual-stack or FIPS endpoints if the environment or the config file says so', async () => {
    const expected = {
      dualstack: ['kinesis.us-east-1.api.aws', 'dynamodb.us-east-1.api.aws'],
      fips: ['kinesis-fips.us-east-1.amazonaws.com', 'dynamodb-fips.us-east-1.amazonaws.com'],
    };
    await within({ AWS_USE_DUALSTACK_ENDPOINT: 'true' }, async () =>
      expect(await ownHosts()).to.deep.equal(expected.dualstack),
    );
    await within({ AWS_USE_FIPS_ENDPOINT: 'true' }, async () => expect(await ownHosts()).to.deep.equal(expected.fips));
    const folder = await mkdtemp(join(tmpdir(), 'kinact-endpoints-'));
    try {
      for (const name of ['dualstack', 'fips'] as const) {
        const file = join(folder, name);
        const own = 'aws_access_key_id = local\naws_secret_access_key = local\n';
        await writeFile(file, `[profile ${name}]\n${own}use_${name}_endpoint = true\n`);
        await within(
          { AWS_CONFIG_FILE: file, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'), AWS_PROFILE: name },
          async () => expect(await ownHosts()).to.deep.equal(expected[name]),
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('are FIPS dual-stack endpoints if a client of the application has both settings', async () => {
    await within({}, async () => {
      const client = new KinesisClient({ region, useDualstackEndpoint: true, useFipsEndpoint: true });
      expect(await hostOf(client, getRecords())).to.equal('kinesis-fips.us-east-1.api.aws');
    });
  });
});
