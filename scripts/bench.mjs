// npm run bench: builds and runs bench/main.ts, which says the outcome in its last line (and knows --json itself).
import { buildAll, buildDist } from './compile.mjs';
import { has, json, rest, run, say } from './steps.mjs';

async function main() {
  if (!has('bench/main.ts')) return { code: 1, line: 'bench: FAILED, bench/main.ts is not written yet' };
  try {
    await buildDist();
    await buildAll();
  } catch (error) {
    return { code: 1, line: `bench: FAILED at build (${error.message})` };
  }
  const { code, printed } = await run(process.execPath, ['--expose-gc', '.build/bench/main.js', ...rest], {
    capture: json,
    limitMs: 1_800_000,
  });
  if (json) say(printed.trimEnd());
  return { code, line: code === 0 ? undefined : `bench: FAILED, exit code ${code}`, printed };
}

const { code, line, printed } = await main();
if (json) console.log(JSON.stringify({ ok: code === 0, line: line ?? printed.trimEnd().split('\n').at(-1) }));
else if (line !== undefined) console.log(line);
process.exitCode = code;
