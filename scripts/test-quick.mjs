// npm run test:quick: runs the unit tests of src, actors and supervision, in a minute with a cold build on two quiet cores.
// With --watch it keeps running. After every change it runs the unit tests that import a changed file.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll } from './compile.mjs';
import { importersOf } from './importers.mjs';
import { testFiles } from './test-groups.mjs';
import { mocha, mochaSideBySide, testSummary } from './mocha.mjs';
import { bin, rest, root, runSteps, say } from './steps.mjs';

const groups = [
  { name: 'rules and adapters', files: /^test\/src\// },
  { name: 'actors and their runtime', files: /^test\/(actors|supervision)\// },
];
const parts = rest.filter((part) => part !== '--watch');
const isChosen = (file) => groups.some(({ files }) => files.test(file)) && parts.every((part) => file.includes(part));

async function quick() {
  const chosen = groups.map(({ name, files }) => ({
    name,
    lane: 'computing',
    tests: testFiles((file) => files.test(file) && isChosen(file)),
  }));
  await mochaSideBySide(chosen.filter(({ tests }) => tests.length > 0));
}

/** Each time the compiler finishes without an error, runs the tests that import a changed file. */
async function watch() {
  const compiler = spawn(bin('tsc'), ['-p', 'tsconfig.test.json', '--watch', '--preserveWatchOutput'], { cwd: root });
  let since = Date.now();
  let running = false;
  say('watching: change a file');
  for await (const chunk of compiler.stdout) {
    process.stdout.write(chunk);
    if (running || !/Found 0 errors/.test(String(chunk))) continue;
    const changed = (file) => statSync(join(root, file)).mtimeMs > since;
    const concerned = importersOf(changed).filter((file) => isChosen(file.replace('.build/', '')));
    since = Date.now();
    if (concerned.length === 0) continue;
    running = true;
    await mocha(concerned).catch((error) => say(error.message));
    running = false;
  }
}

if (rest.includes('--watch')) {
  await buildAll();
  await watch();
} else
  await runSteps(
    'test:quick',
    [
      ['build', buildAll],
      ['tests', quick],
    ],
    testSummary,
  );
