// How coverage is measured, and the thresholds: 95 % of everything, 98 % of the branches in src/core and actors. c8 itself supports
// only one set of thresholds for all files.
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root, say, StepFailed } from './steps.mjs';

const OVERALL = 95;
const BRANCHES_OF_THE_RULES = 98;
const RULES = /^(src\/core|actors)\//;

/**
 * These groups test the code directly. Only they record: it costs a fifth to a quarter more CPU, and a line that only a simulation or a
 * test of whole processes reaches has no test that names it.
 */
const recording = ['unit tests', 'command line tests'];

/**
 * The same groups, of which those in `recording` record their coverage, also that of the processes that their tests start. The first
 * group loads every module, so that a file that no test touches counts as uncovered.
 */
export function recordingCoverage([first, ...others]) {
  rmSync(join(root, 'coverage'), { recursive: true, force: true });
  const env = { NODE_V8_COVERAGE: join(root, 'coverage/tmp') };
  const loading = { ...first, tests: ['--file', 'scripts/mocha/load-all.mjs', ...first.tests] };
  return [loading, ...others].map((group) => (recording.includes(group.name) ? { ...group, env } : group));
}

/** The percentage that is covered; 100 if there is nothing to cover. */
const percent = ({ covered, total }) => (total === 0 ? 100 : (100 * covered) / total);

/** V8 reports no branches inside a function that never ran. So each of these functions counts as one branch not taken. */
const branchesOf = ({ branches, functions }) => ({
  covered: branches.covered,
  total: branches.total + functions.total - functions.covered,
});

export function checkCoverage() {
  const { total, ...files } = JSON.parse(readFileSync(join(root, 'coverage/coverage-summary.json'), 'utf8'));
  const complaints = [];
  for (const kind of ['lines', 'statements', 'functions', 'branches']) {
    if (percent(total[kind]) < OVERALL) complaints.push(`${kind} ${percent(total[kind]).toFixed(1)} % < ${OVERALL} %`);
  }
  const rules = Object.entries(files)
    .map(([path, file]) => ({ path: relative(root, path), branches: branchesOf(file) }))
    .filter(({ path }) => RULES.test(path));
  const sum = { covered: 0, total: 0 };
  for (const { path, branches } of rules) {
    sum.covered += branches.covered;
    sum.total += branches.total;
    if (percent(branches) < BRANCHES_OF_THE_RULES) say(`   ${path}: ${branches.covered} of ${branches.total} branches`);
  }
  const reached = `branches of src/core and actors ${percent(sum).toFixed(1)} %`;
  if (percent(sum) < BRANCHES_OF_THE_RULES) complaints.push(`${reached} < ${BRANCHES_OF_THE_RULES} %`);
  say(
    `   coverage: lines ${percent(total.lines).toFixed(1)} %, branches ${percent(total.branches).toFixed(1)} %, ${reached}`,
  );
  if (complaints.length > 0) throw new StepFailed(`coverage: ${complaints.join('; ')}`);
}
