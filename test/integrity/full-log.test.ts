// The device for the log of an application, or for the output of a command, has no space left. /dev/full refuses every write with
// ENOSPC.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { WorkerProcess } from '../support/fleet.js';
import { sceneOfTest } from '../support/load-scene.js';
import { environment, startKinact } from '../support/command.js';
import { fullDevice, type LogTarget } from '../support/full-loggers.js';

const failoverMs = 3_000;

describe('a disk without room for the log', function () {
  this.timeout(400_000);
  const scene = sceneOfTest({ shards: 2, worker: { failoverMs } });

  it('fails every write with ENOSPC', () => {
    expect(() => writeFileSync(fullDevice, 'a line'))
      .to.throw()
      .with.property('code', 'ENOSPC');
  });

  /** Starts a worker with this log under load, and stops it after the checkpoints of two renewals. */
  const works = async (log: LogTarget): Promise<WorkerProcess> => {
    const worker = scene.start('logging', { log });
    scene.keepWriting(24);
    const checkpoints = (): number => worker.events('checkpoint').length;
    await scene.fleet.until('checkpoints of two renewals', () => checkpoints() >= 4);
    await scene.expectNothingLost(`full-log, ${log}`);
    expect(worker.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    return worker;
  };
  const loggerFailures = (worker: WorkerProcess): number => {
    const last = worker.reports.at(-1);
    return last?.type === 'stopped' ? (last.counters['loggerFailures'] ?? 0) : Number.NaN;
  };

  /** Expects that the log could not be written. Otherwise a worker that logs nothing would pass as well. */
  const expectFailed = (worker: WorkerProcess): void => {
    const said = worker.reports.flatMap((each) => (each.type === 'logFailed' ? [each.message] : []));
    expect(said.join()).to.include('ENOSPC');
  };

  it('does no harm if the logger throws: the worker counts each line and continues', async () => {
    const worker = await works('throws');
    // Each of these events was a failed log line, too. The last lines come after the count.
    expect(loggerFailures(worker)).to.be.at.least(worker.events('checkpoint').length);
  });

  it('does no harm if a stream behind the logger fails later', async () => {
    const worker = await works('stream');
    expect(loggerFailures(worker)).to.equal(0);
    expectFailed(worker);
  });

  it('does no harm as the stderr of a process if the application listens to its errors', async () => {
    const worker = await works('stderr');
    expect(loggerFailures(worker)).to.equal(0);
    expectFailed(worker);
  });

  it('ends the process, without loss, if the application does not listen to the errors of stderr', async () => {
    const ending = scene.start('ending', { log: 'stderr, unheard' });
    await scene.fleet.put(240);
    expect(await ending.exited).to.not.equal(0);
    scene.start('heir');
    await scene.expectNothingLost('full-log, stderr, unheard');
  });

  it('ends kinact tail with exit code 1 and a last line that names ENOSPC', async () => {
    const { fleet } = scene;
    await fleet.put(10);
    const full = openSync(fullDevice, 'w');
    try {
      for (const more of [[], ['--application', 'full-tail']]) {
        const args = ['tail', '--stream', fleet.streamName, ...more];
        const run = await startKinact(args, environment(fleet.endpoints), { stdout: full }).ended;
        expect(run.code).to.equal(1);
        expect(run.stderr.trimEnd().split('\n').at(-1)).to.match(
          /^OUTPUT: cannot write to stdout \(.*ENOSPC|^UNEXPECTED: .*ENOSPC/,
        );
      }
    } finally {
      closeSync(full);
    }
  });
});
