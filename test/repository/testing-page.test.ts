// The programs in docs/testing.md run to their end as they stand there. A compiler is not enough: one program compiled, but its
// process died, because the program awaited a kill that `heal()` had already rejected.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import ts from 'typescript';
import * as testing from '../../src/testing/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/testing.md'), 'utf8');
const programs = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);

/** Whether the program runs until the test ends it. */
const goesOn = (program: string): boolean => program.includes('setInterval(');

/** Runs a program as a reader would. Resolves with its output, and rejects if it fails. */
async function run(program: string, index: number): Promise<string> {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const file = join(root, `.build/examples/testing-page-${process.pid}-${index}.js`);
  writeFileSync(file, ts.transpileModule(program, { compilerOptions }).outputText);
  try {
    const running = promisify(execFile)(process.execPath, [file], { cwd: root, timeout: 60_000 });
    if (!goesOn(program)) return (await running).stdout;
    running.catch(() => undefined);
    let printed = '';
    for await (const text of running.child.stdout ?? []) {
      printed += String(text);
      if (printed.split('\n').length > 2) break;
    }
    running.child.kill();
    return printed;
  } finally {
    rmSync(file, { force: true });
  }
}

describe('docs/testing.md', function () {
  this.timeout(90_000);

  it('has programs that run to their end', async () => {
    expect(programs).to.have.length(11);
    const printed = await Promise.all(programs.map(run));
    expect(printed[programs.findIndex(goesOn)]).to.match(
      /^export AWS_ENDPOINT_URL_KINESIS=http:\/\/127[^]*\nexport AWS_REGION=/,
    );
    expect(printed.at(-1)).to.match(/^reducer\/\d#\d+\nnemesis, seed 7:\n[^]*during reduce/);
  });

  it('has a program for each tool of kinact/testing, and each tool has an example in its doc comment', () => {
    const tools = Object.keys(testing);
    expect(tools).to.include.members(['drive', 'ManualClock', 'nemesis']);
    const uses = (tool: string): boolean =>
      programs.some((text) => new RegExp(`import \\{[^}]*\\b${tool}\\b[^}]*\\} from 'kinact/testing'`).test(text));
    expect(tools.filter((tool) => !uses(tool))).to.deep.equal([]);
    const sources = readdirSync(join(root, 'src/testing'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(root, 'src/testing', file), 'utf8'));
    const example = (tool: string): RegExp =>
      new RegExp(
        ` @example(?:(?!\\*/)[^])*\\b${tool}\\((?:(?!\\*/)[^])*\\*/\\nexport (?:async )?(?:function|class) ${tool}\\b`,
      );
    expect(tools.filter((tool) => !sources.some((text) => example(tool).test(text)))).to.deep.equal([]);
  });
});
