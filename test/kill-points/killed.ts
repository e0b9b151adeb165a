// Watches a scenario for its moments, kills an actor at one of them, and checks what came of it.
import { expect } from 'chai';
import { comes, observe, strikeWhere, type Moment, type Observed } from './moment.js';
import { nodesAtStart } from './piping.js';
import { run, type Outcome } from './run.js';
import type { Scenario } from './scenario.js';

export interface Watched {
  readonly scenario: Scenario;
  readonly outcome: Outcome;
  readonly observed: Observed;
}

export async function watch(scenario: Scenario): Promise<Watched> {
  const observed: Observed = new Map();
  return { scenario, outcome: await run(scenario, (world) => observe(world, observed)), observed };
}

/** No supervisor starts these again, so the consumer ends. As in OTP, it also ends if its first child never starts. */
const isLast = ({ kind, what, when, nth }: Moment): boolean =>
  kind === 'consumer' ||
  kind === 'pipeline' ||
  (kind === 'coordinators' && what === 'lifecycle childStarted' && when === 'before' && nth === 0);

/** The first start of the pipeline has begun, and the pipe or its node has not started: then the start of the consumer may fail. */
const mayFailTheStart = ({ kind, what, nth }: Moment): boolean =>
  nth < nodesAtStart &&
  ((kind === 'pipe' && what === 'lifecycle nodeStarted') ||
    (kind === 'pipe-node' && (what === 'effect calls' || what === 'result ran')));

/** Throws unless every law holds after an actor was killed at this moment. */
export async function killed({ scenario, outcome: calm }: Watched, moment: Moment): Promise<void> {
  const isAt = comes(moment);
  const strike = strikeWhere((_, ...at) => isAt(...at));
  const outcome = await run(scenario, () => (member) => strike.attach(member));
  const { complaints, ended, held, pipelines } = outcome;
  expect(strike.kills, 'kills').to.equal(1);
  expect(complaints).to.deep.equal([]);
  if (isLast(moment)) {
    if (!strike.stopping) expect(ended, 'its end').to.be.instanceOf(Error);
    // A coordinator that has just started again holds no leases yet, so those of its predecessor must expire.
    const mayRelease = outcome.coordinators === 1 && scenario.unreleased === undefined;
    if (moment.kind === 'pipeline' && mayRelease) expect(held, 'leases not released').to.equal(0);
  } else if (mayFailTheStart(moment) && ended !== undefined) expect(ended).to.have.property('code', 'START_FAILED');
  else if (scenario.ends === undefined) expect(ended).to.equal(undefined);
  else expect(ended).to.have.property('code', scenario.ends);
  const restarts = moment.kind === 'lease-keeper' ? 0 : 1;
  expect(pipelines, 'pipelines').to.be.at.most(calm.pipelines + restarts);
}
