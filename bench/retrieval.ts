// `npm run bench -- retrieval`: the time from the put of a record to its reducer at idle, by enhanced fan-out beside polling, from the
// same puts in one run. Fails if a record did not arrive by both. Called by main.ts.
import { parseArgs } from 'node:util';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { http2Handler } from '../src/aws/kinesis/fan-out/http2-handler.js';
import { hostEnvironment } from '../src/consumer/host-environment.js';
import { createConsumer, defineReducer, kinesisStream, type Consumer } from '../src/index.js';
import { startLocalServers } from '../src/testing/local-servers.js';
import { scriptedServer, type ScriptedServer } from '../src/testing/scripted-server/scripted-server.js';
import type { Output } from './output.js';
import { percentile } from './hand-over-judge.js';

const ways = ['fan-out', 'polling'] as const;
type Way = (typeof ways)[number];
const stream = 'orders';

interface Arrivals {
  readonly times: Map<string, number>;
  wake: () => void;
}

/** `--json`, `--puts N`. */
export async function retrieval(args: readonly string[], output: Output): Promise<number> {
  const options = { json: { type: 'boolean' }, puts: { type: 'string' } } as const;
  const { puts = '100', json } = parseArgs({ args: [...args], options }).values;
  if (!/^[1-9]\d{0,3}$/.test(puts)) throw new Error(`--puts: expected a positive integer, got '${puts}'`);

  const times = await measure(Number(puts));
  const figures = ways.map((way) => ({
    way,
    arrived: times[way].length,
    p50: percentile(times[way], 0.5),
    p99: percentile(times[way], 0.99),
  }));
  const [fanOut, polling] = figures as [(typeof figures)[0], (typeof figures)[0]];
  const ratio = { p50: polling.p50 / fanOut.p50, p99: polling.p99 / fanOut.p99 };
  const isComplete = figures.every(({ arrived }) => arrived === Number(puts));
  if (json === true) output.stdout(`${JSON.stringify({ puts: Number(puts), figures, ratio })}\n`);
  else {
    const shown = figures.map(
      ({ way, arrived, p50, p99 }) =>
        `${way.padEnd(8)} ${String(arrived).padStart(5)} records   p50 ${p50.toFixed(1)} ms   p99 ${p99.toFixed(1)} ms`,
    );
    output.stdout(`from put to reducer at idle, default options\n${shown.join('\n')}\n`);
    const said = `polling / fan-out: p50 ${ratio.p50.toFixed(1)}, p99 ${ratio.p99.toFixed(1)}`;
    output.stdout(`retrieval: ${isComplete ? 'ok' : 'FAILED, records are missing'}, ${said}\n`);
  }
  return isComplete ? 0 : 1;
}

async function measure(puts: number): Promise<Readonly<Record<Way, number[]>>> {
  const local = await startLocalServers();
  const server = await scriptedServer();
  server.kinesis.createStream(stream);
  const dynamodb = new DynamoDBClient(local.clientConfig.dynamodb);
  const clients: KinesisClient[] = [];
  const arrivals = { 'fan-out': newArrivals(), polling: newArrivals() };
  const consumers = ways.map((way) => consumerOf(way, server, dynamodb, clients, arrivals[way]));
  try {
    for (const consumer of consumers) await consumer.start();
    await put(server, 'first', Object.values(arrivals));
    while (server.kinesis.subscriptions.length === 0) await pause(50);

    const times: Record<Way, number[]> = { 'fan-out': [], polling: [] };
    for (let number = 0; number < puts; number += 1) {
      // At any moment between two reads of the one that polls.
      await pause(100 + ((number * 617) % 1_000));
      const data = `${number}`;
      const at = await put(server, data, Object.values(arrivals));
      for (const way of ways) times[way].push(arrivals[way].times.get(data)! - at);
    }
    return times;
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    for (const client of clients) client.destroy();
    dynamodb.destroy();
    await server.stop();
    await local.stop();
  }
}

function consumerOf(
  way: Way,
  server: ScriptedServer,
  dynamodb: DynamoDBClient,
  clients: KinesisClient[],
  arrivals: Arrivals,
): Consumer {
  const client = new KinesisClient({ ...server.clientConfig, requestHandler: new NodeHttpHandler() });
  const subscribing = new KinesisClient({
    ...server.clientConfig,
    requestHandler: http2Handler(hostEnvironment.timers),
  });
  clients.push(client, subscribing);
  const subscription = way === 'fan-out' ? { subscriptionClient: subscribing } : {};
  return createConsumer({
    application: `latency-${way}`,
    source: kinesisStream({ streamName: stream, retrieval: way, client, ...subscription }),
    reducer: defineReducer({
      init: () => 0,
      reduce: (count: number, item) => {
        arrivals.times.set(item.value.toString(), performance.now());
        arrivals.wake();
        return count + 1;
      },
    }),
    leases: { client: dynamodb },
    logger: false,
  });
}

function newArrivals(): Arrivals {
  return { times: new Map(), wake: () => {} };
}

/** Puts a record, and waits until all have it. Returns when it was put. */
async function put(server: ScriptedServer, data: string, all: readonly Arrivals[]): Promise<number> {
  const at = performance.now();
  server.kinesis.put(stream, { partitionKey: data, data });
  for (const arrivals of all) {
    while (!arrivals.times.has(data)) await new Promise<void>((resolve) => (arrivals.wake = resolve));
  }
  return at;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
