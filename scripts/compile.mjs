// The two builds: `dist` is published; `.build` has every root with source maps, for tests, examples and bench. Each folder has a
// stamp with the fingerprint of its sources. A folder that is still current is not built again.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bin, has, must, root, say } from './steps.mjs';

const shipped = ['src', 'actors', 'supervision'];
const roots = [...shipped, 'test', 'examples', 'bench'];
const settings = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.test.json'];

const below = (place) =>
  has(place)
    ? readdirSync(join(root, place), { recursive: true }).map((file) => `${place}/${file.replaceAll('\\', '/')}`)
    : [];

/** A hash over the names, sizes and times of all files that a build depends on. */
function fingerprint(places) {
  const hash = createHash('sha256');
  for (const file of [...places.flatMap(below).toSorted(), ...settings.filter(has)]) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

const stampOf = (folder) => join(root, folder, '.stamp');

function isCurrent(folder, stamp) {
  return existsSync(stampOf(folder)) && readFileSync(stampOf(folder), 'utf8') === stamp;
}

async function tsc(config) {
  say('   compiling');
  await must(bin('tsc'), ['-p', config]);
}

/** Builds src, actors and supervision into dist. Empties dist first, because files of deleted sources must not be published. */
export async function buildDist() {
  const stamp = fingerprint(shipped);
  if (isCurrent('dist', stamp)) return;
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await tsc('tsconfig.build.json');
  finishDist(stamp);
}

/** Builds every root into .build, and fills dist from there: the compiler runs once for both. */
export async function buildAll() {
  const stamp = fingerprint(roots);
  if (isCurrent('.build', stamp) && isCurrent('dist', fingerprint(shipped))) return;
  rmSync(stampOf('.build'), { force: true });
  await tsc('tsconfig.test.json');
  removeOrphans();
  fillDist();
  finishDist(fingerprint(shipped));
  // Tests read these files at run time, and tsc does not copy them.
  if (has('test/fixtures'))
    cpSync(join(root, 'test/fixtures'), join(root, '.build/test/fixtures'), { recursive: true });
  writeFileSync(stampOf('.build'), stamp);
}

/** Removes files that an earlier build made from sources that no longer exist, for example deleted tests. */
function removeOrphans() {
  for (const file of roots.flatMap((place) => below(`.build/${place}`))) {
    const [source] = /^\.build\/(.*?)(?:\.js|\.js\.map|\.d\.ts)$/.exec(file)?.slice(1) ?? [];
    if (source !== undefined && !has(`${source}.ts`)) rmSync(join(root, file));
  }
}

function fillDist() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  for (const file of shipped.flatMap((place) => below(`.build/${place}`))) {
    const isCode = file.endsWith('.js');
    if (!isCode && !file.endsWith('.d.ts')) continue;
    const to = join(root, file.replace('.build', 'dist'));
    mkdirSync(dirname(to), { recursive: true });
    const text = readFileSync(join(root, file), 'utf8');
    writeFileSync(to, isCode ? text.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n') : text);
  }
}

function finishDist(stamp) {
  const command = join(root, 'dist/src/cli/main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
  writeFileSync(stampOf('dist'), stamp);
}
