// Symptom: `kinact demo` killed in its first moments left its consumer processes running for up to a minute. Cause: they ended
// on `disconnect`, and one that came while their modules were still being loaded came to nobody.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { environment } from '../support/command.js';

const program = fileURLToPath(new URL('../../src/cli/demo/consumer-process.js', import.meta.url));

describe("one of the demo's consumers", () => {
  it('ends at once when the demo has ended before it was there', async () => {
    const task = { name: 'consumer-1', application: 'demo', streamName: 'demo', reducers: 1, failoverMs: 3_000 };
    const child = fork(program, [JSON.stringify(task)], { env: environment({}), stdio: 'ignore', execArgv: [] });
    child.disconnect();
    // Until it gave up its start, after a minute; the limit of this test is a third of that.
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).to.equal(1);
  });
});
