// The operator who mends the rows of a recreated stream, as STREAM_CHANGED advises: every worker is stopped, and `kinact reset --yes`
// runs until it succeeds. It is the command's own code, over the services of this world.
import { openLeaseRewriter } from '../../src/aws/dynamodb/lease-rewriter.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { runReset } from '../../src/cli/reset-run.js';
import { errorLine } from '../../src/cli/command.js';
import { createMachine } from './machine.js';
import { dynamoDbClient, kinesisClient } from './services.js';
import { createWire } from './wire.js';
import type { World } from './world.js';

const watchMs = 30_000;
/** Temporary faults have ended by then: calm weather comes before the end of every seed. */
const mostRuns = 20;
const againMs = 5_000;

/**
 * Runs the command until it succeeds. `cutAfter`: the operator is killed after this many writes, and does nothing more. `failed`: it
 * never succeeded.
 */
export function resetStream(world: World, stream: string, cutAfter = Infinity): Promise<'done' | 'cut' | 'failed'> {
  return new Promise((resolve) => {
    let writes = 0;
    const cut = (): boolean => (writes += 1) === cutAfter;
    void run(world, stream, cut, () => resolve('cut')).then(resolve);
  });
}

async function run(world: World, stream: string, isCut: () => boolean, cut: () => void): Promise<'done' | 'failed'> {
  const { clock, dice, layout, oracle, say } = world;
  const machine = createMachine('operator', clock, dice.split());
  const wires = [createWire(machine, clock, dice.split()), createWire(machine, clock, dice.split())] as const;
  const mine = dice.split();
  const host = { clock: machine.clock, timers: machine.timers, random: { next: () => mine.next() } };
  const tableName = layout.tableOf(stream);
  const request = {
    tableName,
    stream: { streamName: stream },
    only: undefined,
    to: { type: 'trimHorizon' },
    watchMs,
    yes: true,
    retry: { ...host, retryForMs: 20_000, name: 'the stream' },
  } as const;
  const client = dynamoDbClient(world, machine, wires[1], dice.split(), ({ before, after }) => {
    if (after !== undefined) oracle.reset(before, after);
    else if (before !== undefined) oracle.tampered(before.leaseKey);
    if (!isCut()) return;
    say(`kinact reset of ${stream} is killed`);
    machine.kill();
    cut();
  });
  const caller = { name: machine.name, wire: wires[0], dice: dice.split(), answered: () => {} };
  const place = {
    environment: host,
    table: openLeaseRewriter({ tableName, ...host, client }),
    open: () => kinesisSource({ streamName: stream, client: kinesisClient(world, caller) }, host),
  };
  const lines: string[] = [];
  const out = {
    write: (text: string, written?: unknown): boolean => {
      lines.push(text.trim().split('\n').at(-1) as string);
      if (typeof written === 'function') written();
      return true;
    },
  };
  for (let times = 0; times < mostRuns; times += 1) {
    for (const wire of wires) wire.weather = world.weather;
    try {
      await runReset(request, place, { signal: new AbortController().signal, stdout: out, stderr: out });
      say(`kinact reset of ${stream}: ${lines.at(-1)}`);
      return 'done';
    } catch (error) {
      say(`kinact reset of ${stream} failed: ${errorLine(error)}`);
    }
    await new Promise<void>((resolve) => clock.after(againMs, resolve));
  }
  return 'failed';
}
