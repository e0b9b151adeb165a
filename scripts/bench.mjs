// npm run bench, npm run bench -- hand-over: builds and runs bench/main.ts. That program prints the outcome in its last line, and
// handles --json itself. The whole grid (--full) takes about half an hour.
import { buildAll } from './compile.mjs';
import { json, rest, run } from './steps.mjs';

async function main() {
  try {
    await buildAll();
  } catch (error) {
    return { code: 1, line: `bench: FAILED at build (${error.message})` };
  }
  const flags = json ? ['--json'] : [];
  const { code } = await run(process.execPath, ['--expose-gc', '.build/bench/main.js', ...rest, ...flags], {
    ownOutput: true,
    limitMs: 7_200_000,
  });
  // With exit code 0 or 1 the program has printed the outcome itself.
  return { code, line: code === 0 || code === 1 ? undefined : `bench: FAILED, exit code ${code}` };
}

const { code, line } = await main();
if (line !== undefined) console.log(json ? JSON.stringify({ ok: false, line }) : line);
process.exitCode = code;
