// The command line names streams of another account or region by their ARN. A command that an error recommends must work, too.
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AddressInfo } from 'node:net';
import { DeleteStreamCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import { environment } from '../support/command.js';
import { kinactInside } from '../support/command-inside.js';
import { LocalStream } from '../support/local-stream.js';

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `${from + index}\n`).join('');
const dataOf = ({ stdout }: { readonly stdout: string }): number[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => Number((JSON.parse(line) as { readonly data: string }).data))
    .sort((a, b) => a - b);
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

describe('--stream with an ARN', function () {
  this.timeout(400_000);
  let servers: LocalServers;
  let env: Record<string, string>;
  let kinesis: KinesisClient;
  let stream: LocalStream;
  const arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/by-arn';

  before(async () => {
    servers = await startLocalServers();
    // The ARN's region is not the environment's.
    env = environment(servers, { AWS_REGION: 'eu-central-1' });
    kinesis = new KinesisClient(servers.clientConfig.kinesis);
    stream = new LocalStream(servers.clientConfig.kinesis, 'by-arn');
    await stream.create(2);
  });
  after(async () => {
    stream.close();
    kinesis.destroy();
    await servers.stop();
  });

  it('works for put, for tail, and for the reset command that STREAM_CHANGED names', async () => {
    const put = (from: number, to: number): Promise<unknown> =>
      kinactInside(['put', '--stream', arn], env, { input: lines(from, to) });
    expect(await put(0, 20)).to.deep.include({ code: 0, stderr: '20 records put\n' });
    const tail = ['tail', '--stream', arn, '--text', '--until-idle', '800'];
    expect(dataOf(await kinactInside(tail, env))).to.deep.equal(upTo(20));
    const member = [...tail, '--application', 'by-arn-app'];
    expect(dataOf(await kinactInside(member, env))).to.deep.equal(upTo(20));

    await kinesis.send(new DeleteStreamCommand({ StreamName: 'by-arn' }));
    // Creation times have whole seconds, and the new stream must have another one.
    await sleep(1_100);
    await stream.create(2);
    await put(100, 110);
    const refused = await kinactInside(member, env);
    expect(refused).to.include({ code: 1, stdout: '' });
    const remedy = /: kinact (reset .*? --to TRIM_HORIZON) /.exec(refused.stderr)?.[1];
    expect(remedy).to.equal(`reset --application by-arn-app --stream ${arn} --to TRIM_HORIZON`);
    const done = await kinactInside([...remedy!.split(' '), '--yes'], env);
    expect(done).to.include({ code: 0, stderr: '' });
    expect(dataOf(await kinactInside(member, env))).to.deep.equal(upTo(10, 100));
  });

  describe('outside the region of the environment', () => {
    let server: Server;
    let url: string;
    const signedFor = new Set<string>();
    before(async () => {
      server = createServer((request, response) => {
        const scope = /Credential=[^/]+\/\d+\/([^/]+)\/(\w+)\//.exec(request.headers.authorization ?? '');
        signedFor.add(`${scope?.[2]} in ${scope?.[1]}`);
        response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' });
        response.end(JSON.stringify({ __type: 'ResourceNotFoundException', message: 'none here' }));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => new Promise((resolve) => server.close(resolve)));
    beforeEach(() => signedFor.clear());

    const other = arn.replace('us-east-1', 'ap-south-1');
    const commands: readonly (readonly [args: readonly string[], services: readonly string[]])[] = [
      [['put', '--stream', other], ['kinesis in ap-south-1']],
      [['tail', '--stream', other], ['kinesis in ap-south-1']],
      [['reset', '--application', 'app', '--stream', other, '--to', 'LATEST'], ['dynamodb in ap-south-1']],
    ];
    for (const [args, services] of commands) {
      it(`makes kinact ${args[0]} call the service in the region of the ARN`, async () => {
        const asked = environment({ kinesis: url, dynamodb: url }, { AWS_REGION: 'eu-central-1' });
        expect(await kinactInside(args, asked, { input: '1\n' })).to.include({ code: 1 });
        expect([...signedFor]).to.deep.equal(services);
      });
    }
  });
});
