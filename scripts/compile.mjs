// The two builds: `dist` is what is published, `.build` is every root with source maps, for tests, examples and bench.
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, has, must, root } from './steps.mjs';

/** src, actors and supervision into dist. Emptied first: a file that is gone from the sources must not be published. */
export async function buildDist() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await must(bin('tsc'), ['-p', 'tsconfig.build.json']);
  const command = join(root, 'dist/src/cli/main.js');
  if (has('dist/src/cli/main.js')) chmodSync(command, 0o755);
}

/** Every root into .build. Needs dist: what imports `kinact` by name gets the package as users do. */
export async function buildAll() {
  rmSync(join(root, '.build'), { recursive: true, force: true });
  await must(bin('tsc'), ['-p', 'tsconfig.test.json']);
  // Files that tests read at run time and tsc does not copy.
  if (has('test/fixtures'))
    cpSync(join(root, 'test/fixtures'), join(root, '.build/test/fixtures'), { recursive: true });
}
