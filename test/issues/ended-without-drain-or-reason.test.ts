// Symptom: a service ended without a drain. Cause: `timeout`, npm and process managers send a signal to a process and to its group,
// and the second signal ended the service. Another symptom: for an uncaught error, Node printed the object in 40 lines, and none of
// them said what to do.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Consumer, StopReport } from '../../src/consumer/consumer.js';
import { errorReport } from '../../src/consumer/error-report.js';
import { KinactError } from '../../src/api/errors.js';
import { runUntilSignal } from '../../src/consumer/signals.js';
import { ManualClock } from '../../src/testing/index.js';

const signals = ['SIGUSR2'] as const;
const report: StopReport = { drained: true, leases: [], waiting: [] };
const send = (): unknown => process.emit('SIGUSR2', 'SIGUSR2');

/** A consumer that runs until it is stopped, and has drained when `drain` is called. */
function stopping(): { readonly consumer: Consumer; readonly drain: () => void; readonly stops: () => number } {
  let drained = (): void => {};
  let stops = 0;
  const done = new Promise<StopReport>((resolve) => (drained = () => resolve(report)));
  const consumer = {
    start: () => Promise.resolve(),
    closed: new Promise<void>(() => {}),
    stop: () => {
      stops += 1;
      return done;
    },
  };
  return { consumer: consumer as unknown as Consumer, drain: () => drained(), stops: () => stops };
}

describe('signals that come in pairs', () => {
  const { exitCode } = process;
  afterEach(() => {
    process.exitCode = exitCode;
  });

  it('stop the consumer once, with a drain', async () => {
    const { consumer, drain, stops } = stopping();
    const running = runUntilSignal(consumer, { signals });
    send();
    send();
    await Promise.resolve();
    send();
    drain();
    expect(await running).to.equal(report);
    expect(stops()).to.equal(1);
  });

  it('are caught for two more seconds after an instant drain, and then left to other listeners', async () => {
    using clock = new ManualClock();
    clock.install();
    const { consumer, drain } = stopping();
    const before = process.listenerCount('SIGUSR2');
    const running = runUntilSignal(consumer, { signals });
    send();
    drain();
    await running;
    // The signal to the group: without a listener it would end the process, with another exit code.
    expect(send()).to.equal(true);
    expect(process.listenerCount('SIGUSR2')).to.equal(before + 1);
    await clock.advance(2_000);
    expect(process.listenerCount('SIGUSR2')).to.equal(before);
  });
});

describe('an error with which runUntilSignal rejects', function () {
  this.timeout(30_000);
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'kinact-without-reason-'))));
  after(() => rmSync(home, { recursive: true, force: true }));

  const built = (file: string): string => JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href);

  /** Runs a service to its end. Its consumer fails at the start, with the error that the code `failure` makes. */
  async function serviceOf(failure: string, around = ''): Promise<{ readonly code: unknown; readonly stderr: string }> {
    const file = join(home, 'service.mjs');
    const program = `import { runUntilSignal } from ${built('consumer/signals.js')};
import { KinactError } from ${built('api/errors.js')};
${around}
function yours() { return new TypeError('totals is undefined'); }
const failed = Promise.reject(${failure});
failed.catch(() => {});
await runUntilSignal({ start: () => failed, stop: () => failed, closed: failed });
`;
    writeFileSync(file, program);
    return await new Promise((resolve) => {
      execFile(process.execPath, [file], (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }));
    });
  }

  it('is printed in a few lines with code, causes and what to do, and sets exit code 1', async () => {
    const cause = `Object.assign(new Error('Stream orders not found'), { name: 'ResourceNotFoundException', $metadata: { attempts: 1 } })`;
    const { code, stderr } = await serviceOf(
      `new KinactError('STREAM_NOT_FOUND', "stream 'orders' does not exist", { cause: ${cause}, data: { stream: 'orders' } })`,
    );
    const [first, second, ...rest] = stderr.trimEnd().split('\n');
    expect(first).to.equal("kinact: STREAM_NOT_FOUND: stream 'orders' does not exist");
    expect(second).to.equal('  caused by ResourceNotFoundException: Stream orders not found');
    expect(rest.slice(-2)).to.deep.equal([
      '  data: {"stream":"orders"}',
      '  what to do: Create the stream (of a table: enable it), or correct name, region or account.',
    ]);
    expect(stderr.split('\n').length).to.be.below(8);
    expect(code).to.equal(1);
  });

  it('shows where in the application its cause was created', async () => {
    const { stderr } = await serviceOf(
      `new KinactError('RESTART_INTENSITY', 'too many', { cause: new KinactError('PROCESSING_FAILED', 'reduce threw', { cause: yours() }) })`,
    );
    expect(stderr).to.match(
      /caused by PROCESSING_FAILED: reduce threw\n {2}caused by TypeError: totals is undefined\n {4}at yours \(.*service\.mjs/,
    );
    expect(stderr).to.not.include('node:internal');
  });

  it('is left to Node, with its stack, if it is not an error of kinact', async () => {
    const { code, stderr } = await serviceOf(`yours()`);
    expect(stderr).to.include('TypeError: totals is undefined\n    at yours');
    expect(stderr).to.not.include('what to do');
    expect(code).to.equal(1);
  });

  it('is left to an uncaughtException handler of the application', async () => {
    const { code, stderr } = await serviceOf(
      `new KinactError('STOPPED', 'no')`,
      `process.on('uncaughtException', (error) => { console.error('mine', error.code); process.exitCode = 7; });`,
    );
    expect({ code, stderr }).to.deep.equal({ code: 7, stderr: 'mine STOPPED\n' });
  });

  it('sets exit code 1 even if the application catches it', async () => {
    const { consumer } = stopping();
    const error = new KinactError('ACCESS_DENIED', 'no');
    const before = process.exitCode;
    const failing = { ...consumer, start: () => Promise.reject(error) } as unknown as Consumer;
    const rejected = await runUntilSignal(failing, { signals }).catch((caught: unknown) => caught);
    const after = process.exitCode;
    process.exitCode = before;
    expect({ rejected, after }).to.deep.equal({ rejected: error, after: 1 });
  });

  it('is reported without control characters, to a limited depth, and with the errors of an AggregateError', () => {
    const circular = new Error('a\nb\u001b[2J');
    (circular as { cause?: unknown }).cause = circular;
    const lines = errorReport(new KinactError('AWS_ERROR', 'x\ny', { cause: circular }));
    for (const character of ['\n', '\u001b']) expect(lines.join('')).to.not.include(character);
    expect(lines.length).to.be.below(60);
    const addresses = new AggregateError([new Error('refused at ::1'), new Error('refused at 127.0.0.1')], '');
    expect(errorReport(new KinactError('AWS_ERROR', 'x', { cause: addresses }))[1]).to.include(
      'refused at ::1; refused at 127.0.0.1',
    );
  });
});
