// The tests in six groups on four lanes, which run side by side. Two groups compute; the others wait for servers, processes and leases
// most of the time. Those that compute yield, and at most two others run at a time: on a slow machine, workers that do not get their turn
// lose their leases, and tests of them fail for that.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const long = /^test\/(sim|explore|kill-points|properties|soak|bench)\//;
/** Name, lane, what belongs to it. */
const groups = [
  ['unit tests', 'rules', (file) => !/^test\/(integration|integrity|package)\//.test(file) && !long.test(file)],
  ['models, simulations and kill points', 'models', (file) => long.test(file)],
  ['hand-over tests', 'one', (file) => file.startsWith('test/integrity/handover-')],
  ['command line tests', 'one', (file) => file.startsWith('test/integration/cli-')],
  ['integrity tests', 'other', (file) => /^test\/integrity\/(?!handover-)/.test(file)],
  ['integration tests', 'other', (file) => /^test\/integration\/(?!cli-)/.test(file)],
];
const yielding = ['rules', 'models'];

const below = (place) =>
  readdirSync(join(root, '.build', place), { recursive: true }).map((file) => `${place}/${file.replaceAll('\\', '/')}`);

/** The compiled tests that `chosen` says yes to, by their paths from the root; it is asked by the source's. */
export function testFiles(chosen) {
  return [...below('test'), ...below('examples')]
    .filter((file) => file.endsWith('.test.js') && chosen(file))
    .map((file) => `.build/${file}`)
    .toSorted((one, other) => (one < other ? -1 : 1));
}

/** Those of them in groups; the tests of the package are in none. */
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
