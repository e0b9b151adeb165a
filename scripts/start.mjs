// npm start: the demo. Its last line is the verdict, so nothing is printed after it.
import { buildDist } from './compile.mjs';
import { json, rest, root, run } from './steps.mjs';

try {
  await buildDist();
} catch (error) {
  console.log(`start: FAILED at build (${error.message})`);
  process.exit(1);
}
const child = await run(process.execPath, ['dist/src/cli/main.js', 'demo', ...rest], {
  cwd: root,
  capture: json,
  passInterrupt: true,
});
if (json) {
  process.stderr.write(child.printed);
  console.log(JSON.stringify({ ok: child.code === 0, line: child.printed.trimEnd().split('\n').at(-1) }));
}
process.exitCode = child.code;
