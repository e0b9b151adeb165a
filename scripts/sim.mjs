// npm run sim: builds and runs test/sim/main.ts. That program prints the outcome in its last line, and handles --json itself.
import { buildAll } from './compile.mjs';
import { json, rest, run } from './steps.mjs';

async function main() {
  try {
    await buildAll();
  } catch (error) {
    return { code: 1, line: `sim: FAILED at build (${error.message})` };
  }
  const flags = json ? ['--json'] : [];
  const { code } = await run(process.execPath, ['--enable-source-maps', '.build/test/sim/main.js', ...rest, ...flags], {
    ownOutput: true,
    limitMs: 14_400_000,
  });
  // With exit code 0 to 2 the program has printed the outcome itself.
  return { code, line: code <= 2 ? undefined : `sim: FAILED, exit code ${code}` };
}

const { code, line } = await main();
if (line !== undefined) console.log(json ? JSON.stringify({ ok: false, line }) : line);
process.exitCode = code;
