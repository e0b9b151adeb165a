// The example of a user's own test is short enough to copy, uses only what is shipped, and can fail.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const source = readFileSync(join(root, 'examples/fault-injection.test.ts'), 'utf8');
const compiled = readFileSync(join(root, '.build/examples/fault-injection.test.js'), 'utf8');

/** Changes the example, and runs it with mocha, as a user would. */
async function outcomeOf(from: string, to: string): Promise<{ readonly code: number; readonly text: string }> {
  const broken = compiled.replace(from, to);
  expect(broken, `the example has no '${from}' any more`).to.not.equal(compiled);
  const file = join(root, `.build/examples/fault-injection-broken-${process.pid}.js`);
  writeFileSync(file, broken);
  try {
    const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
    const { stdout } = await promisify(execFile)(process.execPath, [mocha, file], { cwd: root, timeout: 60_000 });
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stdout } = error as { readonly code: number; readonly stdout: string };
    return { code, text: stdout };
  } finally {
    rmSync(file, { force: true });
  }
}

describe('examples/fault-injection.test.ts', function () {
  this.timeout(60_000);

  it('fits in 30 lines, and imports only packages that users have', () => {
    expect(source.trimEnd().split('\n').length).to.be.at.most(30);
    const imported = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name);
    expect(imported).to.deep.equal(['node:assert/strict', 'kinact', 'kinact/testing']);
  });

  it('fails for a reducer that drops an item', async () => {
    const { code, text } = await outcomeOf('counted.push(', "if (item.key !== 'order 500') counted.push(");
    expect(text).to.include('1 of 1000 lost: order 500');
    expect(code).to.equal(1);
  });

  it('fails for a reducer that acknowledges an item before its work is done', async () => {
    const early = 'setTimeout(() => ctx.signal.aborted || counted.push(item.value.toString()), 20); return count + 1;';
    const { code, text } = await outcomeOf('async (count, item) => {', `async (count, item, ctx) => { ${early}`);
    expect(code).to.equal(1);
    expect(text).to.match(/\d+ of 1000 lost: order/);
  });
});
