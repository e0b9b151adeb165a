// npm run soak: builds and runs test/soak/main.ts. That program prints the outcome in its last line, and handles --json itself.
import { buildAll } from './compile.mjs';
import { json, rest, run } from './steps.mjs';

async function main() {
  try {
    await buildAll();
  } catch (error) {
    return { code: 1, line: `soak: FAILED at build (${error.message})` };
  }
  const flags = json ? ['--json'] : [];
  const { code } = await run(
    process.execPath,
    ['--enable-source-maps', '.build/test/soak/main.js', ...rest, ...flags],
    {
      ownOutput: true,
      // A day, the longest run that can be requested, and the time it may take beyond that.
      limitMs: 87_000_000,
    },
  );
  // With exit code 0 to 2 the program has printed the outcome itself.
  return { code, line: code <= 2 ? undefined : `soak: FAILED, exit code ${code}` };
}

const { code, line } = await main();
if (line !== undefined) console.log(json ? JSON.stringify({ ok: false, line }) : line);
process.exitCode = code;
