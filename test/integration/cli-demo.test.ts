// The demo's verdict is useful only if it can be bad. The tests damage the demo in two places, and the demo has to notice. They use
// fewer records than `npm start`; everything else is the same.
import { expect } from 'chai';
import { environment, isAlive, kinact, startKinact, type Running } from '../support/command.js';

const envWith = (more: Record<string, string>): Record<string, string> =>
  environment({}, { KINACT_DEMO_RECORDS: '6000', ...more });

const verdict = /^verdict: (\d+) written, (\d+) seen, (\d+) lost, (\d+) delivered more than once$/;

/** The process ids that the demo has printed. */
const pidsOf = (running: Running): number[] =>
  [...running.output.stdout.matchAll(/consumer-\d is process (\d+)/g)].map(([, pid]) => Number(pid));

/** Waits until these processes are gone (the kernel takes a moment to reap them). After ten seconds it kills the rest and fails. */
async function gone(pids: readonly number[]): Promise<void> {
  const until = performance.now() + 10_000;
  while (pids.some(isAlive)) {
    if (performance.now() > until) {
      for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
      throw new Error('consumer processes were left running');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('kinact demo', function () {
  this.timeout(400_000);

  it('says before it starts any server that --table needs a package, and has no verdict', async () => {
    const missing = (name: string): string => `export const resolve = (specifier, context, next) => {
      if (specifier === '${name}') throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(specifier, context);
    };`;
    const asUrl = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
    const hook = asUrl(missing('@aws-sdk/client-dynamodb-streams'));
    const register = asUrl(`import { register } from 'node:module'; register(${JSON.stringify(hook)});`);
    const { code, stdout, stderr } = await kinact(
      ['demo', '--table'],
      envWith({ NODE_OPTIONS: `--import=${register}` }),
    );
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/^PEER_MISSING: .*npm install @aws-sdk\/client-dynamodb-streams\n$/);
  });

  it('counts 1 lost when a reducer acknowledges a record that it drops, or the sink loses an id', async () => {
    const limit = { limitMs: 150_000 };
    const [reducer, sink] = await Promise.all([
      kinact(['demo'], envWith({ KINACT_DEMO_DAMAGE: 'reducer' }), limit),
      kinact(['demo'], envWith({ KINACT_DEMO_DAMAGE: 'sink' }), limit),
    ]);
    for (const run of [reducer, sink]) {
      const [, written, seen, lost] = verdict.exec(run.stdout.trimEnd().split('\n').at(-1)!)!;
      expect({ written, seen, lost }, run.stdout).to.deep.equal({ written: '6000', seen: '5999', lost: '1' });
      expect(run.code).to.equal(1);
      expect(run.stdout, 'all the rest went well')
        .not.to.include('not shown')
        .and.not.to.include('the demo did not finish');
    }
  });

  it('loses nothing without damage, shows the kill, the take and the split, and leaves no process behind', async () => {
    const running = startKinact(['demo'], envWith({}), { limitMs: 150_000 });
    const { code, stdout, stderr } = await running.ended;
    const [, written, seen, lost, again] = verdict.exec(stdout.trimEnd().split('\n').at(-1)!)!;
    expect({ code, written, seen, lost, stderr }, stdout).to.deep.equal({
      ...{ code: 0, written: '6000', seen: '6000', lost: '0', stderr: '' },
    });
    expect(Number(again), 'what was open at the kill').to.be.greaterThan(0);
    const percent = Number(/SIGKILL to consumer-1 at (\d+) % seen, holding shardId-\d+ with [1-9]/.exec(stdout)?.[1]);
    expect(percent).to.be.within(40, 60);
    expect(stdout).to.match(/^consumer-1 +shardId-\d+ .*held when it was killed$/m);
    expect(stdout).to.match(/^consumer-2 +shardId-\d+ .*the lease changed hands: taken over from consumer-1$/m);
    expect(stdout.match(/^consumer-2 +shardId-\d+ +[1-9]\d* .*child of shardId-\d+$/gm)).to.have.length(2);
    expect(pidsOf(running)).to.have.length(2);
    await gone(pidsOf(running));
  });

  it('does the same over a table whose shards roll over, and counts 1 lost when its reducer drops a change', async () => {
    const limit = { limitMs: 150_000 };
    const [whole, damaged] = await Promise.all([
      kinact(['demo', '--table'], envWith({}), limit),
      kinact(['demo', '--table'], envWith({ KINACT_DEMO_DAMAGE: 'reducer' }), limit),
    ]);
    for (const [run, lost] of [
      [whole, 0],
      [damaged, 1],
    ] as const) {
      const [, written, , counted] = verdict.exec(run.stdout.trimEnd().split('\n').at(-1)!)!;
      expect({ written, counted, code: run.code }, run.stdout).to.deep.equal({
        ...{ written: '6000', counted: String(lost), code: lost },
      });
      expect(run.stdout).to.include('opened by a roll-over').and.not.to.include('not shown');
    }
  });

  it('ends its consumer processes when it is stopped, and even when it is killed', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
      const running = startKinact(['demo'], envWith({}));
      await running.until(({ stdout }) => stdout.includes('writing begins'));
      const pids = pidsOf(running);
      expect(pids.map(isAlive)).to.deep.equal([true, true]);
      running.child.kill(signal);
      const { code, stdout } = await running.ended;
      expect(code).to.equal(signal === 'SIGKILL' ? null : 130);
      if (signal !== 'SIGKILL')
        expect(stdout)
          .to.match(/\ninterrupted, no verdict\n$/)
          .and.not.to.match(/\d lost/);
      await gone(pids);
    }
  });
});
