// Stands between processes and DynamoDB and writes down every write that there is, with its answer. Writes to one row go through it
// one at a time, so the order of the notes is the order in which the table has done them, whatever the callers heard of it.
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
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
  /** Whose endpoint it came to. */
  readonly worker: string;
  readonly operation: string;
  /** The lease's name (`leaseNamed`). Undefined for a write that is not about a single row, such as a batch. */
  readonly leaseKey: string | undefined;
  readonly request: WriteRequest;
  readonly accepted: boolean;
  /** The row that the answer showed, where it showed one. */
  readonly shown: WitnessedRow | undefined;
  /** Monotonic milliseconds of this process: when the request was here, and when the table had answered it. */
  readonly sentAt: number;
  readonly doneAt: number;
  /** When the request was here, epoch milliseconds: for what other processes say of the time. */
  readonly at: number;
}

/** What a test calls a lease: by its key, and by its table too where there are several (`table` given). */
export function leaseNamed(leaseKey: string, table?: string): string {
  return table === undefined ? leaseKey : `${table}/${leaseKey}`;
}

export interface LeaseWitness {
  /** The endpoint for one worker. */
  endpoint(worker: string): string;
  /** Those of one row in the order in which the table has done them. */
  readonly writes: readonly WitnessedWrite[];
  /**
   * The next write that `is` is true of. `act` is called when the table has done it and nobody has heard of that yet; where it
   * returns `unheard`, nobody ever does: the connection is closed instead.
   */
  meet(is: (write: WitnessedWrite) => boolean, act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite>;
  stop(): Promise<void>;
}

/** What a write sets, whatever was there before. */
export function setBy({ request }: WitnessedWrite): WitnessedRow {
  return equalities(request.UpdateExpression, request);
}

/** What it is conditional on: values that attributes must have. */
export function expectedBy({ request }: WitnessedWrite): WitnessedRow {
  return equalities(request.ConditionExpression, request);
}

function equalities(expression = '', request: WriteRequest): WitnessedRow {
  const { ExpressionAttributeValues: values = {}, ExpressionAttributeNames: names = {} } = request;
  const found = expression.matchAll(/(#\w+) = (:\w+)/g);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [names[name] ?? name, values[value]!]));
}

/** Whether its author says of a row that it holds it: everything but wishes and what fills rows in. */
export function movesCounter(write: WitnessedWrite): boolean {
  return write.operation === 'UpdateItem' && setBy(write)['leaseCounter'] !== undefined;
}

/** Whether it gives a lease to the author of the wish that stands there. */
export function handsOver({ request: { ConditionExpression = '' } }: WitnessedWrite): boolean {
  return ConditionExpression.includes('begins_with(#kinactWish,');
}

/** Everything but these is a write, what nobody has heard of as well; tables are made in no row's order. */
const noWrites = /^(GetItem|Scan|Query|BatchGetItem|CreateTable|Describe\w+|List\w+)$/;

/** Starts on a free port of 127.0.0.1. `severalTables`: their leases may have the same keys. */
export async function witnessLeases(upstream: string, severalTables = false): Promise<LeaseWitness> {
  const writes: WitnessedWrite[] = [];
  const lastOf = new Map<string | undefined, Promise<unknown>>();
  const meetings = new Set<(write: WitnessedWrite) => unknown>();
  // A connection that the other side has just closed would be a failed call that nobody made fail: none is kept idle.
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
