// Stands between workers and DynamoDB and writes down every write to the lease table: by which worker, to which row, behind
// which counter, and whether it was accepted. Whoever keeps to the conditions leaves one accepted write per counter, so the
// counters are the order of the writes, whatever the network did to them.
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export interface TableWrite {
  readonly worker: string;
  readonly leaseKey: string;
  /** The counter that was its condition; undefined: it had none. */
  readonly behind: number | undefined;
  /** It gives the lease to the author of a wish, and sets that one's owner. */
  readonly handsOver: boolean;
  /** The attributes it set. */
  readonly set: Readonly<Record<string, AttributeValue>>;
  readonly accepted: boolean;
  /** When the request was here, epoch milliseconds. */
  readonly at: number;
}

export interface TableWitness {
  /** The endpoint for one worker. */
  endpoint(worker: string): string;
  /** Writes that move a counter, in the order they were answered. */
  readonly writes: readonly TableWrite[];
  stop(): Promise<void>;
}

/** Starts on a free port of 127.0.0.1. */
export async function witnessTable(upstream: string): Promise<TableWitness> {
  const writes: TableWrite[] = [];
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, response) => {
    const at = Date.now();
    const { hostname, port } = new URL(upstream);
    const headers = { ...incoming.headers, host: `${hostname}:${port}` };
    incoming.on('error', () => response.destroy());
    void collect(incoming).then((body) => {
      const outgoing = request({ agent, hostname, port, method: 'POST', path: '/', headers }, (answer) => {
        void collect(answer).then((answered) => {
          const write = writeOf(incoming, body);
          if (write !== undefined) writes.push({ ...write, accepted: answer.statusCode === 200, at });
          response.writeHead(answer.statusCode ?? 500, answer.headers).end(answered);
        });
      });
      outgoing.on('error', () => response.destroy());
      outgoing.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: (worker) => `http://127.0.0.1:${port}/${worker}`,
    writes,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

/** Undefined for calls that touch neither counter nor owner nor checkpoint. */
function writeOf(incoming: IncomingMessage, body: Buffer): Omit<TableWrite, 'accepted' | 'at'> | undefined {
  if (!String(incoming.headers['x-amz-target']).endsWith('.UpdateItem')) return undefined;
  const input = JSON.parse(body.toString()) as {
    readonly Key: Record<string, AttributeValue>;
    readonly UpdateExpression: string;
    readonly ConditionExpression?: string;
    readonly ExpressionAttributeValues: Record<string, AttributeValue>;
  };
  // Names stand in expressions as `#name`, values as `:v0`.
  const values = (expression: string): Record<string, AttributeValue> =>
    Object.fromEntries(
      [...expression.matchAll(/#(\w+) = (:\w+)/g)].map(([, name, value]) => [
        name,
        input.ExpressionAttributeValues[value as string],
      ]),
    ) as Record<string, AttributeValue>;
  const set = values(input.UpdateExpression);
  if (['leaseCounter', 'leaseOwner', 'checkpoint'].every((name) => set[name] === undefined)) return undefined;
  const condition = input.ConditionExpression ?? '';
  const behind = values(condition)['leaseCounter']?.N;
  return {
    worker: (incoming.url ?? '').split('/')[1] ?? '',
    leaseKey: input.Key['leaseKey']?.S ?? '',
    behind: behind === undefined ? undefined : Number(behind),
    handsOver: condition.includes('begins_with(#kinactWish,'),
    set,
  };
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
