// Symptom: if `kinact demo` was killed in its first moments, its consumer processes continued to run for up to a minute. Cause:
// they end on `disconnect`, but nothing listened for it while their modules were being loaded.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { environment } from '../support/command.js';

const program = fileURLToPath(new URL('../../src/cli/demo/consumer-program.js', import.meta.url));

describe("one of the demo's consumer processes", () => {
  it('ends at once if the demo has ended while the process was starting', async () => {
    const task = { name: 'consumer-1', application: 'demo', streamName: 'demo', reducers: 1, failoverMs: 3_000 };
    const child = fork(program, [JSON.stringify(task)], { env: environment({}), stdio: 'ignore', execArgv: [] });
    child.disconnect();
    // Before the fix, it ended after a minute, when it gave up its start. The time limit of this test is a third of that.
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).to.equal(1);
  });
});
