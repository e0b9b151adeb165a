// The tests in six groups on four lanes. The lanes run side by side. Two groups compute; the other four mostly wait for servers,
// processes and leases. The two yield, and only two of the four run at a time. With more load, workers on a slow machine would
// lose their leases, and their tests would fail.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const long = /^test\/(sim|explore|kill-points|properties|soak|bench)\//;
/** The name of a group, its lane, and whether a test file belongs to the group. */
const groups = [
  ['unit tests', 'rules', (file) => !/^test\/(integration|integrity|package)\//.test(file) && !long.test(file)],
  ['models, simulations and kill points', 'models', (file) => long.test(file)],
  ['hand-over tests', 'one', (file) => file.startsWith('test/integrity/hand-over-')],
  ['command line tests', 'one', (file) => file.startsWith('test/integration/cli-')],
  ['integrity tests', 'other', (file) => /^test\/integrity\/(?!hand-over-)/.test(file)],
  ['integration tests', 'other', (file) => /^test\/integration\/(?!cli-)/.test(file)],
];
const yielding = ['rules', 'models'];

const below = (place) =>
  readdirSync(join(root, '.build', place), { recursive: true }).map((file) => `${place}/${file.replaceAll('\\', '/')}`);

/** The paths of the compiled tests that `chosen` accepts, relative to the root. `chosen` gets each path without `.build/`. */
export function testFiles(chosen) {
  return [...below('test'), ...below('examples')]
    .filter((file) => file.endsWith('.test.js') && chosen(file))
    .map((file) => `.build/${file}`)
    .toSorted((one, other) => (one < other ? -1 : 1));
}

/** The compiled tests that `chosen` accepts, in groups. The package tests are in no group. */
export function testGroups(chosen = () => true) {
  return groups
    .map(([name, lane, belongs]) => ({
      name,
      lane,
      yields: yielding.includes(lane),
      tests: testFiles((file) => belongs(file) && chosen(file)),
    }))
    .filter(({ tests }) => tests.length > 0);
}
