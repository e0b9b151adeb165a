// npm run explore: builds, explores every interleaving of the lease keepers (test/explore/command.ts), and prints the outcome.
import { buildAll } from './compile.mjs';
import { json, rest, say } from './steps.mjs';

async function main() {
  try {
    await buildAll();
  } catch (error) {
    return { code: 1, line: `explore: FAILED at build (${error.message})` };
  }
  const { main } = await import('../.build/test/explore/command.js');
  try {
    return await main(rest, say);
  } catch (error) {
    return { code: 2, line: `explore: ${error.message}` };
  }
}

const outcome = await main();
console.log(json ? JSON.stringify({ ok: outcome.code === 0, ...outcome }) : outcome.line);
process.exitCode = outcome.code;
