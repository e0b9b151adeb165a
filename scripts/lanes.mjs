// The tests in two lanes that run side by side: most of the time the slow ones wait for servers, processes and leases. More lanes
// than processors would have those servers answer late.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const lanes = [
  ['unit and property tests', (file) => !/^test\/(integration|integrity|package)\//.test(file)],
  ['integration and integrity tests', (file) => /^test\/(integration|integrity)\//.test(file)],
];

const below = (place) =>
  readdirSync(join(root, '.build', place), { recursive: true }).map((file) => `${place}/${file.replaceAll('\\', '/')}`);

/** Those of the compiled tests that `chosen` says yes to; the tests of the package are in no lane. */
export function testLanes(chosen = () => true) {
  const files = [...below('test'), ...below('examples')]
    .filter((file) => file.endsWith('.test.js') && chosen(file))
    .toSorted((one, other) => (one < other ? -1 : 1));
  return lanes
    .map(([name, belongs]) => ({ name, tests: files.filter(belongs).map((file) => `.build/${file}`) }))
    .filter(({ tests }) => tests.length > 0);
}
