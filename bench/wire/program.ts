// Runs one of the benchmark's programs in a process of its own, and returns the JSON of its last line.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export async function runProgram<Figures>(name: string, task: object): Promise<Figures> {
  const program = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, JSON.stringify(task)], {
    env,
    timeout: 300_000,
  });
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as Figures;
}
