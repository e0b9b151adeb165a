// The programs of docs/tutorial.md do what the page describes: the servers, a service that prints, and one that adds up and resumes at
// its position. A bad record waits beside the work on others, and a last version of the service skips the record.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { environment, kinact, startProgram, type Running } from '../support/command.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/tutorial.md'), 'utf8');
const [serversProgram = '', printing = '', adding = '', skipping = ''] = [
  ...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm),
].map(([, text = '']) => text);

describe('docs/tutorial.md', () => {
  const started: Running[] = [];
  const files: string[] = [];
  let env: Record<string, string>;

  function run(program: string, variables = env): Running {
    // In this folder, the package's own name leads to the built files.
    const file = join(root, `.build/tutorial-${process.pid}-${files.length}.mjs`);
    files.push(file);
    writeFileSync(file, program);
    const running = startProgram(file, [], variables);
    started.push(running);
    return running;
  }

  const orders = Array.from({ length: 20 }, (_, i) => `{"customer":"customer ${(i + 1) % 4}","cents":${i + 1}}`);

  async function put(lines: readonly string[], ...more: readonly string[]): Promise<void> {
    const { code, stderr } = await kinact(['put', '--stream', 'orders', ...more], env, { input: lines.join('\n') });
    expect([code, stderr]).to.deep.equal([0, `${lines.length} records put\n`]);
  }

  async function interrupt({ child, ended }: Running): Promise<void> {
    child.kill('SIGINT');
    expect(await ended).to.deep.include({ code: 0 });
    expect((await ended).stdout).to.match(/drained: true\n$/);
  }

  /** The sums of orders and cents over all `saved` lines. */
  function saved({ stdout }: { readonly stdout: string }): readonly number[] {
    const lines = [...stdout.matchAll(/^saved: (\d+) orders of (\d+) cents$/gm)];
    return [1, 2].map((place) => lines.reduce((sum, line) => sum + Number(line[place]), 0));
  }

  before(async () => {
    const servers = run(serversProgram, process.env as Record<string, string>);
    await servers.until(({ stdout }) => stdout.includes('export AWS_REGION='));
    const [, kinesis, dynamodb] = /KINESIS=(\S+) AWS_ENDPOINT_URL_DYNAMODB=(\S+)/.exec(servers.output.stdout) ?? [];
    env = environment({ kinesis: kinesis!, dynamodb: dynamodb! });
  });
  after(async () => {
    for (const { child } of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    for (const file of files) rmSync(file, { force: true });
  });

  it('has a program that prints every order once, and one that resumes after these orders', async () => {
    await put(orders, '--key-field', 'customer');
    const first = run(printing);
    await first.until(({ stdout }) => stdout.split('"cents"').length === orders.length + 1);
    await interrupt(first);
    await put(orders, '--key-field', 'customer');
    const second = run(adding);
    await second.until((output) => saved(output)[0] === orders.length);
    expect(saved(second.output)).to.deep.equal([20, 210]);
    await interrupt(second);
  });

  it('has a service that adds up other orders while a bad record waits, until its onFailure skips the record', async () => {
    await put(['this is no JSON']);
    const service = run(adding);
    await put(orders, '--key-field', 'customer');
    await service.until((output) => saved(output)[0] === orders.length);
    service.child.kill('SIGINT');
    expect(await service.ended).to.deep.include({ code: 1 });
    expect((await service.ended).stdout).to.match(/drained: false\n$/);

    const skips = run(skipping);
    await skips.until(({ stderr }) => stderr.includes('skipped'));
    await put(orders, '--key-field', 'customer');
    await skips.until((output) => (saved(output)[0] ?? 0) >= orders.length);
    await interrupt(skips);
  });
});
