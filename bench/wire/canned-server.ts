// A canned Kinesis over HTTP, in a process of its own, so that its CPU is in no figure of a side. It also is the DynamoDB of the peer that
// needs one. Prints its addresses as one JSON object. Ends when its standard input does. `GET /arrivals` says when each answer of the
// run was handed out, `POST /reset` begins a run. Called by server-process.ts.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { createAnswers } from './answers.js';
import { createWorkload, shapes, type Extent } from './workload.js';

/** The workload that it serves: the index of its shape, and how much of it. */
export interface Served extends Extent {
  readonly shape: number;
}

export interface Addresses {
  readonly kinesis: string;
  readonly dynamodb: string;
}

const createDynalite = createRequire(import.meta.url)('dynalite') as (options: object) => Server;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function kinesisOf({ shape, ...extent }: Served): Server {
  const workload = createWorkload(shapes[shape]!, extent);
  let answers = createAnswers(workload);
  return createServer((request, response) => {
    void bodyOf(request).then(async (body) => {
      if (request.url === '/arrivals') return void response.end(JSON.stringify(answers.arrivals));
      if (request.url === '/reset') {
        answers = createAnswers(workload);
        return void response.end();
      }
      const bytes = await answers.to(String(request.headers['x-amz-target']), body);
      // A read after the last pull is not answered: its client gives up, or ends.
      if (bytes === undefined) return;
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      response.setHeader('content-length', bytes.length);
      response.end(bytes);
    });
  });
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Makes the table beforehand: the peer would wait 20 s for one that it makes itself. */
async function createStateTable(endpoint: string): Promise<void> {
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  const client = new DynamoDBClient({ region: 'us-east-1', endpoint, credentials });
  const TableName = 'lifion-kinesis-state';
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'consumerGroup', AttributeType: 'S' },
        { AttributeName: 'streamName', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'consumerGroup', KeyType: 'HASH' },
        { AttributeName: 'streamName', KeyType: 'RANGE' },
      ],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 0.1, maxDelay: 0.2 }, { TableName });
  client.destroy();
}

const kinesis = await listen(kinesisOf(JSON.parse(process.argv[2] ?? '') as Served));
const dynamodb = await listen(createDynalite({ createTableMs: 0 }));
await createStateTable(dynamodb);
console.log(JSON.stringify({ kinesis, dynamodb } satisfies Addresses));
process.stdin.on('end', () => process.exit()).resume();
