// The facts that may excuse a process: harm to its calls, its mail or its clocks, or that it is gone.
import { isJava } from './cluster.js';
import type { Condition } from './hands.js';
import type { Process, World } from './world.js';

/** How much longer a call takes, there and back, while the table is slow. */
export const wayMsOf = (process: Process | undefined): number => 2 * (process?.wires[1].longWay?.mostMs ?? 0);

/** Changes when a call to the table is harmed, mail is held up or repeated, or the machine stands still. */
export function troublesOf(process: Process | undefined): string {
  if (process === undefined) return '';
  const { machine, wires } = process;
  const table = `${wires[1].harmed()} ${wires[1].longWay === undefined}`;
  return `${table} ${machine.harmed()} ${machine.resumedAt()} ${machine.standsStill()} ${machine.mailWaits()}`;
}

/** Changes when a call to the table is harmed other than by a refusal, and when the process may conclude that it was suspended. */
export function earlyRenewals({ processes, refusals }: World, name: string): string {
  const process = processes.find(({ machine }) => machine.name === name);
  if (process === undefined) return '';
  const { machine, wires } = process;
  return `${wires[1].harmed() - refusals.count(name)} ${machine.resumedAt()} ${machine.standsStill()} ${machine.wallJumps()}`;
}

/** Like `troublesOf`, but also with everything that makes the process restart, end tenures or fail to read. */
export function conditionOf({ java, processes }: World, name: string): Condition {
  if (isJava(name)) return { troubles: 'none', isTroubled: java?.isGone(name) !== false, hasHung: false };
  const process = processes.find(({ machine }) => machine.name === name);
  if (process === undefined) return { troubles: 'there is no such process', isTroubled: true, hasHung: false };
  const { ended, hurt, machine, sources, stopped, wires } = process;
  const isGone = stopped || ended !== undefined || !machine.alive;
  return {
    troubles: `${troublesOf(process)} ${wires[0].harmed()} ${hurt} ${machine.wallJumps()} ${sources.changes()}`,
    isTroubled: isGone || sources.areAway() || machine.standsStill() || machine.mailWaits(),
    hasHung: process.hasHung,
  };
}

/**
 * Whether the process is still starting, or adds the only source of the table of this shard. Then it has no earlier scan of the table.
 * While it reads another source of the table, it knows the rows (seed 980144).
 */
export function knowsNoRows({ layout, processes }: World, name: string, shard: string): boolean {
  const process = processes.find(({ machine }) => machine.name === name);
  if (process === undefined) return false;
  const table = layout.tableOfShard(shard);
  const sources = layout.streams.filter((stream) => layout.tableOf(stream) === table);
  return !process.started || sources.every((source) => process.sources.isGone(source));
}

/** The codes of an error and of its causes. */
export function codesOf(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [];
  return [(error as { readonly code?: unknown }).code, ...codesOf(error.cause)];
}
