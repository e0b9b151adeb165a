// The faults of a soak, chosen by seeded dice. Each fault is real, ends by itself after its time, and is followed by quiet until the
// fleet has caught up.
import { setTimeout as delay } from 'node:timers/promises';
import type { Dice } from '../sim/dice.js';
import { killable, troubles, type Service } from './messages.js';
import type { Consumer, Servers } from './processes.js';
import type { SoakStream } from './stream.js';

/** The things that faults act on. */
export interface Stage {
  readonly dice: Dice;
  readonly servers: Servers;
  readonly stream: SoakStream;
  /** The measured process: only its actors are killed. */
  readonly subject: Consumer;
  /** The other consumer processes that run now. */
  readonly workers: () => readonly Consumer[];
  /** Starts a process in place of one that has ended. */
  replace(gone: Consumer): void;
  readonly signal: AbortSignal;
}

type Fault = (stage: Stage) => Promise<string>;

const pause = (stage: Stage, ms: number): Promise<void> => delay(ms, undefined, { signal: stage.signal });

async function killActor({ dice, subject }: Stage): Promise<string> {
  const kind = dice.pick(killable);
  subject.tell({ type: 'kill', kind, share: dice.next() });
  return `killed a ${kind}`;
}

function end(signal: 'SIGKILL' | 'SIGTERM'): Fault {
  return async (stage) => {
    const victim = stage.dice.pick(stage.workers());
    victim.kill(signal);
    // After SIGTERM a process has up to 20 s to drain, and uses all of it if something else delays the drain.
    await Promise.race([victim.ended, pause(stage, 25_000)]);
    victim.kill('SIGKILL');
    await victim.ended;
    await pause(stage, stage.dice.between(200, 4_000));
    stage.replace(victim);
    return `${signal} to ${victim.name}`;
  };
}

/** Stops a process for 0.5 s (which no worker notices) up to three times the failover time. */
async function stopAndContinue(stage: Stage): Promise<string> {
  const victim = stage.dice.pick(stage.workers());
  const forMs = stage.dice.between(500, 15_000);
  stage.servers.tell({ type: 'pause', pid: victim.pid, forMs });
  await pause(stage, forMs);
  return `SIGSTOP of ${victim.name} for ${forMs} ms`;
}

async function trouble(stage: Stage): Promise<string> {
  const service: Service = stage.dice.pick(['kinesis', 'dynamodb']);
  const what = stage.dice.pick(troubles);
  const forMs = stage.dice.between(500, 6_000);
  stage.servers.tell({ type: 'trouble', service, trouble: what, forMs });
  await pause(stage, forMs);
  return `${what} of ${service} for ${forMs} ms`;
}

/** Each fault with its name, and how often it occurs in ten faults. */
const faults: readonly (readonly [name: string, share: number, run: Fault])[] = [
  ['actor killed', 3, killActor],
  ['SIGKILL', 1, end('SIGKILL')],
  ['SIGTERM', 1, end('SIGTERM')],
  ['SIGSTOP', 1, stopAndContinue],
  ['network or throttling', 3, trouble],
  ['reshard', 1, ({ stream, dice }) => stream.reshard(dice)],
];

export interface FaultsDone {
  readonly count: number;
  readonly byName: Readonly<Record<string, number>>;
}

export interface FaultsOptions {
  readonly stage: Stage;
  /** Resolves when the fleet has caught up, or after a time limit. */
  readonly recovered: () => Promise<void>;
  readonly happened: (name: string, what: string) => void;
}

/** Three kills within 10 s exceed the restart intensity. The consumer would end, as it should, and the soak with it. */
const quietMs = { least: 5_500, most: 10_000 };

const bag = faults.flatMap((fault) => Array.from({ length: fault[1] }, () => fault));

/** Causes one fault after another until the stage's signal aborts. It then abandons the current fault. */
export async function keepFailing({ stage, recovered, happened }: FaultsOptions): Promise<void> {
  try {
    while (!stage.signal.aborted) {
      const [name, , run] = stage.dice.pick(bag);
      happened(name, await run(stage));
      await pause(stage, stage.dice.between(quietMs.least, quietMs.most));
      await recovered();
    }
  } catch (error) {
    if (!stage.signal.aborted) throw error;
  }
}
