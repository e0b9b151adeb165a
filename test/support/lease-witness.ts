// A proxy between processes and DynamoDB that records every write with its answer. It passes on the writes to one row one at a time. So
// the records are in the order in which the table did the writes, whatever answers the callers got.
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export type WitnessedRow = Readonly<Record<string, AttributeValue>>;

export interface WriteRequest {
  readonly TableName?: string;
  readonly Key?: WitnessedRow;
  readonly Item?: WitnessedRow;
  readonly UpdateExpression?: string;
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: WitnessedRow;
}

export interface WitnessedWrite {
  /** The worker to which this endpoint of the witness was given. */
  readonly worker: string;
  readonly operation: string;
  /** The lease's name (`leaseNamed`). Undefined for a write that is not about a single row, such as a batch. */
  readonly leaseKey: string | undefined;
  readonly request: WriteRequest;
  readonly accepted: boolean;
  /** The row in the answer, if there was one. */
  readonly shown: WitnessedRow | undefined;
  /** When the request arrived here, and when the table had answered it: monotonic milliseconds of this process. */
  readonly sentAt: number;
  readonly doneAt: number;
  /** When the request arrived here, epoch milliseconds: for comparison with the times of other processes. */
  readonly at: number;
}

/** The name of a lease in tests: its key, preceded by its table if there are several tables (`table` given). */
export function leaseNamed(leaseKey: string, table?: string): string {
  return table === undefined ? leaseKey : `${table}/${leaseKey}`;
}

export interface LeaseWitness {
  /** The endpoint for one worker. */
  endpoint(worker: string): string;
  /** The writes so far. Those of one row are in the order in which the table did them. */
  readonly writes: readonly WitnessedWrite[];
  /**
   * Resolves with the next write for which `is` returns true. `act` is called after the table has done the write, and before the caller
   * gets the answer. If `act` returns `unheard`, the caller never gets the answer: the connection is closed instead.
   */
  meet(is: (write: WitnessedWrite) => boolean, act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite>;
  stop(): Promise<void>;
}

/** The values that a write sets, whatever was in the row before. */
export function setBy({ request }: WitnessedWrite): WitnessedRow {
  return equalities(request.UpdateExpression, request);
}

/** The values that attributes must have for a write to be accepted. */
export function expectedBy({ request }: WitnessedWrite): WitnessedRow {
  return equalities(request.ConditionExpression, request);
}

function equalities(expression = '', request: WriteRequest): WitnessedRow {
  const { ExpressionAttributeValues: values = {}, ExpressionAttributeNames: names = {} } = request;
  const found = expression.matchAll(/(#\w+) = (:\w+)/g);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [names[name] ?? name, values[value]!]));
}

/** Whether a write sets the counter, as all updates do except wishes and those that only fill in attributes. */
export function movesCounter(write: WitnessedWrite): boolean {
  return write.operation === 'UpdateItem' && setBy(write)['leaseCounter'] !== undefined;
}

/** Whether a write gives a lease to the author of the wish in the row. */
export function handsOver({ request: { ConditionExpression = '' } }: WitnessedWrite): boolean {
  return ConditionExpression.includes('begins_with(#kinactWish,');
}

/** Every other operation counts as a write, unknown ones too. CreateTable is no write here, because it concerns no row. */
const noWrites = /^(GetItem|Scan|Query|BatchGetItem|CreateTable|Describe\w+|List\w+)$/;

/** Starts a witness on a free port of 127.0.0.1. `severalTables`: leases of different tables may have the same key. */
export async function witnessLeases(upstream: string, severalTables = false): Promise<LeaseWitness> {
  const writes: WitnessedWrite[] = [];
  const lastOf = new Map<string | undefined, Promise<unknown>>();
  const meetings = new Set<(write: WitnessedWrite) => unknown>();
  // No idle connection is kept: the server may just have closed it, and the next call would then fail without a fault of the test.
  const agent = new Agent();
  const { hostname, port: upstreamPort } = new URL(upstream);

  const ask = async (incoming: IncomingMessage, body: Buffer): Promise<{ answer: IncomingMessage; text: Buffer }> => {
    const headers = { ...incoming.headers, host: `${hostname}:${upstreamPort}` };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request({ agent, hostname, port: upstreamPort, method: 'POST', path: '/', headers }, resolve);
      outgoing.on('error', reject).end(body);
    });
    return { answer, text: await collect(answer) };
  };

  const witnessed = async (incoming: IncomingMessage, body: Buffer): ReturnType<typeof ask> => {
    const operation = String(incoming.headers['x-amz-target']).split('.')[1] ?? '';
    if (noWrites.test(operation)) return await ask(incoming, body);
    const input = JSON.parse(body.toString()) as WriteRequest;
    const key = (input.Key ?? input.Item)?.['leaseKey']?.S;
    const leaseKey = key === undefined ? undefined : leaseNamed(key, severalTables ? input.TableName : undefined);
    const worker = (incoming.url ?? '').split('/')[1] ?? '';
    const [sentAt, at] = [performance.now(), Date.now()];
    const turn = (lastOf.get(leaseKey) ?? Promise.resolve()).then(async () => {
      const asked = await ask(incoming, body);
      const accepted = asked.answer.statusCode === 200;
      const { Attributes: shown } = (accepted ? JSON.parse(asked.text.toString()) : {}) as {
        Attributes?: WitnessedRow;
      };
      const doneAt = performance.now();
      const write = { worker, operation, leaseKey, request: input, accepted, shown, sentAt, doneAt, at };
      writes.push(write);
      const said = [...meetings].map((meeting) => meeting(write));
      if (said.includes('unheard')) throw new Error('nobody is to hear of it');
      return asked;
    });
    lastOf.set(
      leaseKey,
      turn.catch(() => {}),
    );
    return await turn;
  };

  const server = createServer((incoming, response) => {
    incoming.on('error', () => response.destroy());
    collect(incoming)
      .then((body) => witnessed(incoming, body))
      .then(({ answer, text }) => response.writeHead(answer.statusCode ?? 500, answer.headers).end(text))
      .catch(() => response.destroy());
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: (worker) => `http://127.0.0.1:${port}/${worker}`,
    writes,
    meet: (is, act) =>
      new Promise((resolve) => {
        const meeting = (write: WitnessedWrite): unknown => {
          if (!is(write)) return undefined;
          meetings.delete(meeting);
          resolve(write);
          return act?.(write);
        };
        meetings.add(meeting);
      }),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
