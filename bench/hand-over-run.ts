// Runs the fleet of the hand-over benchmark: consumers with default options in one process, each with its own clients, over local
// servers in a thread. Records are written at an even pace. Each round has a join, a leave and a rolling deploy, without faults.
import { setTimeout as delay } from 'node:timers/promises';
import { CreateStreamCommand, DescribeStreamCommand, KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { createConsumer, defineReducer, kinesisStream, type Consumer } from '../src/index.js';
import { localClientConfig, startLocalServers, type LocalServers } from '../src/testing/local-servers.js';
import { notingClient, type TableCall } from './hand-over-calls.js';
import type { Delivered, DrainOrder, Notes } from './hand-over-judge.js';

export interface HandOverSetup {
  readonly workers: number;
  readonly shards: number;
  readonly recordsPerShardSecond: number;
  readonly rounds: number;
}

export interface HandOverRun extends Notes {
  readonly calls: readonly TableCall[];
  /** Milliseconds of each GetRecords. Every silence includes this time of the server. */
  readonly reads: readonly number[];
  /** When each round began; the last entry is the end of the last round. */
  readonly rounds: readonly number[];
  /** The workers that did not report at their stop that everything was drained. */
  readonly undrained: readonly string[];
}

const streamName = 'hand-over';
const putMs = 100;
/** How long the shares must be even before the next step of a round. */
const calmMs = 1_500;
const longestMs = 45_000;
/** No further round begins after this time. Rounds take this long only on a busy machine. */
const budgetMs = 110_000;
/** Long, because a read that times out is repeated from its beginning, by the same server. */
const kinesisTimeoutMs = 30_000;

interface Worker {
  readonly name: string;
  readonly consumer: Consumer;
  readonly close: () => void;
}

interface Harness {
  readonly setup: HandOverSetup;
  readonly servers: LocalServers;
  readonly kinesis: KinesisClient;
  readonly written: string[];
  readonly deliveries: Delivered[];
  readonly orders: DrainOrder[];
  readonly stops: Map<string, number>;
  readonly calls: TableCall[];
  readonly reads: number[];
  readonly undrained: string[];
  /** The failures that consumers reported, for the error that ends a run. */
  readonly troubles: string[];
  /** Shard → the last worker that delivered from it. */
  readonly deliverers: Map<string, string>;
  started: number;
  /** The running workers, the oldest first. */
  readonly working: Worker[];
}

export async function runHandOvers(setup: HandOverSetup, say: (line: string) => void): Promise<HandOverRun> {
  const servers = await startLocalServers();
  const kinesis = new KinesisClient(localClientConfig(servers.kinesis));
  const harness: Harness = {
    setup,
    servers,
    kinesis,
    started: 0,
    working: [],
    deliverers: new Map(),
    stops: new Map(),
    written: [],
    deliveries: [],
    orders: [],
    calls: [],
    reads: [],
    undrained: [],
    troubles: [],
  };

  try {
    const shardIds = await createStream(harness);
    // The readers start first, because a slow server would never catch up with records that have piled up.
    await Promise.all(Array.from({ length: setup.workers }, () => join(harness)));

    const stopWriting = keepWriting(harness, shardIds);
    const rounds: number[] = [];
    try {
      await waitForEvenShares(harness);
      const began = performance.now();
      for (let round = 1; round <= setup.rounds && performance.now() - began < budgetMs; round += 1) {
        rounds.push(performance.now());
        await oneRound(harness);
        say(`round ${round} of ${setup.rounds}: ${Math.round((performance.now() - rounds.at(-1)!) / 1_000)} s`);
      }
      rounds.push(performance.now());
    } finally {
      await stopWriting();
    }

    await waitForDeliveries(harness);
    for (const worker of [...harness.working]) await leave(harness, worker);
    return { ...harness, rounds };
  } finally {
    for (const { consumer, close } of harness.working) await consumer.stop({ deadlineMs: 0 }).finally(close);
    kinesis.destroy();
    await servers.stop();
  }
}

/** One worker joins and steals, the oldest leaves, then each is replaced. The others take its leases before the new one starts. */
async function oneRound(harness: Harness): Promise<void> {
  const [oldest] = harness.working;
  await join(harness);
  await waitForEvenShares(harness);
  await leave(harness, oldest!);
  await waitForEvenShares(harness);
  for (const worker of [...harness.working]) {
    await leave(harness, worker);
    await waitForEvenShares(harness);
    await join(harness);
    await waitForEvenShares(harness);
  }
}

async function createStream({ kinesis, setup }: Harness): Promise<readonly string[]> {
  await kinesis.send(new CreateStreamCommand({ StreamName: streamName, ShardCount: setup.shards }));
  for (;;) {
    const { StreamDescription: description } = await kinesis.send(
      new DescribeStreamCommand({ StreamName: streamName }),
    );
    if (description?.StreamStatus === 'ACTIVE')
      return (description.Shards ?? []).map(({ HashKeyRange }) => HashKeyRange!.StartingHashKey!);
    await delay(10);
  }
}

/** Writes the same number of numbered records to each shard. The returned function ends this, and waits for the last write. */
function keepWriting({ kinesis, setup, written }: Harness, hashKeys: readonly string[]): () => Promise<void> {
  const ended = new AbortController();
  const done = (async () => {
    const began = performance.now();
    for (let serial = 0; !ended.signal.aborted;) {
      const due = ((performance.now() - began) / 1_000) * setup.recordsPerShardSecond;
      const Records: { Data: Buffer; PartitionKey: string; ExplicitHashKey: string }[] = [];
      for (; serial < due && Records.length + hashKeys.length <= 500; serial += 1)
        for (const [shard, ExplicitHashKey] of hashKeys.entries())
          Records.push({
            Data: Buffer.from(`${shard}/${serial}`),
            PartitionKey: `key ${serial % 50}`,
            ExplicitHashKey,
          });
      const { FailedRecordCount } = await kinesis.send(new PutRecordsCommand({ StreamName: streamName, Records }));
      if (FailedRecordCount !== 0) throw new Error(`${FailedRecordCount} records were refused`);
      for (const { Data } of Records) written.push(Data.toString());
      await delay(putMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  })();
  return async () => {
    ended.abort();
    await done;
  };
}

async function join(harness: Harness): Promise<void> {
  const { servers, deliveries, deliverers, orders, calls, reads, troubles } = harness;
  harness.started += 1;
  const name = `w${harness.started}`;

  const client = new KinesisClient(localClientConfig(servers.kinesis, kinesisTimeoutMs));
  timeReads(client, reads);
  const table = notingClient(servers.dynamodb, name, calls);

  const consumer = createConsumer({
    logger: false,
    application: 'hand-over',
    workerId: name,
    source: kinesisStream({ streamName, client }),
    reducer: defineReducer({
      init: () => 0,
      reduce: (count: number, { value, shardId, fence }) => {
        deliveries.push({ id: Buffer.from(value).toString(), shardId, worker: name, fence, at: performance.now() });
        deliverers.set(shardId, name);
        return count + 1;
      },
    }),
    leases: { client: table },
    runtime: { intercept: noteOrders(name, orders) },
  });

  const note = (what: string, error: unknown): void => {
    troubles.push(`${name} ${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
  consumer.on('retrying', ({ operation, error }) => note(`retries ${operation}`, error));
  consumer.on('warning', ({ message }) => note('warns', message));
  consumer.on('leaseLost', ({ shardId, reason }) => note(`has lost ${shardId}`, reason));
  consumer.closed.catch((error: unknown) => note('has ended', error));

  const close = (): void => {
    client.destroy();
    table.destroy();
  };
  harness.working.push({ name, consumer, close });
  await consumer.start();
}

function timeReads(client: KinesisClient, reads: number[]): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const began = performance.now();
        const result = await next(args);
        if (commandName === 'GetRecordsCommand') reads.push(performance.now() - began);
        return result;
      },
    { step: 'initialize', name: 'timeReads' },
  );
}

/** An intercept that records when a keeper tells its worker to drain or pause. No event reports this. */
function noteOrders(worker: string, orders: DrainOrder[]): object {
  return {
    deliver({ to, message }: { to: { path: string }; message: unknown }, deliver: () => void): void {
      const { type, fence } = message as { readonly type?: string; readonly fence?: number };
      const [, shardId] = /^shard-worker\/(.+)#\d+$/.exec(to.path.split(/\/(?=shard-worker\/)/).at(-1)!) ?? [];
      if ((type === 'drain' || type === 'pause') && fence !== undefined && shardId !== undefined)
        orders.push({ shardId, worker, fence, at: performance.now() });
      deliver();
    },
  };
}

async function leave(harness: Harness, worker: Worker): Promise<void> {
  const { working, stops, undrained } = harness;
  stops.set(worker.name, performance.now());
  const { drained } = await worker.consumer.stop();
  if (!drained) undrained.push(worker.name);
  working.splice(working.indexOf(worker), 1);
  worker.close();
}

/** Waits until, for `calmMs`, running workers deliver all shards, and their numbers of shards differ by at most one. */
async function waitForEvenShares({ setup, working, deliverers, troubles }: Harness): Promise<void> {
  const deadline = performance.now() + longestMs;
  for (let since = Infinity; performance.now() - since < calmMs || since === Infinity; await delay(50)) {
    const counts = new Map(working.map(({ name }) => [name, 0]));
    for (const name of deliverers.values()) counts.set(name, (counts.get(name) ?? NaN) + 1);
    const shares = [...counts.values()];
    const isEven = deliverers.size === setup.shards && Math.max(...shares) - Math.min(...shares) <= 1;
    if (!isEven) since = Infinity;
    else if (since === Infinity) since = performance.now();
    if (performance.now() > deadline)
      throw new Error(
        [
          `the leases are not shared evenly after ${longestMs / 1_000} s: ${[...counts].join('; ')}`,
          ...troubles.slice(-8),
        ].join('; '),
      );
  }
}

/** Waits a limited time until every record is delivered. `judge` reports a record that is still missing as lost. */
async function waitForDeliveries({ written, deliveries }: Harness): Promise<void> {
  const deadline = performance.now() + longestMs / 3;
  while (performance.now() < deadline) {
    const seen = new Set(deliveries.map(({ id }) => id));
    if (written.every((id) => seen.has(id))) return;
    await delay(250);
  }
}
