// One side of `npm run bench -- shards`, in a process of its own: a consumer of so many streams with so many shards, which are nearly idle.
// Prints its figures as one JSON object. Readers, leases and reducers are real; the services answer from memory. Called by many-shards.ts.
import { fileURLToPath } from 'node:url';
import { createConsumer, defineReducer, dynamodbStream, kinesisStream } from '../src/index.js';
import type { AnySource } from '../src/api/source.js';
import { memoryLeaseStore } from '../src/testing/memory-lease-store.js';
import { nearlyIdle, type NearlyIdle } from './nearly-idle.js';

/** What a side has used. */
export interface SideOfShards {
  readonly shards: number;
  readonly records: number;
  /** User and system time while the records came, milliseconds. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  /** From the start until every shard was read. */
  readonly startMs: number;
}

const warmMs = 3_000;

export interface ShardsCase {
  readonly kind: 'kinesis' | 'table';
  readonly streams: number;
  readonly shards: number;
  readonly records: number;
  readonly seconds: number;
}

function sourceOf(kind: ShardsCase['kind'], service: NearlyIdle): AnySource {
  const application = `leases-${service.name}`;
  const client = service as never;
  const spec: AnySource =
    kind === 'kinesis'
      ? kinesisStream({ streamName: service.name, application, client })
      : dynamodbStream({ streamArn: service.streamArn, application, client });
  return { ...spec, openLeases: () => memoryLeaseStore([], application) };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function runSide({ kind, streams, shards, records, seconds }: ShardsCase): Promise<SideOfShards> {
  const services = Array.from({ length: streams }, (_, index) => nearlyIdle(kind, `s${index}`, shards));
  let reduced = 0;
  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    source: services.map((service) => sourceOf(kind, service)),
    reducers: 4,
    reducer: defineReducer({ init: () => 0, reduce: (count: number) => ((reduced += 1), count + 1) }),
    leases: { startDeadlineMs: 300_000 },
  } as never);
  const before = performance.now();
  await consumer.start();
  while (services.some((service) => service.shardsRead() < shards)) await wait(50);
  const startMs = performance.now() - before;
  await wait(warmMs);
  globalThis.gc?.();

  const cpu = process.cpuUsage();
  const perTick = records / (seconds * 10);
  let put = 0;
  for (let tick = 1; tick <= seconds * 10; tick += 1) {
    for (; put < Math.round(tick * perTick); put += 1) services[put % streams]!.put(Math.floor(put / streams));
    await wait(100);
  }
  while (reduced < records) await wait(20);
  const { user, system } = process.cpuUsage(cpu);
  const { rss: rssBytes } = process.memoryUsage();
  await consumer.stop();
  return { shards: streams * shards, records, cpuMs: (user + system) / 1_000, rssBytes, startMs };
}

// Only if this file is the program: tests import it.
if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await runSide(JSON.parse(process.argv[2] as string) as ShardsCase)));
