// npm run example -- NAME: builds and runs examples/NAME.ts. The example's last line is the outcome.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll } from './compile.mjs';
import { has, json, rest, root, run } from './steps.mjs';

const [name, ...args] = rest;
const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -3));

async function main() {
  if (name === undefined || !names.includes(name)) {
    return {
      ok: false,
      line: `example: FAILED, usage: npm run example -- NAME, where NAME is one of ${names.join(', ')}`,
    };
  }
  try {
    await buildAll();
  } catch (error) {
    // The error may be in another root. The example can run if its own program was built.
    if (!has(`.build/examples/${name}.js`)) return { ok: false, line: `example: FAILED at build (${error.message})` };
  }
  const { code, printed } = await run(process.execPath, [`.build/examples/${name}.js`, ...args], { capture: json });
  process.stderr.write(printed);
  return { ok: code === 0, line: printed.trimEnd().split('\n').at(-1), code };
}

const { ok, line, code } = await main();
if (json) console.log(JSON.stringify({ ok, line }));
else if (code === undefined || code !== 0)
  console.log(code === undefined ? line : `example: FAILED, exit code ${code}`);
process.exitCode = ok ? 0 : 1;
