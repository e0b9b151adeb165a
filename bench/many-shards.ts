// `npm run bench -- shards`: does the cost grow with the records, and not with the streams or shards? Each case is a pair of consumers with
// the same records, run in turns in processes of their own; the figures are ratios of the two. Called by main.ts.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { Output } from './output.js';
import type { ShardsCase, SideOfShards } from './many-shards-side.js';

interface Pair {
  readonly name: string;
  readonly many: Pick<ShardsCase, 'kind' | 'streams' | 'shards'>;
  readonly few: Pick<ShardsCase, 'kind' | 'streams' | 'shards'>;
}

const pairs: readonly Pair[] = [
  {
    name: '50 streams of 1 shard, to 1 stream of 50',
    many: { kind: 'kinesis', streams: 50, shards: 1 },
    few: { kind: 'kinesis', streams: 1, shards: 50 },
  },
  {
    name: '2,000 shards of a table, to 50',
    many: { kind: 'table', streams: 1, shards: 2_000 },
    few: { kind: 'table', streams: 1, shards: 50 },
  },
];

/** Runs one side. Tests replace it. */
export type RunSide = (side: ShardsCase) => Promise<SideOfShards>;

const inItsOwnProcess: RunSide = async (side) => {
  const program = fileURLToPath(new URL('./many-shards-side.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, JSON.stringify(side)], {
    timeout: 300_000,
  });
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as SideOfShards;
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const shownOf = ({ cpuMs, rssBytes, startMs }: SideOfShards): string =>
  `CPU ${Math.round(cpuMs)} ms, RSS ${Math.round(rssBytes / 2 ** 20)} MiB, all read after ${Math.round(startMs)} ms`;

/** `--records N` (5,000), `--seconds N` (10), `--runs N` (3). Resolves to the exit code. The last line on stdout is the outcome. */
export async function manyShards(args: readonly string[], output: Output, runSide = inItsOwnProcess): Promise<number> {
  const json = args.includes('--json');
  const say = (line: string): void => void (json ? output.stderr : output.stdout)(`${line}\n`);
  const ratios: { readonly name: string; readonly cpu: number; readonly rss: number }[] = [];
  let line: string;
  let code = 0;
  try {
    const text = { type: 'string' } as const;
    const options = { json: { type: 'boolean' }, records: text, seconds: text, runs: text } as const;
    const { values } = parseArgs({ args: [...args], options });
    const [records, seconds, runs] = [values.records ?? '5000', values.seconds ?? '10', values.runs ?? '3'].map(Number);
    for (const { name, many, few } of pairs) {
      const cpu: number[] = [];
      const rss: number[] = [];
      for (let run = 0; run < runs!; run += 1) {
        const amount = { records: records!, seconds: seconds! };
        const [a, b] = [await runSide({ ...many, ...amount }), await runSide({ ...few, ...amount })];
        say(`${name}: ${shownOf(a)}; to ${shownOf(b)}`);
        cpu.push(a.cpuMs / b.cpuMs);
        rss.push(a.rssBytes / b.rssBytes);
      }
      ratios.push({ name, cpu: median(cpu), rss: median(rss) });
    }
    line = `bench: ok, ${ratios.map(({ name, cpu, rss }) => `${name}: CPU ${cpu.toFixed(2)}, RSS ${rss.toFixed(2)}`).join('; ')}`;
  } catch (error) {
    code = 1;
    line = `bench: FAILED, ${(error as Error).message}`;
  }
  output.stdout(`${json ? JSON.stringify({ ok: code === 0, line, ratios }) : line}\n`);
  return code;
}
