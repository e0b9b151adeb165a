// A rejection that nobody handles fails the run, and names the test it came up in; mocha 12 by itself lets it pass. It does
// not fail that test at once, for mocha ends the whole run when such a test still ends well.
const seen = new WeakSet();
const loose = [];
let title = 'before the first test';

export const mochaHooks = {
  beforeEach() {
    title = this.currentTest.fullTitle();
  },
};

/** For our reporter, which counts each as a failure. */
globalThis[Symbol.for('kinact.looseRejections')] = loose;

process.on('unhandledRejection', (reason, promise) => {
  // mocha emits each of them a second time, for listeners like this one.
  if (seen.has(promise)) return;
  seen.add(promise);
  loose.push({ test: title, message: `unhandled rejection: ${reason?.stack ?? reason}` });
  console.error(`Unhandled rejection in or after "${title}":`, reason);
});
process.on('exit', (code) => {
  if (code === 0 && loose.length > 0) process.exit(98);
});
