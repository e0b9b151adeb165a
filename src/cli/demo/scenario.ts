// The steps of the demo: two consumer processes share a stream. One is killed with open records. The other takes its lease. A
// shard is split; the shards of a table roll over, too. Writing continues throughout. The scenario only acts and waits; the verdict
// comes from the sink.
import { setTimeout as sleep } from 'node:timers/promises';
import { listLeases } from '../../aws/dynamodb/lease-listing.js';
import { KinactError } from '../../api/errors.js';
import { hasEnded } from '../../core/shard-graph.js';
import { hostEnvironment } from '../../consumer/host-environment.js';
import { application, type ConsumerTask } from './messages.js';
import { startConsumer, type ConsumerProcess } from './processes.js';
import type { Scene } from './scene.js';
import type { Sink } from './sink.js';

const failoverMs = 3_000;
const reducers = 4;
const perSecond = 1_800;
/** The share of all records that must be seen before the kill. */
const killFrom = 0.45;
/** The share that the victim may deliver before its batches are withheld, even if the other consumer is far behind. */
const victimShare = 0.2;
/** The shares of all records that may be written until the kill, and until the split. */
const untilKilled = 0.6;
const untilSplit = 0.8;
/** How often the shards of a table roll over, each time after this share of all records. */
const rollOvers = 3;
const rollEvery = 0.05;
/** When nothing came for this long, every shard is read to its tip and no record is open, nothing more will come. */
const quietMs = 5_000;
const stalledMs = 30_000;

/** Everything that the report shows besides the sink's numbers. */
export interface Story {
  /** What the consumers read. */
  readonly source: 'stream' | 'table';
  readonly consumers: readonly ConsumerProcess[];
  readonly checkpoints: Map<string, number>;
  killed?: {
    readonly process: string;
    readonly seenShare: number;
    readonly openRecords: number;
    readonly lease: string;
  };
  takenOver?: { readonly shardId: string; readonly newOwner: string; readonly afterMs: number };
  /** The number of aggregates with keys of both first shards. */
  mixedAggregates?: number;
  split?: { readonly shardId: string; readonly children: readonly string[] };
  /** The shards of a table that opened as others rolled over. */
  rolledOver?: readonly string[];
}

export interface ScenarioOptions {
  readonly sink: Sink;
  readonly scene: Scene;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dropInReducer: number | undefined;
  /** User records to write. */
  readonly total: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** The options, the story, and callbacks for events in consumer processes. */
interface Stage extends ScenarioOptions {
  readonly story: Story;
  /** Batches of this process are received but not confirmed, so their records stay open. */
  withheld: ConsumerProcess | undefined;
  /** Called on every batch. */
  onBatch: (from: ConsumerProcess) => void;
  onLease: (shardId: string, newOwner: ConsumerProcess, from: string | undefined) => void;
}

/** Runs the scenario. Every process is in `story.consumers` as soon as it starts, because the caller has to stop it. */
export async function play(options: ScenarioOptions, story: Story & { consumers: ConsumerProcess[] }): Promise<void> {
  const { sink, total, signal, say } = options;
  const stage: Stage = { ...options, story, withheld: undefined, onBatch: () => {}, onLease: () => {} };

  const { scene } = options;
  try {
    await scene.prepare();
    for (const name of ['consumer-1', 'consumer-2']) story.consumers.push(start(stage, name));
    await eachHoldsOneLease(stage);
    say('each consumer holds one lease; writing begins');

    const limit = Math.floor(total * untilKilled);
    const writer = await scene.write({ total, limit, perSecond, signal, accepted: (ids) => sink.write(ids) });
    writer.done.catch(() => undefined);

    // A failure of the writer fails the scenario at any step.
    const going = (work: Promise<void>): Promise<void> => Promise.race([work, writer.done.then(() => work)]);

    await going(killOne(stage));
    writer.limit = Math.floor(total * untilSplit);
    await going(leaseChangesHands(stage));
    await going(splitOne(stage));
    writer.limit = total;
    await going(rollOver(stage));
    await writer.done;
    const { aggregates, ofSeveralShards } = writer.counts;
    if (scene.source === 'table') say(`all ${total} changes are written`);
    else {
      story.mixedAggregates = ofSeveralShards;
      say(`all ${total} user records are written, half of them in ${aggregates} aggregates`);
      say(`${ofSeveralShards} of the aggregates hold keys of both shards`);
    }

    await everythingSeen(stage);
    for (const consumer of story.consumers) if (consumer.ended === undefined) consumer.kill('SIGTERM');
    await Promise.all(story.consumers.map(({ closed }) => closed));
  } finally {
    scene.close();
  }
}

function start(stage: Stage, name: string): ConsumerProcess {
  const { scene, sink, story, dropInReducer } = stage;
  const task: ConsumerTask = {
    name,
    source: scene.source,
    reducers,
    failoverMs,
    ...(dropInReducer === undefined ? {} : { dropId: dropInReducer }),
  };
  const consumer = startConsumer(task, stage.env, (message, from) => {
    switch (message.type) {
      case 'records':
        for (const [shardId, ids] of Object.entries(message.byShard)) sink.deliver(name, shardId, ids);
        stage.onBatch(from);
        if (stage.withheld !== from) from.confirm(message.batch);
        return;
      case 'checkpoint': {
        const key = `${name} ${message.shardId}`;
        story.checkpoints.set(key, (story.checkpoints.get(key) ?? 0) + 1);
        return;
      }
      case 'leaseTaken':
        return stage.onLease(message.shardId, from, message.from);
    }
  });
  stage.say(`${name} is process ${consumer.pid}`);
  return consumer;
}

/** Polls a condition; the demo as a whole is bounded in time. */
async function until(stage: Stage, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    const failed = stage.story.consumers.find((each) => each.ended !== undefined && each !== stage.withheld);
    if (failed !== undefined) throw new KinactError('STOPPED', `${failed.name} has ended before its time`);
    await sleep(50, undefined, { signal: stage.signal });
  }
}

async function eachHoldsOneLease(stage: Stage): Promise<void> {
  await until(stage, async () => {
    const shards = await Promise.all(stage.story.consumers.map((consumer) => consumer.status()));
    return shards.every((read) => read.length === 1 && read[0]!.reading);
  });
}

/** SIGKILL between receiving and confirming a batch of the victim: its records are certainly open then. */
async function killOne(stage: Stage): Promise<void> {
  const { sink, story, total, say, signal } = stage;
  const victim = story.consumers[0]!;

  await new Promise<void>((resolve, reject) => {
    stage.onBatch = (from) => {
      const due = sink.seen >= total * killFrom;
      if (from === victim && (due || deliveredBy(sink, victim) >= total * victimShare)) stage.withheld = victim;
      if (!due || stage.withheld !== victim) return;
      stage.onBatch = () => {};
      resolve();
    };
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

  const [shards, { rows }] = await Promise.all([
    victim.status(),
    listLeases({ tableName: application, ...hostEnvironment }, signal),
  ]);
  const lease = rows.find((row) => row.leaseOwner === victim.name && !hasEnded(row))?.leaseKey;
  const openRecords = shards.find(({ shardId }) => shardId === lease)?.openRecords ?? 0;

  victim.kill('SIGKILL');
  await victim.closed;
  const seenShare = sink.seen / total;
  story.killed = { process: victim.name, seenShare, openRecords, lease: lease ?? 'none' };

  const percent = Math.round(seenShare * 100);
  say(
    `SIGKILL to ${victim.name} at ${percent} % seen, holding ${lease ?? 'no lease'} with ${openRecords} open records`,
  );
}

const deliveredBy = (sink: Sink, { name }: ConsumerProcess): number =>
  sink.byProcess.reduce((sum, { process, records }) => (process === name ? sum + records : sum), 0);

async function leaseChangesHands(stage: Stage): Promise<void> {
  const { story, say, signal } = stage;
  const at = performance.now();
  await new Promise<void>((resolve, reject) => {
    stage.onLease = (shardId, newOwner, from) => {
      if (from !== story.killed?.process || shardId !== story.killed?.lease) return;
      story.takenOver = { shardId, newOwner: newOwner.name, afterMs: performance.now() - at };
      resolve();
    };
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const { shardId, newOwner, afterMs } = story.takenOver!;
  say(`${newOwner} took ${shardId} over ${(afterMs / 1_000).toFixed(1)} s after the kill`);
}

/** Splits the shard that did not change hands. */
async function splitOne({ scene, story, say }: Stage): Promise<void> {
  const shardId = (await scene.shards()).find((shard) => shard.shardId !== story.takenOver?.shardId)!.shardId;
  const children = await scene.split(shardId);
  story.split = { shardId, children };
  say(`${shardId} is split into ${children.join(' and ')}`);
}

/** Rolls all shards over, again and again while it is written, as DynamoDB does every few hours. */
async function rollOver(stage: Stage): Promise<void> {
  const { scene, sink, story, total, say } = stage;
  if (scene.rollOver === undefined) return;
  const rolled: string[] = [];
  for (let times = 1; times <= rollOvers; times += 1) {
    await until(stage, () => Promise.resolve(sink.written >= total * (untilSplit + rollEvery * times)));
    rolled.push(...scene.rollOver());
  }
  story.rolledOver = rolled;
  say(`all shards have rolled over ${rollOvers} times: ${rolled.length} new shards`);
}

/** Ends when every record is seen, or when no more records can be expected. */
async function everythingSeen(stage: Stage): Promise<void> {
  const { sink, story } = stage;
  let deliveries = -1;
  let movedAt = 0;

  await until(stage, async () => {
    const { lost } = sink.verdict();
    if (lost === 0) return true;
    const now = performance.now();
    if (sink.deliveries !== deliveries) {
      deliveries = sink.deliveries;
      movedAt = now;
    }
    if (now - movedAt > stalledMs) return true;
    if (now - movedAt < quietMs) return false;
    const alive = story.consumers.filter(({ ended }) => ended === undefined);
    const shards = (await Promise.all(alive.map((consumer) => consumer.status()))).flat();
    return shards.length >= 3 && shards.every(({ idle }) => idle);
  });
}
