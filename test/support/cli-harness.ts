// Runs the command line inside the test's own process, with streams in memory, and with an AWS environment that reaches only one
// server on loopback. After a time limit, a run counts as hanging.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { kinactInside } from './command-inside.js';

export interface CliRun {
  readonly code: number | 'hangs';
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliHarness {
  /** `http://127.0.0.1:…` */
  readonly endpoint: string;
  /** Only one run at a time, because the SDK reads the environment of the process. */
  kinact(
    args: readonly string[],
    given?: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: Readable },
  ): Promise<CliRun>;
  close(): Promise<void>;
}

/** The server's answer to an operation, in AWS's JSON protocol. */
export type Answer = (operation: string, input: never) => { readonly status: number; readonly body: object };

const hangsMs = 30_000;

export async function cliHarness(answer: Answer): Promise<CliHarness> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      const { status, body } = answer(operation, JSON.parse(Buffer.concat(chunks).toString()) as never);
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    kinact: async (args, { env = {}, stdin } = {}) => {
      const given = stdin === undefined ? {} : { stdin };
      const ended = await kinactInside(args, environment(endpoint, env), { ...given, limitMs: hangsMs });
      return { ...ended, code: ended.code ?? 'hangs' };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function environment(endpoint: string, more: Readonly<Record<string, string>>): Record<string, string> {
  return {
    HOME: tmpdir(),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_KINESIS: endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    ...more,
  };
}
