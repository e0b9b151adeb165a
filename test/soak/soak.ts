// One soak: servers, one measured consumer process, two others that are killed and replaced, a constant load, and faults until
// the time is over. It compares the seen ids with the written ids, and passes all figures to the verdict. When it returns, every
// process that it has started has ended.
import { setTimeout as delay } from 'node:timers/promises';
import { createDice } from '../sim/dice.js';
import { keepFailing, type Stage } from './faults.js';
import type { FromConsumer } from './messages.js';
import {
  startConsumer,
  startServers,
  type ChildProcess,
  type Consumer,
  type Endpoints,
  type Servers,
} from './processes.js';
import { openStream, type SoakStream } from './stream.js';
import { openTally, type Tally } from './tally.js';
import { handleCount, judge, type Sample, type Verdict } from './verdict.js';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** User records a second. */
  readonly perSecond: number;
  /** Prints one line. */
  readonly say: (line: string) => void;
  /** Also prints every fault when it happens. */
  readonly verbose: boolean;
  /** Ends the soak early, as a failure. */
  readonly signal: AbortSignal;
}

export interface SoakReport extends Verdict {
  readonly seed: number;
  readonly records: number;
  readonly lost: number;
  readonly replayed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

const streamName = 'soak';
const failoverMs = 5_000;
const shards = 6;
const tickMs = 200;
/** How long the service keeps records that were seen: longer than any checkpoint may lag behind. */
const retainMs = 180_000;
const trimEveryMs = 15_000;
/** A record that no consumer has seen after this time counts as lost, in spite of the faults. */
const stalledMs = 240_000;
/** The fleet has recovered from a fault when no missing record is older than this. */
const caughtUpMs = 5_000;
const recoverMs = 60_000;

/** The state that the parts of one run share. */
interface Run {
  readonly options: SoakOptions;
  readonly tally: Tally;
  readonly failures: string[];
  readonly samples: Sample[];
  readonly faults: Record<string, number>;
  /** Every process that may still run. */
  readonly children: Set<ChildProcess<never>>;
  readonly startedAtMs: number;
  /** Aborts when the time is over, or with the first failure. */
  readonly over: AbortController;
  awaitSample: (sample: Sample) => void;
  serverRssBytes: number;
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const run: Run = {
    ...{ options, tally: openTally(), failures: [], samples: [], faults: {}, children: new Set() },
    ...{ startedAtMs: performance.now(), over: new AbortController(), awaitSample: () => {}, serverRssBytes: 0 },
  };
  const interrupted = (): void => fail(run, 'interrupted');
  options.signal.addEventListener('abort', interrupted, { once: true });
  try {
    await play(run);
  } catch (error) {
    fail(run, error instanceof Error ? error.message : String(error));
  } finally {
    options.signal.removeEventListener('abort', interrupted);
    run.over.abort();
    for (const child of run.children) child.kill('SIGKILL');
    await Promise.all([...run.children].map(({ ended }) => ended));
  }
  const { tally, samples, failures } = run;
  const faults = Object.values(run.faults).reduce((sum, count) => sum + count, 0);
  const counted = { records: tally.written, lost: tally.missing, replayed: tally.replayed };
  const verdict = judge({
    minutes: options.minutes,
    ...counted,
    faults,
    samples,
    failures,
    interrupted: options.signal.aborted,
  });
  return { ...verdict, ...counted, seed: options.seed, faults: run.faults, samples };
}

function fail(run: Run, why: string): void {
  run.failures.push(why);
  run.over.abort();
}

async function play(run: Run): Promise<void> {
  const { servers, writing, at } = await startServers(streamName, (bytes) => (run.serverRssBytes = bytes));
  watchOver(run, servers);
  const stream = openStream(writing, streamName);
  try {
    await stream.create(shards);
    const fleet = startFleet(run, at);
    const pids = [servers, fleet.subject, ...fleet.workers()].map(({ name, pid }) => `${name} ${pid}`);
    run.options.say(`processes: ${pids.join(', ')}`);
    const timer = setTimeout(() => run.over.abort(), run.options.minutes * 60_000);
    const dice = createDice(run.options.seed);
    const stage: Stage = { dice, servers, stream, signal: run.over.signal, ...fleet };
    try {
      await Promise.all([
        write(run, stream),
        keepFailing({
          stage,
          recovered: () => until(run, () => ageOfMissing(run) < caughtUpMs, recoverMs),
          happened: (name, what) => {
            run.faults[name] = (run.faults[name] ?? 0) + 1;
            if (run.options.verbose) run.options.say(`  ${seconds(run)} s: ${what}`);
          },
        }),
        sampleEveryMinute(run, fleet.subject, servers),
        keepTrimming(run, servers),
      ]);
    } finally {
      clearTimeout(timer);
    }
    if (run.failures.length > 0) return;
    await drained(run);
    await stopAll(run, [fleet.subject, ...fleet.workers()]);
  } finally {
    stream.close();
  }
}

/** The run fails if a process ends that the parent has not asked to end. */
function watchOver(run: Run, child: ChildProcess<never>): void {
  run.children.add(child);
  void child.ended.then(({ code, signal }) => {
    run.children.delete(child);
    if (!child.asked) fail(run, `${child.name} ended by itself (${signal ?? `exit code ${code}`})`);
  });
}

function startFleet(run: Run, at: Endpoints): Pick<Stage, 'subject' | 'workers' | 'replace'> {
  let started = 0;
  const start = (name: string): Consumer => {
    const task = { name, application: streamName, streamName, failoverMs, reducers: 4 };
    const consumer = startConsumer(task, at, (message) => hear(run, consumer, message));
    watchOver(run, consumer);
    return consumer;
  };
  const another = (): Consumer => start(`worker-${(started += 1)}`);
  const subject = start('measured');
  let workers = [another(), another()];
  return {
    subject,
    workers: () => workers,
    replace: (gone) => (workers = [...workers.filter((each) => each !== gone), another()]),
  };
}

function hear(run: Run, from: Consumer, message: FromConsumer): void {
  switch (message.type) {
    case 'records':
      for (const id of message.ids) run.tally.see(id);
      from.tell({ type: 'received', batch: message.batch });
      break;
    case 'sample':
      run.awaitSample({ ...message.sample, atMs: performance.now() - run.startedAtMs });
      break;
    case 'killed':
      if (run.options.verbose) run.options.say(`  ${seconds(run)} s: ${message.paths[0] ?? 'nothing'} is gone`);
  }
}

/** Writes at a constant rate: the next tick writes what a late tick has missed. */
async function write(run: Run, stream: SoakStream): Promise<void> {
  const { tally, over, options } = run;
  const from = performance.now();
  while (!over.signal.aborted) {
    const due = Math.floor(((performance.now() - from) / 1_000) * options.perSecond) - tally.written;
    // After a sleep of the machine, not all missed records come in one huge request.
    const count = Math.min(due, 2 * options.perSecond, 400);
    if (count > 0) {
      await stream.put(tally.written, count);
      tally.write(count, performance.now());
    }
    await delay(tickMs, undefined, { signal: over.signal }).catch(() => {});
  }
}

async function keepTrimming(run: Run, servers: Servers): Promise<void> {
  while (!run.over.signal.aborted) {
    await delay(trimEveryMs, undefined, { signal: run.over.signal }).catch(() => {});
    const ageMs = ageOfMissing(run);
    if (ageMs > stalledMs) {
      const ids = run.tally.firstMissing(5).join(', ');
      fail(run, `nobody has seen ${ids} within ${stalledMs / 1_000} s`);
    }
    servers.tell({ type: 'trim', beforeMs: Date.now() - ageMs - retainMs });
  }
}

async function sampleEveryMinute(run: Run, subject: Consumer, servers: Servers): Promise<void> {
  const { over, options, startedAtMs } = run;
  for (let next = 1; next < options.minutes + 1; next += 1) {
    const minute = Math.min(next, options.minutes);
    const waitMs = startedAtMs + minute * 60_000 - performance.now();
    await delay(Math.max(0, waitMs), undefined, { signal: over.signal }).catch(() => {});
    // The last minute ends with the run, but its sample still counts.
    if (run.failures.length > 0) return;
    servers.tell({ type: 'measure' });
    const sample = await new Promise<Sample | undefined>((resolve) => {
      run.awaitSample = resolve;
      subject.tell({ type: 'sample' });
      void delay(sampleLimitMs, undefined, { ref: false }).then(() => resolve(undefined));
    });
    if (sample === undefined) return fail(run, 'the measured process does not answer');
    run.samples.push(sample);
    options.say(minuteLine(run, minute, sample));
  }
}

const sampleLimitMs = 30_000;

function minuteLine(run: Run, minute: number, sample: Sample): string {
  const { tally, faults, serverRssBytes } = run;
  const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(2)} MiB`;
  const handles = Object.entries(sample.handles).map(([type, count]) => `${count} ${type}`);
  return [
    `minute ${minute}: ${tally.written} written, ${tally.seen} seen, ${tally.replayed} replayed`,
    `${Object.values(faults).reduce((sum, count) => sum + count, 0)} faults`,
    `heap ${mib(sample.heapBytes)} (${mib(sample.codeBytes)} of it code), rss ${mib(sample.rssBytes)}, lag p99 ${sample.lagP99Ms} ms`,
    `${handleCount(sample)} handles (${handles.join(', ')})`,
    `${sample.shards} shards, ${sample.actors} actors, ${sample.effects} effects, ${sample.openRecords} open`,
    `${sample.restarts} restarts, ${sample.records} records itself; servers ${mib(serverRssBytes)}`,
  ].join('; ');
}

/** After the last fault and the last write, every record must come. */
async function drained(run: Run): Promise<void> {
  const { tally, failures } = run;
  const deadline = performance.now() + drainMs;
  while (tally.missing > 0 && performance.now() < deadline && failures.length === 0) await delay(100);
  if (tally.missing > 0) failures.push(`ids ${tally.firstMissing(5).join(', ')} were never seen`);
}

const drainMs = 90_000;

/** Ends the fleet in order: each process drains and exits with 0. */
async function stopAll(run: Run, consumers: readonly Consumer[]): Promise<void> {
  for (const consumer of consumers) consumer.kill('SIGTERM');
  for (const { name, ended } of consumers) {
    const outcome = await Promise.race([ended, delay(30_000, undefined, { ref: false }).then(() => undefined)]);
    if (outcome === undefined) run.failures.push(`${name} was still running 30 s after SIGTERM`);
    // A process that was still loading dies of the signal, and has nothing to drain.
    else if (outcome.code !== 0 && outcome.signal !== 'SIGTERM')
      run.failures.push(`${name} did not end in order (${outcome.signal ?? `exit code ${outcome.code}`})`);
  }
}

const ageOfMissing = ({ tally }: Run): number => performance.now() - (tally.oldestMissingAtMs ?? performance.now());
const seconds = ({ startedAtMs }: Run): string => ((performance.now() - startedAtMs) / 1_000).toFixed(1);

async function until(run: Run, condition: () => boolean, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition() && performance.now() < deadline && !run.over.signal.aborted) await delay(100);
}
