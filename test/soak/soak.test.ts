// A short soak runs and ends in order, and fails if something is wrong. It leaves no process behind, even if it is killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { isAlive } from '../support/command.js';
import type { SoakReport } from './soak.js';

const main = fileURLToPath(new URL('./main.js', import.meta.url));

interface Soak {
  readonly pid: number;
  readonly output: { text: string };
  /** The ids of the started processes by name, once the soak has printed them. */
  readonly started: Promise<Readonly<Record<string, number>>>;
  readonly ended: Promise<number | null>;
}

function start(...args: string[]): Soak {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { text: '' };
  const progress = args.includes('--json') ? child.stderr : child.stdout;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.text += text));
  let said = '';
  const started = new Promise<Record<string, number>>((resolve) => {
    progress.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const line = /^processes: (.*)$/m.exec(said)?.[1];
      if (line === undefined) return;
      resolve(Object.fromEntries(line.split(', ').map((each) => [each.split(' ')[0], Number(each.split(' ')[1])])));
    });
  });
  child.stderr.resume();
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { ...{ output, started, ended }, pid: child.pid as number };
}

/** Resolves when all processes have ended. The test's time limit bounds the wait. */
async function allGone(pids: Readonly<Record<string, number>>): Promise<void> {
  while (Object.values(pids).some(isAlive)) await delay(50);
}

describe('a soak', function () {
  this.timeout(180_000);

  it('loses nothing in a few seconds, measures one process, and ends all processes in order', async () => {
    const { output, started, ended } = start('--minutes', '0.15', '--rate', '200', '--seed', '3', '--json');
    const pids = await started;
    expect(Object.keys(pids)).to.deep.equal(['servers', 'measured', 'worker-1', 'worker-2']);
    expect(await ended).to.equal(0);
    const report = JSON.parse(output.text) as SoakReport;
    expect(report).to.include({ ok: true, lost: 0, seed: 3 });
    expect(report.line).to.match(/^soak: 0.15 minutes, \d+ records, 0 lost, .*no verdict below 10 minutes$/);
    expect(report.records).to.be.above(500);
    expect(Object.keys(report.faults)).to.not.deep.equal([]);
    const [sample] = report.samples;
    expect(sample?.heapBytes).to.be.above(1e6);
    expect(sample?.actors).to.be.above(5);
    await allGone(pids);
  });

  it('fails when the measured process is killed, and leaves no process behind', async () => {
    const { output, started, ended } = start('--minutes', '2', '--rate', '50');
    const pids = await started;
    process.kill(pids['measured'] as number, 'SIGKILL');
    expect(await ended).to.equal(1);
    expect(output.text.trimEnd().split('\n').at(-1)).to.match(/^soak: FAILED \(measured ended by itself \(SIGKILL\)/);
    await allGone(pids);
  });

  it('leaves no process behind when it is killed itself', async () => {
    const { pid, started, ended } = start('--minutes', '2', '--rate', '50');
    const pids = await started;
    process.kill(pid, 'SIGKILL');
    await ended;
    await allGone(pids);
  });

  it('ends as FAILED on SIGTERM, and leaves no process behind', async () => {
    const { pid, output, started, ended } = start('--minutes', '2', '--rate', '50');
    const pids = await started;
    process.kill(pid, 'SIGTERM');
    expect(await ended).to.equal(1);
    expect(output.text.trimEnd().split('\n').at(-1)).to.include('FAILED (interrupted');
    await allGone(pids);
  });
});
