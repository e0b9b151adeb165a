// mocha's own `spec` reporter, which also leaves the counts in the file KINACT_TEST_SUMMARY names, and which sees to it
// that a process kept alive by what a test left open fails instead of hanging: mocha is never run with --exit.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

const GRACE_MS = 10_000;

class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    /** Milliseconds by file, hooks included: what a file costs where files run one after the other. */
    const files = new Map();
    let last = performance.now();
    const spent = ({ file }) => {
      const now = performance.now();
      files.set(file, (files.get(file) ?? 0) + now - last);
      last = now;
    };
    const report = () => {
      const file = process.env.KINACT_TEST_SUMMARY;
      if (!file) return;
      const all = [...failures, ...(globalThis[Symbol.for('kinact.looseRejections')] ?? [])];
      const { passes, pending } = runner.stats;
      const counts = { passed: passes, failed: all.length, skipped: pending };
      writeFileSync(file, JSON.stringify({ ...counts, failures: all, files: [...files] }));
    };
    runner.on('fail', (test, error) =>
      failures.push({ test: test.fullTitle(), message: String(error?.message ?? error) }),
    );
    runner.on('test end', spent).on('suite end', spent);
    runner.once('end', () => {
      report();
      setTimeout(() => {
        console.error(`Still open ${GRACE_MS / 1000} s after the last test:`, process.getActiveResourcesInfo());
        failures.push({ test: 'after the last test', message: 'something a test opened is still open' });
        process.exit(97);
      }, GRACE_MS).unref();
    });
    // Before unhandled.mjs, which may end the process there.
    process.prependListener('exit', report);
  }
}

module.exports = Reporter;
