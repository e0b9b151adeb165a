// One run: a scenario, an observer that watches or strikes its consumer, and everything that must hold afterwards. A second
// consumer on the same table ends every run. It finds what the first one left, and must lose nothing of it.
import { openQuestions } from '../../supervision/ask.js';
import type { StopReport } from '../../src/consumer/consumer.js';
import { putRecords } from '../sim/workload.js';
import { complaintsOf, incarnationsOf } from './laws.js';
import type { Scenario } from './scenario.js';
import { createWorld, type Member, type World } from './world.js';

export interface Outcome {
  readonly complaints: readonly string[];
  /** How often the pipeline and the coordinator of the struck consumer have been started. */
  readonly pipelines: number;
  readonly coordinators: number;
  /** Why the consumer ended by itself. */
  readonly ended: Error | undefined;
  readonly report: StopReport | undefined;
  /** The number of rows that still named the consumer as the owner when it had ended. */
  readonly held: number;
  readonly virtualMs: number;
  readonly world: World;
}

const settleMs = 40_000;
const stopMs = 15_000;

export async function run(scenario: Scenario, attach: (world: World) => (member: Member) => void): Promise<Outcome> {
  const world = createWorld(scenario);
  const { clock, oracle } = world;
  const questions = openQuestions();
  const stray = (reason: unknown): void => oracle.violate('I25', `unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', stray);
  clock.install();
  try {
    putRecords(world, 30);
    scenario.before?.(world);
    if (scenario.joinsMs !== undefined) await clock.advance(scenario.joinsMs);
    const first = world.start('a', attach(world));
    scenario.script(world, first);
    await clock.advance(scenario.ms);
    const alone = await clock.advanceUntil(() => oracle.missing().length === 0 || hasEnded(first), settleMs);
    if (!alone) oracle.violate('I3', `${oracle.missing().length} items were not dealt with until a successor came`);
    await clock.advance(200);
    const report = await stopped(world, first);
    const held = [...world.leases.rows.values()].filter(
      ({ checkpoint, leaseOwner }) => leaseOwner === 'a' && checkpoint !== 'SHARD_END',
    ).length;
    await succeeded(world);
    await clock.advance(2_000);
    return {
      complaints: complaintsOf(world, questions),
      pipelines: incarnationsOf(first, 'stage/0#'),
      coordinators: incarnationsOf(first, 'lease-coordinator/'),
      ended: first.ended,
      report,
      held,
      virtualMs: clock.now(),
      world,
    };
  } finally {
    clock.uninstall();
    process.off('unhandledRejection', stray);
  }
}

const hasEnded = (member: Member): boolean => member.ended !== undefined || member.stopping !== undefined;

/** Waits for the end of the member. Stops the member if it has not ended by itself. */
async function stopped(world: World, member: Member): Promise<StopReport | undefined> {
  const { clock, oracle } = world;
  if (member.ended === undefined) world.stop(member);
  let over = member.stopping === undefined;
  let report: StopReport | undefined;
  void member.stopping?.then((said) => {
    report = said;
    over = true;
  });
  await clock.advanceUntil(() => over, stopMs);
  if (!over) oracle.violate('I22', `${member.name} has not stopped within ${stopMs} ms`);
  return report;
}

async function succeeded(world: World): Promise<void> {
  const { clock, oracle, members, trouble } = world;
  trouble.fails.clear();
  trouble.throws.clear();
  trouble.callMs = 0;
  Object.assign(trouble.hooks, { ms: 20, fails: 0 });
  putRecords(world, 5);
  world.start('z');
  await clock.advanceUntil(() => oracle.missing().length === 0, settleMs);
  for (const member of members) await stopped(world, member);
}
