// I21, compared with the original: Erlang/OTP itself (otp.escript) and our supervisor run the same random supervisors, deaths, failed
// starts and requests. An observer of the children must see the same, event by event.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';
import { ManualClock } from '../../src/testing/manual-clock.js';
import {
  createRuntime,
  send,
  stop,
  supervise,
  watch,
  type ChildSpec,
  type SupervisorOptions,
} from '../../supervision/index.js';
import { nursery } from './nursery.js';

const program = fileURLToPath(new URL('../../../test/supervision/otp.escript', import.meta.url));
const seed = Number(process.env['KINACT_SEED'] ?? 28_011_973);

const ids = ['a', 'b', 'c', 'd', 'e'] as const;
const anyId = fc.constantFrom(...ids);
const anySpec = fc.record({
  id: anyId,
  restart: fc.constantFrom('permanent' as const, 'transient' as const, 'temporary' as const),
  significant: fc.boolean(),
});
const anyCommand = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('die' as const),
      id: anyId,
      how: fc.constantFrom('normal' as const, 'crash' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('fail' as const), id: anyId, times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('start' as const), spec: anySpec }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('terminate' as const), id: anyId }) },
);
const anyScenario = fc.record({
  strategy: fc.constantFrom('one-for-one' as const, 'rest-for-one' as const, 'one-for-all' as const),
  intensity: fc.integer({ min: 0, max: 5 }),
  autoShutdown: fc.constantFrom('never' as const, 'any-significant' as const, 'all-significant' as const),
  specs: fc.uniqueArray(anySpec, { selector: ({ id }) => id, maxLength: 5 }),
  failures: fc.uniqueArray(fc.tuple(anyId, fc.integer({ min: 1, max: 2 })), { selector: ([id]) => id, maxLength: 1 }),
  commands: fc.array(anyCommand, { maxLength: 14 }),
});
type Scenario = typeof anyScenario extends fc.Arbitrary<infer S> ? S : never;
type Spec = Scenario['specs'][number];

/** OTP refuses significant children that never end for good, and those of a supervisor without autoShutdown. */
const isSignificant = ({ autoShutdown }: Scenario, { restart, significant }: Spec): boolean =>
  significant && restart !== 'permanent' && autoShutdown !== 'never';

function erlangTerm(scenario: Scenario): string {
  const word = (text: string): string => text.replaceAll('-', '_');
  const list = (terms: readonly string[]): string => `[${terms.join(',')}]`;
  const spec = (one: Spec): string => `{${one.id},${one.restart},${isSignificant(scenario, one)}}`;
  const command = (one: Scenario['commands'][number]): string => {
    switch (one.type) {
      case 'die':
        return `{die,${one.id},${one.how}}`;
      case 'fail':
        return `{fail,${one.id},${one.times}}`;
      case 'start':
        return `{start,${spec(one.spec)}}`;
      case 'terminate':
        return `{terminate,${one.id}}`;
    }
  };
  const { strategy, intensity, autoShutdown, specs, failures, commands } = scenario;
  const failed = failures.map(([id, times]) => `{${id},${times}}`);
  const parts = [word(strategy), intensity, word(autoShutdown), list(specs.map(spec)), list(failed)];
  return `{${parts.join(',')},${list(commands.map(command))}}.`;
}

/** Runs the same scenario under our supervisor, in virtual time. */
async function ours(scenario: Scenario, clock: ManualClock): Promise<string> {
  const { specs, commands, strategy, intensity, autoShutdown } = scenario;
  const log: string[] = [];
  const failures = new Map<string, number>(scenario.failures);
  const { refs, child } = nursery(failures, log);
  const childSpec = (spec: Spec): ChildSpec => ({
    id: spec.id,
    restart: spec.restart,
    significant: isSignificant(scenario, spec),
    start: () => child(spec.id),
  });
  const options: SupervisorOptions = {
    strategy,
    intensity,
    autoShutdown,
    periodMs: 3_600_000,
    children: specs.map(childSpec),
  };
  const runtime = createRuntime({ clock, timers: clock });
  const root = supervise(runtime, options);
  let isOver = false;
  void watch(root).then(() => (isOver = true));
  await clock.advance(0);
  for (const command of commands) {
    if (isOver) break;
    if (command.type === 'die') {
      const ref = refs.get(command.id);
      if (ref !== undefined) send(ref, { type: command.how === 'crash' ? 'crash' : 'end' });
    } else if (command.type === 'fail') failures.set(command.id, command.times);
    else if (command.type === 'start') send(root, { type: 'startChild', spec: childSpec(command.spec) });
    else send(root, { type: 'terminateChild', id: command.id });
    await clock.advance(0);
  }
  log.push(isOver ? 'down' : 'end');
  void stop(root);
  await clock.advance(0);
  return log.join(', ');
}

function hasErlang(): boolean {
  try {
    execFileSync('escript', [program], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== 'ENOENT';
  }
}

describe('a supervisor, beside one of Erlang/OTP', function () {
  this.timeout(60_000);
  const clock = new ManualClock();
  const folder = mkdtempSync(join(tmpdir(), 'kinact-otp-'));
  before(() => clock.install());
  after(() => {
    clock.uninstall();
    rmSync(folder, { recursive: true });
  });

  it('logs the same events as OTP in 400 random scenarios', async function () {
    if (!hasErlang()) {
      process.stdout.write('      skipped: no escript on the path (Debian: apt-get install erlang-base)\n');
      return this.skip();
    }
    const scenarios = fc.sample(anyScenario, { seed, numRuns: 400 });
    const file = join(folder, 'scenarios');
    writeFileSync(file, scenarios.map(erlangTerm).join('\n'));
    const theirs = execFileSync('escript', [program, file], { encoding: 'utf8', timeout: 50_000 })
      .trimEnd()
      .split('\n');
    expect(theirs).to.have.length(scenarios.length);
    for (const [index, scenario] of scenarios.entries())
      expect(await ours(scenario, clock), `seed ${seed}: ${erlangTerm(scenario)}`).to.equal(theirs[index]);
    // Otherwise nothing of interest has been compared.
    expect(theirs.filter((log) => log.includes('down')).length).to.be.above(40);
    expect(theirs.filter((log) => log.includes('fail')).length).to.be.above(40);
  });
});
