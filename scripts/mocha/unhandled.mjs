// Makes an unhandled rejection fail the run, and names the test during which it occurred. mocha 12 alone ignores the rejection. The
// test itself does not fail at once, because mocha would end the whole run if such a test still passed.
const seen = new WeakSet();
const loose = [];
let title = 'before the first test';

export const mochaHooks = {
  beforeEach() {
    title = this.currentTest.fullTitle();
  },
};

/** Our reporter reads this list, and counts each entry as a failure. */
globalThis[Symbol.for('kinact.looseRejections')] = loose;

process.on('unhandledRejection', (reason, promise) => {
  // mocha emits each rejection a second time, for listeners like this one.
  if (seen.has(promise)) return;
  seen.add(promise);
  loose.push({ test: title, message: `unhandled rejection: ${reason?.stack ?? reason}` });
  console.error(`Unhandled rejection in or after "${title}":`, reason);
});
process.on('exit', (code) => {
  if (code === 0 && loose.length > 0) process.exit(98);
});
