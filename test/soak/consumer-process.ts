// The main module of every consumer process of the soak, including the measured one. Invariant: an id is acknowledged only after the
// parent has confirmed it, so acknowledged ids survive SIGKILL. The process ends when its parent ends.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapCodeStatistics } from 'node:v8';
import { setTimeout as delay } from 'node:timers/promises';
import { errorLine } from '../../src/cli/command.js';
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from '../../src/index.js';
import { walk } from '../../src/api/status.js';
import { actorsOf } from '../../supervision/status.js';
import { crashActor } from '../../supervision/system.js';
import type { ConsumerTask, FromConsumer, ToConsumer } from './messages.js';

const task = JSON.parse(process.argv[2] ?? '{}') as ConsumerTask;

const unconfirmed = new Map<number, () => void>();
let batches = 0;
let records = 0;

function tell(message: FromConsumer): void {
  process.send?.(message, undefined, {}, () => undefined);
}

/** Resolves when the parent has confirmed the ids. */
function passOn(ids: readonly number[]): Promise<void> {
  batches += 1;
  const batch = batches;
  return new Promise((resolve) => {
    unconfirmed.set(batch, resolve);
    tell({ type: 'records', batch, ids });
  });
}

const reducer = defineReducer<number[]>({
  init: () => [],
  reduce(ids, { value }) {
    ids.push(Number.parseInt(value.toString('latin1'), 10));
    return ids;
  },
  batch: { size: 200, intervalMs: 200 },
  async flush(ids) {
    if (ids.length > 0) await passOn(ids);
    records += ids.length;
    return [];
  },
});

const consumer = createConsumer({
  logger: false,
  application: task.application,
  source: kinesisStream({ streamName: task.streamName, idleMs: 500 }),
  reducer,
  reducers: task.reducers,
  workerId: task.name,
  leases: { failoverMs: task.failoverMs },
});

const lag = monitorEventLoopDelay({ resolution: 10 });
lag.enable();

/** The lowest size after several collections, because one collection leaves garbage of the calls under way. */
async function heapAfterCollections(): Promise<number> {
  let least = Infinity;
  for (let times = 0; times < 5; times += 1) {
    globalThis.gc?.();
    least = Math.min(least, process.memoryUsage().heapUsed);
    await delay(40);
  }
  return least;
}

async function sample(): Promise<void> {
  const lagP99Ms = Math.round(lag.percentile(99) / 1e6);
  const heapBytes = await heapAfterCollections();
  const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics();
  const handles: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1;
  const { tree, shards, restarts } = consumer.status();
  const actors = walk(tree);
  tell({
    type: 'sample',
    sample: {
      ...{ heapBytes, rssBytes: process.memoryUsage().rss, handles, lagP99Ms, restarts, records },
      codeBytes: code + bytecode,
      actors: actors.length,
      effects: actors.reduce((sum, { effects }) => sum + effects.length, 0),
      shards: shards.length,
      openRecords: shards.reduce((sum, { openRecords }) => sum + openRecords, 0),
    },
  });
  // The forced collections do not count as lag of the consumer.
  lag.reset();
}

function kill(kind: string, share: number): void {
  const candidates = actorsOf(consumer.runtime).filter(({ path }) => /^[^/#]*/.exec(path)?.[0] === kind);
  const victim = candidates[Math.floor(share * candidates.length)];
  if (victim !== undefined) crashActor(victim, new Error('killed by the soak'));
  tell({ type: 'killed', paths: victim === undefined ? [] : [victim.path] });
}

process.on('message', (message: ToConsumer) => {
  if (message.type === 'received') {
    unconfirmed.get(message.batch)?.();
    unconfirmed.delete(message.batch);
  } else if (message.type === 'sample') void sample();
  else kill(message.kind, message.share);
});
// No process of the soak stays behind, even if its parent is killed.
const orphaned = (): void => process.exit(1);
process.on('disconnect', orphaned);
// The parent may have ended while this module was loading, before the listener was there.
if (!process.connected) orphaned();

try {
  await runUntilSignal(consumer, { signals: ['SIGTERM'] });
  process.off('disconnect', orphaned);
  process.disconnect();
} catch (error) {
  process.stderr.write(`${task.name}: ${errorLine(error)}\n`);
  process.exit(1);
}
