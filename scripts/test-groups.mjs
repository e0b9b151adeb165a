// The tests in groups, and the lanes on which they run. Lanes run side by side, each with its number of mocha processes. The groups
// on the lane `computing` yield to the others, which mostly wait for servers, processes and leases. With more load, workers on a slow
// machine would lose their leases, and their tests would fail.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const simulates = /^test\/(sim|explore)\//;
const models = /^test\/(kill-points|properties|soak|bench)\//;
const apart = /^test\/(integration|integrity|package)\//;
/**
 * How many mocha processes run at the same time. With a third that waits beside those that compute, workers lose their leases on a busy
 * machine. It starts when nothing computes any more.
 */
export const lanes = { computing: 2, waiting: 2 };
/** The name of a group, its lane, whether a test file belongs to the group, and how many files a process gets (default: all). */
const groups = [
  ['unit tests', 'computing', (file) => ![apart, simulates, models].some((folders) => folders.test(file))],
  ['models and kill points', 'computing', (file) => models.test(file)],
  // Last, because its pool of threads can use both processors.
  ['simulations', 'computing', (file) => simulates.test(file)],
  ['command line tests', 'waiting', (file) => file.startsWith('test/integration/cli-'), 5],
  // Before the integration tests, because it is the longest process of this lane.
  ['hand-over tests', 'waiting', (file) => file.startsWith('test/integrity/hand-over-')],
  ['integration tests', 'waiting', (file) => /^test\/integration\/(?!cli-)/.test(file), 4],
  // Those that wait most come last, because four run side by side then.
  ['integrity tests', 'waiting', (file) => /^test\/integrity\/(?!hand-over-)/.test(file), 4],
];

const below = (place) =>
  readdirSync(join(root, '.build', place), { recursive: true }).map((file) => `${place}/${file.replaceAll('\\', '/')}`);

/** The paths of the compiled tests that `chosen` accepts, relative to the root. `chosen` gets each path without `.build/`. */
export function testFiles(chosen) {
  return [...below('test'), ...below('examples')]
    .filter((file) => file.endsWith('.test.js') && chosen(file))
    .map((file) => `.build/${file}`)
    .toSorted((one, other) => (one < other ? -1 : 1));
}

/** Parts of at most `most` files. Neighbours get into different parts, because tests with similar names often cost much the same. */
function partsOf(tests, most) {
  const count = tests.length === 0 ? 0 : Math.max(1, Math.ceil(tests.length / most));
  return Array.from({ length: count }, (_, part) => tests.filter((_test, place) => place % count === part));
}

/** The compiled tests that `chosen` accepts, in groups. The package tests are in no group. */
export function testGroups(chosen = () => true) {
  return groups.flatMap(([name, lane, belongs, most = Infinity]) => {
    const tests = testFiles((file) => belongs(file) && chosen(file));
    return partsOf(tests, most).map((part) => ({ name, lane, tests: part }));
  });
}
