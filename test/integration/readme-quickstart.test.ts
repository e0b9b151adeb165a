// The first program of README.md runs as it is pasted, and prints what the page shows.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const readme = readFileSync(`${root}README.md`, 'utf8');

describe('the quickstart of README.md', () => {
  it('prints the lines that the page shows, and the report after SIGINT', async () => {
    const [, program = '', after = ''] = /```ts\n(.*?)```(.*)/s.exec(readme) ?? [];
    const [reading, totals, report = ''] = [...after.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line);

    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: root, timeout: 60_000 });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.endsWith(`${totals}\n`)) child.kill('SIGINT');
    });
    const [code] = (await once(child, 'close')) as [number | null];

    expect(code).to.equal(0);
    expect(output.split('\n').slice(0, 2)).to.deep.equal([reading, totals]);
    const shown = report.match(/\w+: (?:\d+|'\w+'|true|\[\])/g);
    expect(shown).to.include('drained: true');
    for (const field of shown ?? []) expect(output).to.include(field);
  }).timeout(120_000);
});
