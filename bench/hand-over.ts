// `npm run bench -- hand-over`: measures what the move of a lease between healthy workers costs, in records lost or delivered twice,
// in silence, and in DynamoDB calls. Fails if a record was lost or delivered twice, if two workers delivered one shard at once, or
// if a stop did not drain. The times are printed beside their aims but fail nothing, because they depend on the machine, too.
// Called by main.ts.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Output } from './output.js';
import { spreadOf, type Spread } from './wire/spread.js';
import { costOf, type MoveCost } from './hand-over-calls.js';
import { medianSteal, pictureOf } from './hand-over-picture.js';
import { judge, percentile, type Judgement, type Move, type MoveKind } from './hand-over-judge.js';
import type { HandOverRun, HandOverSetup } from './hand-over-run.js';

const aims: Readonly<Record<MoveKind, { readonly p50: number; readonly p99: number }>> = {
  steal: { p50: 300, p99: 1_000 },
  leave: { p50: 1_000, p99: 2_000 },
};
const kinds = ['steal', 'leave'] as const;
/** The figures of this benchmark at commit 7e51773, the last commit without wishes. */
const before =
  'DynamoDB calls before the protocol (7e51773): 4.0 per steal (take, fence, the refused renewal of the old owner and its read), 3.0 per leave';

/** The times of one kind of move. A `Spread` is over the percentiles of the single rounds. */
export interface MoveFigures {
  readonly kind: MoveKind;
  readonly moves: number;
  readonly p50: number;
  readonly p50OfRounds: Spread;
  readonly p99: number;
  readonly p99OfRounds: Spread;
  readonly min: number;
  readonly max: number;
}

/** `--json`, `--rounds N`, `--picture FILE`. */
function setupOf(args: readonly string[]): HandOverSetup & { readonly picture: string | undefined } {
  const options = { json: { type: 'boolean' }, rounds: { type: 'string' }, picture: { type: 'string' } } as const;
  const { rounds = '4', picture } = parseArgs({ args: [...args], options }).values;
  if (!/^[1-9]\d{0,2}$/.test(rounds)) throw new Error(`--rounds: expected a positive integer, got '${rounds}'`);
  return { workers: 3, shards: 8, recordsPerShardSecond: 100, rounds: Number(rounds), picture };
}

export function figuresOf(kind: MoveKind, moves: readonly Move[], rounds: readonly number[]): MoveFigures {
  const times = (some: readonly Move[]): number[] => some.filter((move) => move.kind === kind).map(({ ms }) => ms);
  const all = times(moves);
  const byRound = rounds
    .slice(0, -1)
    .map((from, place) => times(moves.filter(({ at }) => at >= from && at < rounds[place + 1]!)))
    .filter((round) => round.length > 0);

  return {
    kind,
    moves: all.length,
    p50: percentile(all, 0.5),
    p50OfRounds: spreadOf(byRound.map((round) => percentile(round, 0.5))),
    p99: percentile(all, 0.99),
    p99OfRounds: spreadOf(byRound.map((round) => percentile(round, 0.99))),
    min: Math.min(...all),
    max: Math.max(...all),
  };
}

function rowOf({ kind, moves, p50, p50OfRounds, p99, p99OfRounds, min, max }: MoveFigures): string {
  const ms = (value: number): string => Math.round(value).toLocaleString('en-US');
  const shown = (value: number, rounds: Spread, aim: number): string =>
    `${ms(value)} (${ms(rounds.min)}–${ms(rounds.max)}), aim ${ms(aim)}${value <= aim ? '' : ': MISSED'}`.padStart(36);
  const aim = aims[kind];
  const range = `${ms(min)}–${ms(max)}`;
  return `${`${kind}s`.padEnd(8)} ${String(moves).padStart(6)} ${shown(p50, p50OfRounds, aim.p50)} ${shown(p99, p99OfRounds, aim.p99)} ${range.padStart(14)}`;
}

function costLine(kind: MoveKind, { moves, calls }: MoveCost): string {
  const each = (count: number): string => (count / moves).toFixed(1);
  const parts = [...calls].toSorted((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${each(count)}`);
  const total = [...calls.values()].reduce((sum, count) => sum + count, 0);
  return `DynamoDB calls per ${kind}: ${each(total)} (${parts.join(', ')})`;
}

function heading({ workers, shards, recordsPerShardSecond, rounds }: HandOverSetup): readonly string[] {
  const packageOf = createRequire(import.meta.url);
  const version = (name: string): string =>
    `${name} ${(packageOf(`${name}/package.json`) as { readonly version: string }).version}`;
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, load ${loadavg()
    .map((value) => value.toFixed(1))
    .join(' ')}`;
  const isBusy = (loadavg()[0] ?? 0) > availableParallelism();
  return [
    `Node ${process.versions.node}, ${machine}; servers: ${version('kinesalite')} and ${version('dynalite')}, local, in a thread`,
    `${workers} workers (a fourth for a while), ${shards} shards, ${recordsPerShardSecond} records/s a shard, all defaults; ${rounds} rounds of a join, a leave and a rolling deploy`,
    ...(isBusy ? ['the load is above the number of processors: the times are those of a busy machine'] : []),
  ];
}

function verdictOf({ lost, twice, together }: Judgement, written: number, undrained: readonly string[]) {
  const counts = `${written.toLocaleString('en-US')} written, ${lost.length} lost, ${twice.length} delivered twice, ${together.length} times two deliverers of one shard`;
  const isClean = lost.length + twice.length + together.length + undrained.length === 0 && written > 0;
  return {
    isClean,
    text: undrained.length === 0 ? counts : `${counts}; stopped without being drained: ${undrained.join(', ')}`,
  };
}

/** Runs the benchmark and resolves to the exit code. The last line on stdout is the outcome. */
export async function handOver(
  args: readonly string[],
  run: (setup: HandOverSetup, say: (line: string) => void) => Promise<HandOverRun>,
  output: Output,
): Promise<number> {
  const json = args.includes('--json');
  const say = (line: string): void => void (json ? output.stderr : output.stdout)(`${line}\n`);

  let report: object = {};
  let line: string;
  let ok = false;

  try {
    const setup = setupOf(args);
    for (const each of heading(setup)) say(each);

    const result = await run(setup, say);
    const { written, rounds, undrained, calls, reads } = result;
    const judged = judge(result);

    // Moves during the start of the fleet do not count. The final stops cause no moves.
    const moves = judged.moves.filter(({ at }) => at >= rounds[0]!);
    const figures = kinds.map((kind) => figuresOf(kind, moves, rounds));

    say(
      `${'moves'.padEnd(8)} ${'number'.padStart(6)} ${'p50 ms (of rounds)'.padStart(36)} ${'p99 ms (of rounds)'.padStart(36)} ${'least–most'.padStart(14)}`,
    );
    for (const each of figures) say(rowOf(each));

    const took = [0.5, 0.99].map((share) => Math.round(percentile(reads, share)).toLocaleString('en-US'));
    say(`of that, one GetRecords of the local server takes: p50 ${took[0]} ms, p99 ${took[1]} ms`);

    const shown = setup.picture === undefined ? undefined : medianSteal(moves);
    if (shown !== undefined) writeFileSync(setup.picture!, pictureOf(result, shown));

    const costs = costOf(calls, rounds[0]!);
    for (const [kind, cost] of costs) say(costLine(kind, cost));
    say(before);
    for (const complaint of complaintsOf(judged)) say(complaint);

    const { isClean, text } = verdictOf(judged, written.length, undrained);
    ok = isClean;
    line = `bench hand-over: ${ok ? 'ok' : 'FAILED'}, ${text}`;

    const { lost, twice, together } = judged;
    report = {
      written: written.length,
      lost,
      twice,
      together,
      undrained,
      figures,
      moves,
      costs: Object.fromEntries(
        [...costs].map(([kind, cost]) => [kind, { moves: cost.moves, calls: Object.fromEntries(cost.calls) }]),
      ),
    };
  } catch (error) {
    line = `bench hand-over: FAILED, ${(error as Error).message}`;
  }
  output.stdout(`${json ? JSON.stringify({ ok, line, loadAverage: loadavg(), ...report }) : line}\n`);
  return ok ? 0 : 1;
}

/** The first few findings of each kind. */
function complaintsOf({ lost, twice, together }: Judgement): readonly string[] {
  const few = 5;
  return [
    ...lost.slice(0, few).map((id) => `lost: ${id}`),
    ...twice
      .slice(0, few)
      .map(({ id, shardId, worker, fence }) => `twice: ${id} of ${shardId}, by ${worker} under ${fence}`),
    ...together.slice(0, few),
  ];
}
