// The two builds: `dist` is what is published, `.build` is every root with source maps, for tests, examples and bench. What is current
// is not built again: each folder has a stamp of the sources that it was made from.
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

/** Changes with whatever a build depends on. */
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

/** src, actors and supervision into dist. Emptied first: a file that is gone from the sources must not be published. */
export async function buildDist() {
  const stamp = fingerprint(shipped);
  if (isCurrent('dist', stamp)) return;
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await tsc('tsconfig.build.json');
  finishDist(stamp);
}

/** Every root into .build, and dist from there: one run of the compiler for both. */
export async function buildAll() {
  const stamp = fingerprint(roots);
  if (isCurrent('.build', stamp) && isCurrent('dist', fingerprint(shipped))) return;
  rmSync(stampOf('.build'), { force: true });
  await tsc('tsconfig.test.json');
  removeOrphans();
  fillDist();
  finishDist(fingerprint(shipped));
  // Files that tests read at run time and tsc does not copy.
  if (has('test/fixtures'))
    cpSync(join(root, 'test/fixtures'), join(root, '.build/test/fixtures'), { recursive: true });
  writeFileSync(stampOf('.build'), stamp);
}

/** What an earlier build has left of sources that are gone, such as their tests. */
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
